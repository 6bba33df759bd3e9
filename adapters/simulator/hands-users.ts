import { type HandsCall, type Verbs, verb } from './hands.ts';
import { type Account, accountsOf, addAccount, dropAccount } from './hands-accounts.ts';
import { fault, visible } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { Inside } from './hands-inside.ts';
import { keyFacts } from './hands-keylines.ts';
import { keyFile } from './hands-keys.ts';
import { strictTroubles } from './hands-strict.ts';

/** ct.users, ct.user.ensure, ct.user.remove: accounts in the container's own passwd, shadow and group. */

/** GECOS cannot hold a colon. */
const gecosOf = (marker: string): string => marker.replaceAll(':', '=');
const sudoFile = (user: string): string => `/etc/sudoers.d/bascule-${user}`;
const isPerson = ({ uid }: Account): boolean => uid >= 1000 && uid < 65_534;
const isOurs = ({ gecos }: Account): boolean => gecos.startsWith('bascule=');
const admins = ['sudo', 'wheel', 'admin', 'root'];

function ctUsers({ vmid }: { vmid: number }, call: HandsCall): object {
  const inside = new Inside(call, vmid);
  const what = `the users of CT ${vmid} are unknown`;
  const users = accountsOf(inside, what, call.hands.now());
  if (users.length > 2000) fault('refused', what, 'its passwd names more than 2000', 'look inside the container');
  let reads = 0;
  const told: object[] = [];
  for (const user of users) {
    const files = ['authorized_keys', 'authorized_keys2']
      .map((name) => `${user.home}/.ssh/${name}`)
      .filter((path) => inside.stat(path));
    if (files.length === 0 && !isPerson(user)) continue;
    reads += files.length;
    if (reads > 100) fault('refused', what, 'more than 100 key files are in it', 'look inside the container');
    told.push(toldUser(inside, user, files));
  }
  return { vmid, users: told };
}

function toldUser(inside: Inside, user: Account, files: readonly string[]): object {
  const keys: object[] = [];
  const troubles = strictTroubles(inside, user, files);
  for (const file of files) {
    const read = keyFile(inside, user, file);
    if ('text' in read) keys.push(...keyFacts(read.text).map((fact) => ({ ...fact, file: visible(file, 300) })));
    else troubles.push(visible(`${file}: ${read.why}`, 500));
  }
  const sudoLine = user.uid >= 1000 && inside.stat(sudoFile(user.name)) !== undefined;
  return {
    name: user.name,
    uid: user.uid,
    shell: visible(user.shell, 200),
    home: visible(user.home, 300),
    locked: user.locked,
    expired: user.expired,
    sudo: user.uid === 0 || sudoLine || user.groups.some((group) => admins.includes(group)),
    groups: user.groups.map((group) => visible(group, 100)),
    ours: isOurs(user),
    note: visible(user.gecos, 200),
    keys,
    troubles,
  };
}

const named = (inside: Inside, name: string, call: HandsCall): Account | undefined =>
  accountsOf(inside, `the users of CT ${inside.vmid} are unknown`, call.hands.now()).find((user) => user.name === name);

function personOrFault(vmid: number, user: Account): void {
  if (!isPerson(user))
    fault(
      'forbidden',
      `${user.name} in CT ${vmid} was not touched`,
      `it is an account of the system (uid ${user.uid})`,
      'choose another name',
    );
}

interface Ensure {
  readonly vmid: number;
  readonly mac?: string;
  readonly user: string;
  readonly marker: string;
  readonly sudo: boolean;
  readonly adopt?: boolean;
}

function ensureProbe(args: Ensure, call: HandsCall): object {
  const inside = new Inside(call, args.vmid, args.mac);
  const user = named(inside, args.user, call);
  const hasSudo = inside.stat(sudoFile(args.user)) !== undefined;
  if (!user) return { state: 'absent', evidence: `no account ${args.user}` };
  const mine = user.gecos === gecosOf(args.marker);
  const evidence = `account ${args.user}, uid ${user.uid}, ${mine ? 'with' : 'without'} the marker, ${hasSudo ? 'with' : 'without'} our sudo line`;
  if (hasSudo !== args.sudo) return { state: 'partial', evidence };
  return { state: mine ? 'done' : 'already', evidence };
}

function ensure(args: Ensure, call: HandsCall): object {
  const { vmid, user: name, marker, sudo } = args;
  const what = `${name} was not set up in CT ${vmid}`;
  if (sudo && !call.config.sudo)
    fault('forbidden', what, 'this node does not allow sudo for people', 'set sudo to true in /etc/bascule-node.json');
  const inside = new Inside(call, vmid, args.mac);
  const user = named(inside, name, call);
  if (user) {
    personOrFault(vmid, user);
    if (!isOurs(user) && !args.adopt)
      fault(
        'conflict',
        what,
        'an account of this name is there already and was not made by Bascule',
        'adopt it first, or choose another name',
      );
  }
  if (sudo && !inside.stat('/etc/sudoers.d'))
    fault('conflict', what, `CT ${vmid} has no sudo`, 'install sudo in it, or grant without sudo');
  if (!user) {
    const shell = inside.stat('/bin/bash') ? '/bin/bash' : '/bin/sh';
    const gecos = gecosOf(marker);
    const argv = ['useradd', '--create-home', '--password', '*', '--comment', gecos, '--shell', shell, '--', name];
    inside.does(argv, '', () => addAccount(inside, { name, gecos, shell }, what, call.hands.now()));
  }
  const changedSudo = setSudo(inside, name, sudo);
  const changed = !user || changedSudo;
  if (changed && !call.would) call.hands.happened('ct.user.ensure', `${vmid}/${name}`);
  return { vmid, user: name, made: !user, sudo, changed };
}

/** Writes or removes our own file in sudoers.d. */
function setSudo(inside: Inside, name: string, wanted: boolean): boolean {
  const file = sudoFile(name);
  const there = inside.stat(file) !== undefined;
  if (wanted === there) return false;
  if (!wanted) {
    inside.does(['rm', '-f', '--', file], '', () => inside.remove(file));
    return true;
  }
  const fresh = `${file}.new`;
  const line = `${name} ALL=(ALL:ALL) NOPASSWD: ALL\n`;
  inside.does(['rm', '-f', '--', fresh], '', () => inside.remove(fresh));
  inside.does(['dd', `of=${fresh}`, 'conv=excl,fsync', 'status=none'], line, () => {});
  inside.does(['chmod', '0440', '--', fresh], '', () => {});
  inside.does(['mv', '-T', '-f', '--', fresh, file], '', () => inside.write(file, line, 0o440));
  return true;
}

interface Remove {
  readonly vmid: number;
  readonly mac?: string;
  readonly user: string;
  readonly home: string;
  readonly adopt?: boolean;
}

function removeProbe(args: Remove, call: HandsCall): object {
  const inside = new Inside(call, args.vmid, args.mac);
  const user = named(inside, args.user, call);
  if (user) return { state: 'absent', evidence: `account ${args.user}, uid ${user.uid}, is there` };
  if (inside.stat(sudoFile(args.user)))
    return { state: 'partial', evidence: `no account ${args.user}, but its sudo line is left` };
  return { state: 'already', evidence: `no account ${args.user}; who removed it is not recorded` };
}

function remove(args: Remove, call: HandsCall): object {
  const { vmid, user: name, home } = args;
  const what = `${name} was not removed from CT ${vmid}`;
  const inside = new Inside(call, vmid, args.mac);
  const user = named(inside, name, call);
  if (user) {
    personOrFault(vmid, user);
    if (!isOurs(user) && !args.adopt)
      fault('conflict', what, 'the account was not made by Bascule', 'adopt it first, or remove it by hand');
  }
  const sudo = setSudo(inside, name, false);
  if (user) {
    inside.does(['usermod', '--expiredate', '1', '--', name], '', () => {});
    const argv = ['userdel', ...(home === 'remove' ? ['--remove'] : []), '--', name];
    inside.does(argv, '', () => dropAccount(inside, user, home === 'remove'));
  }
  const changed = user !== undefined || sudo;
  if (changed && !call.would) call.hands.happened('ct.user.remove', `${vmid}/${name}`);
  return { vmid, user: name, removed: user !== undefined, home, changed };
}

const who = { vmid: field.vmid, user: field.user };

export const userVerbs: Verbs = {
  'ct.users': verb({ needs: { vmid: field.vmid }, may: {}, run: ctUsers }),
  'ct.user.ensure': verb({
    needs: { ...who, marker: field.marker, sudo: field.flag },
    may: { adopt: field.flag, mac: field.mac },
    changes: true,
    run: ensure,
    probe: ensureProbe,
  }),
  'ct.user.remove': verb({
    needs: { ...who, home: field.home },
    may: { adopt: field.flag, mac: field.mac },
    changes: true,
    run: remove,
    probe: removeProbe,
  }),
};
