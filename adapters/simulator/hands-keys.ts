import { createHash } from 'node:crypto';
import { type HandsCall, type Verbs, verb } from './hands.ts';
import { type Account, accountsOf } from './hands-accounts.ts';
import { badInput, fault, oneLine, visible } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { does } from './hands-guest.ts';
import { Inside, kindWords } from './hands-inside.ts';
import { nested, unnested } from './hands-jump.ts';
import { checkedLines, keyLine, linesState, markedLines, merged, remarked, remarkedState } from './hands-keylines.ts';
import { strictTroubles } from './hands-strict.ts';

/** ct.keys.set, jump.keys.set. */

interface Wanted {
  readonly user: string;
  readonly marker: string;
  readonly lines: readonly string[];
}
type InCt = Wanted & { readonly vmid: number; readonly mac?: string; readonly foreign?: string };

const limit = 262_144;

/** A user's key file as that user reads it. */
export function keyFile(inside: Inside, user: Account, file: string): { text: string } | { why: string } {
  const real = inside.real(file);
  const cannot = (why: string) => ({ why: `head: ${why} (exit code 1)` });
  if (!real) return cannot(`cannot open '${file}' for reading: No such file or directory`);
  if (real.stat.isDirectory()) return cannot(`error reading '${file}': Is a directory`);
  // A link may lead to a file of the system that only root may read.
  if (user.uid !== 0 && !`/${real.relative}`.startsWith(`${user.home}/`) && (real.stat.mode & 0o004) === 0)
    return cannot(`cannot open '${file}' for reading: Permission denied`);
  const text = inside.read(file) ?? '';
  return text.length > limit ? { why: `it is larger than ${limit} bytes` } : { text };
}

function keysNow(args: InCt, call: HandsCall) {
  const { vmid, user: name } = args;
  const inside = new Inside(call, vmid, args.mac);
  const what = `the keys of ${name} in CT ${vmid} were not touched`;
  const user =
    accountsOf(inside, `the users of CT ${vmid} are unknown`, call.hands.now()).find((each) => each.name === name) ??
    fault('not-found', what, 'there is no such account', 'ct.user.ensure makes it');
  if (!/^\/[^\n]+$/.test(user.home) || /\/\.\.?\//.test(`${user.home}/`))
    fault('refused', what, 'its home folder has a name that cannot be used', 'correct it in /etc/passwd');
  const folder = `${user.home}/.ssh`;
  const file = `${folder}/authorized_keys`;
  for (const path of [folder, file]) {
    const stat = inside.stat(path);
    const right = path === folder ? stat?.isDirectory() : stat?.isFile();
    if (stat && !right)
      fault('refused', what, `${visible(path, 300)} is a ${kindWords(stat)}`, 'look at it inside the container');
  }
  const read = inside.stat(file) ? keyFile(inside, user, file) : { text: '' };
  if ('why' in read)
    return fault('refused', what, `${visible(file, 300)}: ${read.why}`, 'look at it inside the container');
  return { inside, user, folder, file, text: read.text };
}

function wantedLines(args: InCt): string[] {
  const lines = checkedLines(args, false);
  if (args.foreign && lines.some((line) => keyLine(line)!.options !== ''))
    badInput('lines that are taken over have no options');
  return lines;
}

/** Taking over lets nobody in: a key that is not there any more is not written. */
function adoptedAll(args: InCt, text: string, lines: readonly string[]): void {
  const { state, evidence } = remarkedState(text, args.marker, 'adopt', lines);
  if (state !== 'done')
    fault(
      'changed',
      `the keys of ${args.user} in CT ${args.vmid} were not changed`,
      `${evidence}: the others are gone, or have options`,
      'look again who has which keys',
    );
}

function ctProbe(args: InCt, call: HandsCall): object {
  const lines = wantedLines(args);
  if (args.foreign) return remarkedState(keysNow(args, call).text, args.marker, args.foreign, lines);
  return linesState(keysNow(args, call).text, args.marker, lines);
}

function ctSet(args: InCt, call: HandsCall): object {
  const { vmid, user: name, marker, foreign } = args;
  const lines = wantedLines(args);
  const now = keysNow(args, call);
  const text = foreign ? remarked(now.text, marker, foreign, lines) : merged(now.text, marker, lines);
  if (foreign === 'adopt') adoptedAll(args, text, lines);
  const { inside, folder, file } = now;
  // One that is about to be replaced has the right mode afterwards.
  const kept = text === now.text && inside.stat(file) ? [file] : [];
  const told = { vmid, user: name, lines: lines.length, troubles: strictTroubles(inside, now.user, kept) };
  if (text === now.text) return { ...told, changed: false };
  if (text.length > limit) badInput(`the key file would grow beyond ${limit} bytes`);
  if (!inside.stat(now.user.home))
    fault(
      'refused',
      `the keys of ${name} in CT ${vmid} were not changed`,
      `its home folder ${visible(now.user.home, 300)} is missing`,
      `make it inside the container, owned by ${name}`,
    );
  const as = ['runuser', '-u', name, '--'];
  const token = createHash('sha256').update(`${marker} ${call.hands.log.length}`).digest('hex').slice(0, 16);
  const fresh = `${folder}/.authorized_keys.${token}`;
  if (!inside.stat(folder))
    inside.does([...as, 'mkdir', '-p', '-m', '700', '--', folder], '', () => inside.folder(folder, 0o700));
  inside.does([...as, 'dd', `of=${fresh}`, 'conv=excl,fsync', 'status=none'], text, () => {});
  inside.does([...as, 'chmod', '600', '--', fresh], '', () => {});
  inside.does([...as, 'mv', '-T', '-f', '--', fresh, file], '', () => inside.write(file, text, 0o600));
  if (!call.would) call.hands.happened('ct.keys.set', `${vmid}/${name}`);
  return { ...told, changed: true, replaced: markedLines(now.text, marker).length };
}

/** The text of a jump account's key file, or the call ends. */
function jumpText(args: Wanted, call: HandsCall): string {
  const { user } = args;
  const forbidden = (why: string, next: string) => fault('forbidden', 'nothing was done', why, next);
  if (!call.config.jump.includes(user))
    forbidden(`this node has no jump account named ${user}`, 'add it to jump in /etc/bascule-node.json');
  const line = call.hands.passwd.split('\n').find((each) => each.startsWith(`${user}:`));
  const account = line?.split(':') ?? [];
  if (account.length < 7)
    fault(
      'not-found',
      'nothing was done',
      `there is no account ${user} on this node`,
      'run the set-up of bascule setup node again',
    );
  const shell = account[6]!;
  // With a real shell, `restrict` would still let a key run commands.
  if (!/\/(?:nologin|false)$/.test(shell) || account[2] === '0')
    forbidden(
      `the account ${user} can run commands (its shell is ${oneLine(shell)})`,
      `usermod --shell /usr/sbin/nologin ${user}`,
    );
  return call.hands.jumpKeys.get(user) ?? '';
}

function jumpProbe(args: Wanted, call: HandsCall): object {
  const lines = checkedLines(args, true);
  return linesState(unnested(jumpText(args, call)), args.marker, lines);
}

function jumpSet(args: Wanted, call: HandsCall): object {
  const { user, marker } = args;
  const lines = checkedLines(args, true);
  const old = jumpText(args, call);
  const text = nested(merged(old, marker, lines));
  if (text === old) return { user, changed: false, lines: lines.length };
  does(call, 'write', [`/etc/ssh/bascule-jump/${user}`], text, () => {
    call.hands.jumpKeys.set(user, text);
    call.hands.happened('jump.keys.set', user);
  });
  return { user, changed: true, lines: lines.length, replaced: markedLines(old, marker).length };
}

const wanted = { user: field.user, marker: field.marker, lines: field.lines };

export const keyVerbs: Verbs = {
  'ct.keys.set': verb({
    needs: { ...wanted, vmid: field.vmid },
    may: { foreign: field.foreign, mac: field.mac },
    changes: true,
    run: ctSet,
    probe: ctProbe,
  }),
  'jump.keys.set': verb({ needs: wanted, may: {}, changes: true, run: jumpSet, probe: jumpProbe }),
};
