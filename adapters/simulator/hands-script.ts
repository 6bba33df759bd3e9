import { createHash } from 'node:crypto';
import { type HandsCall, type ScriptEnd, type Verbs, verb } from './hands.ts';
import { fault, oneLine, visible } from './hands-answer.ts';
import * as field from './hands-fields.ts';
import { Inside } from './hands-inside.ts';

/** ct.script. */

interface Script {
  readonly vmid: number;
  readonly run: string;
  readonly script: string;
  readonly minutes?: number;
}

/**
 * A script is never run here, for it would run on this machine. `echo` and `exit` do what they say; every other line
 * is taken to have worked and told on standard error, as `set -x` does.
 */
export function pretendScript(text: string): ScriptEnd {
  const out = { stdout: '', stderr: '' };
  for (const line of text.split(/[\n;]/).map((each) => each.trim())) {
    const [, code] = /^exit\s+(\d{1,3})$/.exec(line) ?? [];
    if (code !== undefined) return { exit: Number(code) & 255, ...out };
    const [, words, aside] = /^echo\s+(.*?)\s*(>&2)?$/.exec(line) ?? [];
    if (words !== undefined) out[aside ? 'stderr' : 'stdout'] += `${words.replace(/^(["'])(.*)\1$/, '$2')}\n`;
    else if (line !== '' && !line.startsWith('#') && !/^set\b/.test(line)) out.stderr += `+ ${line}\n`;
  }
  return { exit: 0, ...out };
}

const folderOf = (args: Script): string => `/var/lib/bascule/scripts/${args.run}`;

function probe(args: Script, call: HandsCall): object {
  const inside = new Inside(call, args.vmid);
  const folder = folderOf(args);
  if (!inside.stat(folder)) return { state: 'absent', evidence: `no ${folder} in the container` };
  const exit = inside.read(`${folder}/exit`);
  if (exit === undefined)
    return {
      state: 'unknown',
      evidence: `${folder} is there without an exit code: it was begun, and whether it ended nobody knows`,
    };
  const code = oneLine(exit.slice(0, 16));
  return { state: code === '0' ? 'done' : 'partial', evidence: `${folder}/exit says ${code}` };
}

function run(args: Script, call: HandsCall): object {
  const { vmid, script } = args;
  const folder = folderOf(args);
  const what = `the script was not run in CT ${vmid}`;
  const sha256 = createHash('sha256').update(Buffer.from(script, 'latin1')).digest('hex');
  if (call.config.scripts && !call.config.scripts.includes(sha256))
    fault(
      'forbidden',
      what,
      `this node does not allow the script with SHA-256 ${sha256}`,
      'add it to scripts in /etc/bascule-node.json',
    );
  const inside = new Inside(call, vmid);
  const all = '/var/lib/bascule/scripts';
  inside.does(['mkdir', '-p', '-m', '700', '--', all], '', () => inside.folder(all, 0o700));
  inside.does(['mkdir', '-m', '700', '--', folder], '', () => {
    if (inside.stat(folder))
      fault(
        'conflict',
        what,
        `it was begun before under this id, or its folder cannot be made: mkdir: cannot create directory '${folder}': File exists (exit code 1)`,
        'probe it; a new run needs a new id',
      );
    inside.folder(folder, 0o700);
  });
  inside.does(['dd', `of=${folder}/script`, 'conv=excl,fsync', 'status=none'], script, () =>
    inside.write(`${folder}/script`, script, 0o600),
  );
  inside.does(['chmod', '700', '--', `${folder}/script`], '', () => inside.write(`${folder}/script`, script, 0o700));
  let end: ScriptEnd = { exit: 0, stdout: '', stderr: '' };
  inside.does([`${folder}/script`], '', () => {
    call.hands.happened('ct.script', `${vmid}/${args.run}`);
    end = call.hands.script(Buffer.from(script, 'latin1').toString('utf8'), vmid);
  });
  inside.does(['dd', `of=${folder}/exit`, 'conv=excl,fsync', 'status=none'], `${end.exit}\n`, () =>
    inside.write(`${folder}/exit`, `${end.exit}\n`, 0o600),
  );
  return { vmid, sha256, exit: end.exit, stdout: tailOf(end.stdout), stderr: tailOf(end.stderr) };
}

/** The last 16 KiB. */
function tailOf(text: string): object {
  const bytes = Buffer.from(text).toString('latin1');
  const cut = bytes.length > 16_384;
  return { text: visible(cut ? bytes.slice(-16_384) : bytes, 20_000), bytes: bytes.length, cut };
}

export const scriptVerbs: Verbs = {
  'ct.script': verb({
    needs: { vmid: field.vmid, run: field.id, script: field.script },
    may: { minutes: field.minutes },
    changes: true,
    run,
    probe,
  }),
};
