import type { Disks } from './disks.ts';
import type { Effects } from './faults.ts';
import { badInput, bytesOf, encode, exits, Fault, fault, type Kind, oneLine } from './hands-answer.ts';
import { type ArgsOf, id as anId, type Checks, checkedArgs, text } from './hands-fields.ts';
import type { RestoreRecord } from './hands-restore.ts';
import type { Tasks } from './tasks.ts';
import type { World } from './world.ts';

/** /etc/bascule-node.json as its owner means it. */
export interface HandsConfig {
  /** `"100-199"` or `205` */
  vmids: readonly (string | number)[];
  verbs: readonly string[];
  sudo: boolean;
  jump: readonly string[];
  /** Only scripts with these SHA-256 may run; any when missing. */
  scripts?: readonly string[];
}

/** What stands in for running a script inside a container. */
export interface ScriptEnd {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of the node's syslog. */
export interface HandsLine {
  readonly id?: string;
  readonly verb?: string;
  readonly mode?: string;
  readonly vmid?: number;
  readonly user?: string;
  readonly outcome: string;
}

/** What a verb works with. `would`: this is a dry run, and commands that change something are only written down. */
export interface HandsCall {
  readonly hands: Hands;
  readonly config: HandsConfig;
  readonly would?: { command: string[]; stdin: number }[];
}

export interface Verb {
  readonly needs: Checks;
  readonly may: Checks;
  readonly changes: boolean;
  readonly run: (args: never, call: HandsCall) => object;
  readonly probe?: (args: never, call: HandsCall) => object;
}

/** A verb with its fields, so that what it runs gets them checked and typed. */
export function verb<Needs extends Checks, May extends Checks>(parts: {
  needs: Needs;
  may: May;
  changes?: boolean;
  run: (args: ArgsOf<Needs, May>, call: HandsCall) => object;
  probe?: (args: ArgsOf<Needs, May>, call: HandsCall) => object;
}): Verb {
  return { changes: false, ...parts } as Verb;
}

export type Verbs = Readonly<Record<string, Verb>>;

/** One answer of the program: what is on its standard output, and its exit code. */
export interface Told {
  readonly stdout: string;
  readonly code: number;
}

const requestLimit = 262_144;
const configPath = '/etc/bascule-node.json';

/** The stand-in of bascule-node on one node. */
export class Hands {
  readonly node: string;
  readonly world: World;
  readonly tasks: Tasks;
  readonly effects: Effects;
  readonly disks: Disks;
  /** Lower-case hex, as `hello` tells it. */
  sha256: string;
  /** Undefined: the file is missing. */
  config: HandsConfig | undefined;
  /** What becomes of the command behind the key: `missing`, `no-sudo`. */
  helper: 'there' | 'missing' | 'no-sudo' = 'there';
  /** The node's own accounts, lines of /etc/passwd. */
  passwd =
    'root:x:0:0:root:/root:/bin/bash\nbascule:x:997:997::/var/lib/bascule:/bin/sh\nbascule-jump:x:998:998::/nonexistent:/usr/sbin/nologin\n';
  /** Account of the node to the text of its file in /etc/ssh/bascule-jump. */
  readonly jumpKeys = new Map<string, string>();
  /** What restores were recorded, by `VMID-RUN`. */
  readonly records = new Map<string, RestoreRecord>();
  /** How the node was set up, for `setup.facts`; files are sound unless said otherwise. */
  readonly setup: {
    permitRootLogin: string;
    sudo: string[];
    keyFingerprint: string;
    files: Record<string, 'missing' | 'writable'>;
  };
  readonly log: HandsLine[] = [];
  /** What a post-install script does. */
  script: (text: string, vmid: number) => ScriptEnd;
  readonly #verbs: Verbs;

  constructor(parts: {
    node: string;
    world: World;
    tasks: Tasks;
    effects: Effects;
    disks: Disks;
    sha256: string;
    verbs: Verbs;
    script: Hands['script'];
    /** Of the bot's key. */
    keyFingerprint: string;
  }) {
    this.node = parts.node;
    this.world = parts.world;
    this.tasks = parts.tasks;
    this.effects = parts.effects;
    this.disks = parts.disks;
    this.sha256 = parts.sha256;
    this.script = parts.script;
    this.#verbs = parts.verbs;
    this.setup = {
      permitRootLogin: 'prohibit-password',
      sudo: ['(root) NOPASSWD: /usr/local/sbin/bascule-node ""'],
      keyFingerprint: parts.keyFingerprint,
      files: {},
    };
    this.config = { vmids: ['100-999999999'], verbs: this.known, sudo: true, jump: ['bascule-jump'] };
  }

  get known(): string[] {
    return Object.keys(this.#verbs).sort();
  }

  /** Whole seconds since the epoch. */
  now(): number {
    return Math.floor(this.world.clock.now() / 1000);
  }

  /** Something in a container or on the node really changed. */
  happened(kind: string, id: string | number): void {
    this.effects.add({ kind, id: String(id), node: this.node, by: 'bascule', at: this.world.clock.now() });
  }

  /** One call: the bytes of standard input in, the answer out. Never throws. */
  answer(input: Buffer): Told {
    const about: { id?: string; verb?: string; mode?: string; vmid?: number; user?: string } = {};
    try {
      const result = this.#handle(input, about);
      this.log.push({ ...about, outcome: 'ok' });
      return { stdout: encode({ v: 1, id: about.id, ok: true, result }), code: 0 };
    } catch (error) {
      const { kind, what, why, next } = error instanceof Fault ? error : surprise(error);
      this.log.push({ ...about, outcome: kind });
      const answer = {
        v: 1,
        ...(about.id !== undefined && { id: about.id }),
        ok: false,
        error: { kind, what, why, next },
      };
      return { stdout: encode(answer), code: exits[kind] };
    }
  }

  #handle(input: Buffer, about: { id?: string; verb?: string; mode?: string; vmid?: number; user?: string }): object {
    if (input.length > requestLimit) badInput(`the request is larger than ${requestLimit} bytes`);
    const request = parsed(input);
    for (const key of Object.keys(request).sort())
      if (!['v', 'id', 'verb', 'mode', 'args'].includes(key))
        badInput(`the request has a field nobody knows: ${oneLine(bytesOf(key))}`);
    if (request.v !== 1) badInput('v is not 1');
    about.id = anId('id', request.id);
    const name = text(/^([a-z]{2,12}(?:[.][a-z]{2,12}){0,2})$/, 'the name of a verb')('verb', request.verb);
    const found = Object.hasOwn(this.#verbs, name) ? this.#verbs[name]! : badInput(`no verb is named ${name}`);
    about.verb = name;
    const mode = Object.hasOwn(request, 'mode')
      ? text(/^(run|probe|dry-run)$/, 'run, probe or dry-run')('mode', request.mode)
      : 'run';
    about.mode = mode;
    if (!isObject(request.args)) return badInput('args is not an object');
    const args = checkedArgs(name, found.needs, found.may, request.args);
    if (typeof args.vmid === 'number') about.vmid = args.vmid;
    if (typeof args.user === 'string') about.user = args.user;
    return this.#judged(name, found, mode, args);
  }

  /** What the node's own config says comes before anything is looked at. */
  #judged(name: string, found: Verb, mode: string, args: Record<string, unknown>): object {
    const { config } = this;
    if (!config)
      return fault('forbidden', 'nothing was done', `${configPath} is missing`, 'bascule setup node prints one');
    if (!config.verbs.includes(name))
      fault('forbidden', 'nothing was done', `this node does not allow ${name}`, `add it to verbs in ${configPath}`);
    if (typeof args.vmid === 'number' && !allows(config, args.vmid))
      fault(
        'forbidden',
        'nothing was done',
        `this node does not allow guest ${args.vmid}`,
        `add it to vmids in ${configPath}`,
      );
    if (mode === 'probe') {
      if (!found.probe) return badInput(`${name} changes nothing, so there is nothing to probe`);
      return found.probe(args as never, { hands: this, config });
    }
    if (!found.changes || mode !== 'dry-run') return found.run(args as never, { hands: this, config });
    const would: { command: string[]; stdin: number }[] = [];
    found.run(args as never, { hands: this, config, would });
    return { would };
  }
}

function surprise(error: unknown): { kind: Kind; what: string; why: string; next: string } {
  console.error('the simulated bascule-node itself failed:', error);
  return {
    kind: 'internal',
    what: 'the call was given up',
    why: oneLine(bytesOf(String(error))),
    next: 'report this with the line in syslog',
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

export const rangeOf = (range: string | number): readonly [number, number] => {
  const [from, to = from] = String(range).split('-').map(Number);
  return [from!, to!];
};

const allows = (config: HandsConfig, vmid: number): boolean =>
  config.vmids.map(rangeOf).some(([from, to]) => vmid >= from && vmid <= to);

function parsed(input: Buffer): Record<string, unknown> {
  const value = json(input);
  if (!isObject(value) || !sound(value, 8)) return badInput('it is not a JSON object');
  return value;
}

function json(input: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input));
  } catch {
    return undefined; // told by the caller as no JSON object
  }
}

/** Not too deep, and no half characters. */
function sound(value: unknown, levels: number): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return levels > 0 && Object.entries(value).every(([key, inner]) => key.isWellFormed() && sound(inner, levels - 1));
}
