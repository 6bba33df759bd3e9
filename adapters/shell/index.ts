import type { Clock } from '../../src/contracts/clock.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { ChangedKey, Hello, NodeRequest, RequestLimits, Shell } from '../../src/contracts/shell.ts';
import { Alarms } from './alarms.ts';
import type { Host } from './dial.ts';
import { forward, Line, type ShellLog, type Timings, usualTimings } from './line.ts';
import { Node } from './node.ts';

export { COMMAND, HELPER, NODE_SECONDS } from './command.ts';
export { quoteArgs } from './quote.ts';
export type { Hello, Host, NodeRequest, RequestLimits, Shell, ShellLog, Timings };

export interface ShellOptions {
  /** By the node's own name. */
  readonly nodes: Readonly<Record<string, Host>>;
  readonly user: string;
  /** Private key as text; either this or `agent`. */
  readonly key?: string;
  /** Socket of an SSH agent. */
  readonly agent?: string;
  /** The way to all nodes. `key` or `agent` log in there too, as `jump.user`. */
  readonly jump?: Host & { readonly user: string };
  /** What the helper on every node must be (hex); it is compared once per connection, before the first request. */
  readonly sha256?: string;
  readonly clock: Clock;
  readonly log: ShellLog;
  /** Milliseconds. */
  readonly timings?: Partial<Timings>;
}

/** Connects to nothing yet. Throws Failed bad-input for options that cannot be right. */
export function openShell(options: ShellOptions): Shell {
  check(options);
  const { clock, log, user, key, agent, jump, sha256 } = options;
  const timings = { ...usualTimings, ...options.timings };
  const alarms = new Alarms(clock);
  let tell = (_changed: ChangedKey): void => undefined;
  const common = { clock, alarms, log, timings, onChangedKey: (changed: ChangedKey) => tell(changed) };
  const gate =
    jump && new Line({ ...common, name: 'the jump host', host: jump, login: { user: jump.user, key, agent } });
  const nodes = new Map(
    Object.entries(options.nodes).map(([name, host]) => {
      const through = gate && (() => gate.channel(forward(host)));
      return [name, new Node({ ...common, name, host, login: { user, key, agent }, through, sha256 })];
    }),
  );
  const find = (name: string): Node => nodes.get(name) ?? unknown(name, [...nodes.keys()]);
  return {
    has: (name) => nodes.has(name),
    ask: async (name, request, limits) => find(name).ask(request, limits),
    hello: async (name) => find(name).hello(),
    onChangedKey: (listener) => {
      tell = listener;
    },
    close: async () => {
      await Promise.all([...nodes.values()].map((node) => node.close()));
      await gate?.close();
      alarms.close();
    },
  };
}

function unknown(name: string, known: readonly string[]): never {
  return fail('not-found', {
    what: 'nothing was asked',
    why: `there is no SSH access to a node ${JSON.stringify(name.slice(0, 100))}`,
    next:
      known.length === 0 ? 'name the nodes under shell in the config' : `nodes with SSH access: ${known.join(', ')}`,
    sent: 'no',
  });
}

function check({ nodes, user, key, agent, jump, sha256 }: ShellOptions): void {
  for (const [name, host] of Object.entries(nodes)) checkHost(name, host);
  if (jump) checkHost('the jump host', jump);
  for (const name of [user, ...(jump ? [jump.user] : [])])
    if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(name))
      wrong(`${JSON.stringify(name)} is no account name`, 'write it like bascule');
  if ((key === undefined) === (agent === undefined)) wrong('either a key or an agent is needed', 'give one of them');
  if (key !== undefined && !key.includes('PRIVATE KEY-----'))
    wrong('the key is not a private key', 'give the text of the key file, for example ${file:/etc/bascule/id_ed25519}');
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256))
    wrong('the expected sha256 is not one', 'give 64 hex digits');
}

function checkHost(name: string, { host, port = 22, hostKeys }: Host): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9.:_-]*$/.test(host)) wrong(`${name} has no usable address`, 'give a name or an address');
  if (!Number.isInteger(port) || port < 1 || port > 65_535) wrong(`${name} has no usable port`, 'leave it out for 22');
  if (hostKeys.length === 0)
    wrong(
      `no host key is pinned for ${name}`,
      'read it on its console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
    );
  for (const hostKey of hostKeys)
    if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(hostKey))
      wrong(`a host key of ${name} is not a fingerprint`, 'write it as ssh-keygen -lf prints it: SHA256:…');
}

function wrong(why: string, next: string): never {
  return fail('bad-input', { what: 'the nodes cannot be reached over SSH', why, next, sent: 'no' });
}
