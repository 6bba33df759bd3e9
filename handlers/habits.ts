/**
 * What an admin types out of habit: the tools of a Proxmox node, as our command or as a hint. Only what means exactly
 * the same is translated; an option that we would have to drop makes it a hint, since dropping it changes the meaning.
 */
export type Habit = { readonly text: string } | { readonly hint: string };

export function habit(words: readonly string[]): Habit | undefined {
  const [tool, ...rest] = toolOf(words);
  if (tool === undefined) return undefined;
  const translate = TOOLS[tool];
  return translate?.(rest);
}

/** Without `sudo` and a path: `sudo /usr/sbin/pct list` is `pct list`. Arguments keep their case, tools do not. */
function toolOf(words: readonly string[]): readonly string[] {
  const start = words[0]?.toLowerCase() === 'sudo' ? 1 : 0;
  const tool = words[start]?.toLowerCase().replace(/^(\/usr)?\/s?bin\//, '');
  return tool === undefined ? [] : [tool, ...words.slice(start + 1)];
}

type Translate = (args: readonly string[]) => Habit | undefined;

const TOOLS: Readonly<Record<string, Translate | undefined>> = Object.assign(Object.create(null), {
  pct: (args: readonly string[]) => guestTool('ct', 'pct', args),
  qm: (args: readonly string[]) => guestTool('vm', 'qm', args),
  ct: (args: readonly string[]) => nounAlone('ct', args),
  vm: (args: readonly string[]) => nounAlone('vm', args),
  lxc: (args: readonly string[]) => nounAlone('ct', args),
  cts: exactly('ct list'),
  vms: exactly('vm list'),
  node: (args: readonly string[]) => (args.length === 0 ? { text: 'node list' } : named('node show', 'node', args)),
  nodes: exactly('node list'),
  status: exactly('cluster status'),
  cluster: exactly('cluster status'),
  pvecm,
  pvesr,
  pveversion: anyArguments({ text: 'cluster status' }),
  pvesh: anyArguments({ hint: 'the API is not open here; ask with a command, see help' }),
  pvesm: anyArguments({ hint: 'storages and their free space are in node show, for example: node show ovh1' }),
  pveam: anyArguments({ hint: 'templates complete as you type: ct create hostname:robotoff template:' }),
  pvenode: anyArguments({ hint: 'node show tells about one node, node list about all' }),
  pveum: anyArguments({ hint: 'rights in Proxmox are set on a node; whoami tells your own rights here' }),
  'ha-manager': haManager,
  'corosync-quorumtool': anyArguments({ text: 'quorum' }),
  votes: exactly('quorum'),
  zfs: anyArguments({
    hint: 'no shell here; snapshots: snapshot list 103, copies of guests: replication list, free space: node show ovh1',
  }),
  zpool: anyArguments({ hint: 'no shell here; free space of a pool: node show ovh1' }),
  vzdump: anyArguments({ hint: 'backups are not made from here; ct show 103 tells the newest one' }),
  ssh: anyArguments({ hint: 'no shell here, use your own ssh; help ssh tells how people are let into containers' }),
  mkuser: anyArguments({ hint: 'ssh grant person:@alice vmid:103 lets somebody in with their keys on GitHub' }),
  uptime: exactly('node list'),
  approve: anyArguments({ hint: 'press Approve on the request itself; approval list shows what waits' }),
  deny: anyArguments({ hint: 'press Deny on the request itself; approval list shows what waits' }),
  withdraw: (args: readonly string[]) =>
    named('run cancel', 'id', args) ?? { hint: 'name the request: run cancel id:…' },
  cancel: (args: readonly string[]) => named('run cancel', 'id', args) ?? { hint: 'name the run: run cancel id:…' },
});

const VERBS: Readonly<Record<string, string | undefined>> = {
  status: 'show',
  config: 'show',
  show: 'show',
  start: 'start',
  shutdown: 'shutdown',
  stop: 'stop',
  reboot: 'reboot',
  destroy: 'destroy',
};

const NO_SHELL = 'no shell in guests from here; use your own ssh, ssh grant lets you in';

const GUEST_HINTS: Readonly<Record<string, string | undefined>> = {
  create: 'ct create hostname:robotoff node:ovh1; number, address and the rest follow the house rules',
  clone: 'guests are not cloned from here; ct create makes a container by the house rules',
  set: 'the configuration is not changed from here; show tells what it is',
  enter: NO_SHELL,
  exec: NO_SHELL,
  push: NO_SHELL,
  pull: 'files are not sent to the chat; file show 103 /etc/hosts shows one, file restore brings an older one back',
  console: NO_SHELL,
  terminal: NO_SHELL,
  migrate: 'guests are not moved from here; show tells where they are',
  unlock: 'only root on the node can unlock; show tells which lock is held',
  reset: 'vm reboot restarts cleanly, vm stop cuts the power',
  suspend: 'guests are not suspended from here; shutdown and start do the rest',
  resume: 'guests are not resumed from here',
};

function guestTool(noun: 'ct' | 'vm', tool: string, args: readonly string[]): Habit {
  const [verb, ...rest] = args;
  if (verb === undefined) return { hint: `${noun} list, ${noun} show, ${noun} start … ; help ${noun} shows all` };
  if (verb === 'list')
    return rest.length === 0 ? { text: `${noun} list` } : { hint: `${noun} list, without ${rest.join(' ')}` };
  if (verb === 'create' && noun === 'vm') return { hint: 'VMs are not created from here; ct create makes containers' };
  if (verb === 'destroy' && noun === 'vm') return { hint: 'VMs are not destroyed from here' };
  const hint = GUEST_HINTS[verb];
  if (hint !== undefined) return { hint };
  const ours = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (SNAPSHOT_VERBS.includes(verb)) return snapshots(verb, rest);
  if (ours === undefined) return { hint: `there is no ${tool} here; help ${noun} shows what there is` };
  return named(`${noun} ${ours}`, 'vmid', rest) ?? { hint: `${noun} ${ours} vmid:103, with nothing behind the number` };
}

const SNAPSHOT_VERBS: readonly string[] = ['snapshot', 'listsnapshot', 'rollback', 'delsnapshot'];

/** The tool leaves a guest stopped after a rollback unless told otherwise; ours starts what ran. */
function snapshots(verb: string, args: readonly string[]): Habit {
  const [vmid = '', name = '', flag, value] = args;
  if (verb === 'listsnapshot')
    return named('snapshot list', 'vmid', args) ?? { hint: 'snapshot list vmid:103, with nothing behind the number' };
  const guest = isPlain(vmid) && isPlain(name) ? `vmid:${vmid} snapshot:${name}` : undefined;
  if (verb === 'rollback') {
    const start = args.length === 2 ? 'no' : flag === '--start' && args.length === 4 ? STARTS[value ?? ''] : undefined;
    if (guest && start) return { text: `snapshot rollback ${guest} start:${start}` };
    return { hint: 'snapshot rollback vmid:103 snapshot:before-upgrade, with start:yes or start:no' };
  }
  const ours = verb === 'snapshot' ? 'create' : 'delete';
  if (guest && args.length === 2) return { text: `snapshot ${ours} ${guest}` };
  return { hint: `snapshot ${ours} vmid:103 snapshot:before-upgrade; help snapshot shows what else there is` };
}

const STARTS: Readonly<Record<string, string | undefined>> = { '0': 'no', '1': 'yes' };

/** `ct 103`, `ct`, and `ct config 103`, which is no command of ours. */
function nounAlone(noun: 'ct' | 'vm', args: readonly string[]): Habit | undefined {
  if (args.length === 0 || (args.length === 1 && args[0]!.toLowerCase() === 'ls')) return { text: `${noun} list` };
  const [first, ...rest] = args;
  if (/^\d+$/.test(first!)) {
    if (rest.length === 0) return { text: `${noun} show vmid:${first}` };
    const verb = rest[0]!.toLowerCase();
    if (rest.length === 1 && Object.hasOwn(VERBS, verb)) return guestTool(noun, noun, [verb, first!]);
    return undefined;
  }
  if (
    [
      'config',
      'status',
      'enter',
      'exec',
      'console',
      'migrate',
      'snapshot',
      'listsnapshot',
      'rollback',
      'unlock',
      'set',
    ].includes(first!.toLowerCase())
  ) {
    return guestTool(noun, noun, [first!.toLowerCase(), ...rest]);
  }
  return undefined;
}

function pvecm([verb, ...rest]: readonly string[]): Habit {
  if (verb === undefined || verb === 'status') return rest.length === 0 ? { text: 'quorum' } : { hint: 'quorum' };
  if (verb === 'nodes') return { text: 'node list' };
  if (verb === 'expected') {
    return {
      hint: 'changing the expected votes can split a cluster in two and is not done from chat; quorum tells how it stands',
    };
  }
  return { hint: 'quorum tells votes and members; members and QDevices are changed on a node' };
}

const JOB = /^[1-9][0-9]{2,8}-\d{1,9}$/;

function pvesr([verb, ...rest]: readonly string[]): Habit {
  if (verb === undefined || ((verb === 'list' || verb === 'status') && rest.length === 0))
    return { text: 'replication list' };
  const [id, target, ...more] = rest;
  const known = id !== undefined && JOB.test(id);
  if (known && rest.length === 1) {
    if (verb === 'disable' || verb === 'enable') return { text: `replication ${verb} job:${id}` };
    if (verb === 'delete') return { text: `replication remove job:${id}` };
  }
  if (verb === 'create-local-job' && known && target !== undefined && isPlain(target)) {
    const text = `replication add vmid:${id.split('-')[0]} target:${target}`;
    const [flag, schedule] = more;
    if (more.length === 0) return { text };
    if (flag === '--schedule' && more.length === 2 && schedule !== undefined && !schedule.includes('"')) {
      return { text: `${text} schedule:"${schedule}"` };
    }
    return { hint: `${text} schedule:*/5; other settings of the job are not set from here` };
  }
  return { hint: 'replication list, add, remove, disable, enable: help replication' };
}

function haManager([verb]: readonly string[]): Habit {
  if (verb === undefined || verb === 'status' || verb === 'config') return { text: 'cluster status' };
  return {
    hint: 'HA is not changed from here; cluster status shows its state, ct start and ct shutdown tell it what is wanted',
  };
}

/** One plain argument as an option; undefined when there is none, more than one, or one that begins like an option. */
function named(command: string, option: string, args: readonly string[]): Habit | undefined {
  const [value] = args;
  if (args.length !== 1 || value === undefined || !isPlain(value)) return undefined;
  return { text: `${command} ${option}:${value}` };
}

/** Nothing in it that our parser could read as more than one word. */
const isPlain = (value: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value);

function exactly(text: string): Translate {
  return (args) => (args.length === 0 ? { text } : undefined);
}

function anyArguments(answer: Habit): Translate {
  return () => answer;
}
