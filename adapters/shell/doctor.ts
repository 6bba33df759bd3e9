import { z } from 'zod';
import { Failed } from '../../src/contracts/failure.ts';
import type { Finding } from '../../src/contracts/finding.ts';
import type { Hello, Shell } from '../../src/contracts/shell.ts';
import { COMMAND, HELPER } from './command.ts';
import { nodeProgramSha256, nodeVerbs } from './node/program.ts';

/** What the bot's config makes of a node. */
export interface ExpectedNode {
  readonly account: string;
  /** The jump account, where people jump through this node. */
  readonly jump?: string;
  /** Whether people may be given sudo in containers. */
  readonly sudo: boolean;
}

const fact = z.record(z.string(), z.string());
const setupSchema = z.object({
  files: z.array(
    z.object({
      name: z.string(),
      path: z.string(),
      there: z.boolean(),
      sound: z.boolean().optional(),
      mode: z.string().optional(),
    }),
  ),
  keys: z.array(z.object({ options: z.string(), fingerprint: z.string() })),
  sudo: z.array(z.string()),
  sshd: fact,
  jump: fact.nullable(),
});

const AGAIN = 'run what `bascule setup node --script` prints on that node, as root';

/** Everything `bascule setup node` set up on one node. Throws Failed only when the node cannot be asked at all. */
export async function examineNode(node: string, shell: Shell, expected: ExpectedNode): Promise<readonly Finding[]> {
  const hello = await shell.hello(node);
  const about = (what: string) => `node ${node}: ${what}`;
  const found: Finding[] = [
    {
      about: about('login'),
      state: 'ok',
      says: `${expected.account} reaches bascule-node ${hello.version} through sudo`,
    },
    helper(about('helper'), hello),
    verbs(about('verbs'), hello),
    sudo(about('sudo for people'), hello, expected),
    ...jumps(about('jump account'), hello, expected),
  ];
  if (!hello.verbs.includes('setup.facts')) {
    const says = 'the node does not let itself be looked at (verb setup.facts)';
    return [...found, { about: about('set-up'), state: 'unknown', says, remedy: 'allow it in /etc/bascule-node.json' }];
  }
  return [...found, ...(await setUp(node, shell, expected))];
}

function helper(about: string, hello: Hello): Finding {
  const wanted = nodeProgramSha256();
  if (hello.sha256 === wanted) return { about, state: 'ok', says: `sha256 ${wanted}` };
  const says = `is not the expected one: expected sha256 ${wanted}, seen ${hello.sha256}`;
  return { about, state: 'wrong', says, remedy: AGAIN };
}

function verbs(about: string, hello: Hello): Finding {
  const missing = nodeVerbs().filter((verb) => !hello.verbs.includes(verb));
  const guests = `guests ${hello.vmids.join(', ') || 'none'}`;
  if (missing.length === 0) return { about, state: 'ok', says: `all ${hello.verbs.length} allowed, ${guests}` };
  const remedy = 'add them to verbs in /etc/bascule-node.json, unless the node shall refuse them';
  return { about, state: 'warning', says: `not allowed: ${missing.join(', ')}; ${guests}`, remedy };
}

function sudo(about: string, hello: Hello, expected: ExpectedNode): Finding {
  if (hello.sudo || !expected.sudo)
    return { about, state: 'ok', says: hello.sudo ? 'allowed' : 'not allowed, nor asked for' };
  const remedy = 'set sudo to true in /etc/bascule-node.json, or house.ssh.sudo to false in the config';
  return { about, state: 'warning', says: 'the config offers it, the node refuses it', remedy };
}

function jumps(about: string, hello: Hello, { jump }: ExpectedNode): Finding[] {
  if (jump === undefined) return [];
  if (hello.jump.includes(jump)) return [{ about, state: 'ok', says: jump }];
  const remedy = `add it to jump in /etc/bascule-node.json and make the account: ${AGAIN}`;
  return [{ about, state: 'wrong', says: `the node does not let the keys of ${jump} be set`, remedy }];
}

async function setUp(node: string, shell: Shell, { account, jump }: ExpectedNode): Promise<readonly Finding[]> {
  const about = (what: string) => `node ${node}: ${what}`;
  const args = { account, ...(jump === undefined ? {} : { jump }) };
  let facts: z.infer<typeof setupSchema>;
  try {
    const asked = await shell.ask(node, { verb: 'setup.facts', mode: 'run', id: 'doctor', args }, { looks: true });
    facts = setupSchema.parse(asked);
  } catch (error) {
    if (error instanceof z.ZodError)
      return [{ about: about('set-up'), state: 'unknown', says: 'its answer cannot be read', remedy: AGAIN }];
    if (!(error instanceof Failed)) throw error;
    const { why, next } = error.failure;
    return [{ about: about('set-up'), state: 'unknown', says: why, remedy: next }];
  }
  return [
    ...facts.files.map((file) => fileFinding(about(file.name), file)),
    keyFinding(about('key'), facts.keys),
    sudoersFinding(about('sudoers'), facts.sudo),
    ...sshdFindings(about, facts.sshd, facts.jump),
  ];
}

function fileFinding(about: string, file: z.infer<typeof setupSchema>['files'][number]): Finding {
  if (!file.there) return { about, state: 'wrong', says: `${file.path} is missing`, remedy: AGAIN };
  if (file.sound) return { about, state: 'ok', says: `${file.path}, root's, ${file.mode ?? ''}` };
  const says = `${file.path} can be changed by others than root (mode ${file.mode ?? 'unknown'})`;
  return { about, state: 'wrong', says, remedy: `find out who changed it, then: ${AGAIN}` };
}

function keyFinding(about: string, keys: readonly { readonly options: string }[]): Finding {
  const open = keys.filter(({ options }) => !options.startsWith(`restrict,command="${COMMAND}"`));
  if (keys.length > 0 && open.length === 0)
    return {
      about,
      state: 'ok',
      says: `${keys.length === 1 ? 'one key' : `${keys.length} keys`}, good for the helper only`,
    };
  const says =
    keys.length === 0
      ? 'the account has no key file that can be read'
      : `${open.length} of its keys may do more than run the helper`;
  return { about, state: 'wrong', says, remedy: AGAIN };
}

function sudoersFinding(about: string, lines: readonly string[]): Finding {
  const wanted = `(root) NOPASSWD: ${HELPER} ""`;
  const more = lines.filter((line) => line.trim() !== wanted);
  if (lines.length === 0) return { about, state: 'unknown', says: 'sudo does not tell what the account may run' };
  if (more.length === 0) return { about, state: 'ok', says: wanted };
  return {
    about,
    state: 'wrong',
    says: `the account may also run: ${more.join('; ')}`,
    remedy: 'remove that from sudoers',
  };
}

type SshdFacts = z.infer<typeof fact>;

function sshdFindings(about: (what: string) => string, sshd: SshdFacts, jump: SshdFacts | null): Finding[] {
  if (sshd['unreadable'] !== undefined)
    return [{ about: about('sshd'), state: 'unknown', says: `sshd -T: ${sshd['unreadable']}` }];
  const found: Finding[] = [
    told(about('sshd'), sshd, {
      forcecommand: COMMAND,
      permittty: 'no',
      authorizedkeysfile: '/etc/ssh/bascule-keys/%u',
    }),
  ];
  if (jump) found.push(told(about('sshd, jumps'), jump, { forcecommand: '/usr/sbin/nologin', permittty: 'no' }));
  const root = sshd['permitrootlogin'] ?? 'unknown';
  if (root === 'yes')
    found.push({
      about: about('root login'),
      state: 'warning',
      says: 'root may log in with a password',
      remedy: 'PermitRootLogin prohibit-password (the cluster itself needs root between its nodes)',
    });
  return found;
}

function told(about: string, facts: SshdFacts, wanted: SshdFacts): Finding {
  const off = Object.entries(wanted).filter(([name, value]) => facts[name] !== value);
  if (off.length === 0) return { about, state: 'ok', says: 'forces the one command, no terminal' };
  const says = off.map(([name]) => `${name} is ${facts[name] ?? 'not told'}`).join(', ');
  return { about, state: 'wrong', says, remedy: AGAIN };
}
