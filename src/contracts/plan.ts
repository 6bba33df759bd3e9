import { createHash } from 'node:crypto';
import type { Fact } from './card.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * Exactly what will happen, as plain JSON: people approve it, its fingerprint binds their votes to it, and a
 * step can make no call that is not in it.
 */
export interface Plan {
  /** Name and version of the command that made it. */
  readonly command: string;
  readonly version: number;
  /** Our name of the cluster, as in the config. */
  readonly cluster: string;
  /** What it acts on. Hashed. */
  readonly target: Target;
  /** One line: `Create CT 112 robotoff on ovh1`. */
  readonly title: string;
  /** Chosen values people rely on (node, storage, address, limits …). Hashed. */
  readonly intent: { readonly [key: string]: Json };
  /** Conditions that held when planned and must hold again before the first step. Their codes are hashed. */
  readonly guards: readonly Guard[];
  /** What was seen, for people to judge (ages, free space, uptime). Not hashed. */
  readonly observations: readonly Fact[];
  /** Dangers found. Codes are hashed; a vanished risk does not need a new card, a new one does. */
  readonly risks: readonly Risk[];
  readonly steps: readonly PlannedStep[];
  /** Names nobody else may plan with until this request ends: `vmid/<cluster>/<vmid>`, `address/<cluster>/<ip>`, `hostname/<cluster>/<name>`. */
  readonly reserves: readonly string[];
  /** One run at a time holds each of these: `guest/<cluster>/<vmid>`. */
  readonly locks: readonly string[];
}

/** `identity` is what makes it this very thing and not a namesake: MAC of net0, snapshot GUID, replication id. */
export interface Target {
  readonly kind: 'guest' | 'node' | 'replication' | 'cluster' | 'person';
  readonly id: string;
  readonly name: string;
  readonly node?: string;
  readonly identity?: string;
  /** For policies about guests. */
  readonly vmid?: number;
  readonly tags?: readonly string[];
  readonly pool?: string;
  readonly protected?: boolean;
}

export interface Guard {
  /** Stable and parametrised, for example `quorate`, `node-online:ovh1`, `free:ovh1/local-zfs>=8GiB`. */
  readonly code: string;
  readonly says: string;
}

export interface Risk {
  /** Stable: `ha-managed`, `running`, `no-recent-backup`, `last-replica`, `prod-tag`, `quorum-margin-0` … */
  readonly code: string;
  /** The consequence, spelled out. */
  readonly says: string;
}

/** One call to the Proxmox API. Texts may hold holes ({@link fillHoles}). */
export interface Call {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** Below /api2/json, each segment already encoded, for example `/nodes/ovh1/lxc`. */
  readonly path: string;
  readonly params: { readonly [name: string]: string | number | boolean };
}

/**
 * How to find out, after a lost answer or a crash, what became of a call (PROBES.md, one kind per operation).
 */
export type Probe =
  | { readonly kind: 'ct-created'; readonly node: string; readonly vmid: number }
  | {
      readonly kind: 'guest-running';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly want: boolean;
    }
  /** A reboot has no state of its own: only the task with our token, started after the intent, tells. */
  | {
      readonly kind: 'guest-task';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly task: string;
    }
  | {
      readonly kind: 'guest-gone';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly identity: string;
    }
  | {
      readonly kind: 'guest-config';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly key: string;
      readonly value: string;
    }
  | { readonly kind: 'replication-exists'; readonly id: string; readonly target: string }
  | { readonly kind: 'replication-gone'; readonly id: string }
  | { readonly kind: 'replication-disabled'; readonly id: string; readonly want: boolean }
  /** There, finished, and with this run's marker in its description. */
  | {
      readonly kind: 'snapshot-exists';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly snapshot: string;
    }
  /** `identity`: the marker for an undo, else `at <epoch seconds>`; a namesake made since is somebody else's. */
  | {
      readonly kind: 'snapshot-gone';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly snapshot: string;
      readonly identity: string;
    }
  /** Only the task tells that it was done; a lock tells that it stopped half way. */
  | {
      readonly kind: 'snapshot-rolled-back';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly snapshot: string;
    }
  /** The task tells, or a finished backup with this run's marker in its notes. */
  | {
      readonly kind: 'backup-made';
      readonly node: string;
      readonly type: GuestType;
      readonly vmid: number;
      readonly storage: string;
    }
  /** Only a copy that began after the intent counts; `node` is the source. */
  | { readonly kind: 'replication-ran'; readonly node: string; readonly id: string }
  /** The helper's own probe of that very call. */
  | { readonly kind: 'node-verb'; readonly call: NodeCall }
  /** The entry is there, as this run wrote it; removed entries are gone. */
  | { readonly kind: 'book'; readonly call: BookCall };

export type GuestType = 'lxc' | 'qemu';

/** One request to the helper on a node (adapters/shell/node/README.md). Texts in `args` may hold holes, at any depth. */
export interface NodeCall {
  /** Our name of the cluster; a plan may touch several (`person remove`). */
  readonly cluster: string;
  readonly node: string;
  readonly verb: string;
  readonly args: { readonly [name: string]: Json };
  /** How long it may take; 60 unless told. */
  readonly seconds?: number;
  /** Names of args that hold no holes, whatever they look like: a script's `${run}` is its own. */
  readonly asIs?: readonly string[];
}

/**
 * One entry of our own books (books.ts): replaced as a whole, or removed with null. That too is a step of a plan, so
 * that nobody is linked and nothing is granted but through approval, journal and audit.
 */
export interface BookCall {
  readonly shelf: string;
  readonly key: string;
  readonly value: Json;
}

/** What a step does. */
export type Effect = Call | NodeCall | BookCall;

export const isApiCall = (effect: Effect): effect is Call => 'method' in effect;
export const isNodeCall = (effect: Effect): effect is NodeCall => 'verb' in effect;
export const isBookCall = (effect: Effect): effect is BookCall => 'shelf' in effect;

export interface PlannedStep<E extends Effect = Effect> {
  /** Short and unique within the plan: `create`, `start`, `replicate`. */
  readonly name: string;
  /** What people read while it runs: `Creating CT 112`. Not hashed. */
  readonly says: string;
  readonly call: E;
  readonly probe: Probe;
  /**
   * `refused`: Proxmox itself refuses a second identical call (measured, PROBES.md), so repeating after
   * "absent" is safe. `never`: a repeat could do the work twice; when in doubt, stop and say so.
   */
  readonly repeat: 'refused' | 'never';
  /** Must become true after the call (and its task) before the step counts as done. */
  readonly settle?: { readonly probe: Probe; readonly seconds: number };
  /** Takes this step back; only run when the step is known to be our doing. In order. */
  readonly undo?: readonly UndoCall[];
  /** What to type on a node when neither we nor the API can clean up, for example `pct unlock 112`. */
  readonly byHand?: readonly string[];
  /**
   * It stands for itself: when it fails the others go on, and when another fails it stays. The run then ends as failed
   * and names what did not work.
   */
  readonly alone?: true;
  /** Name of an earlier step whose undo takes this one along: what is inside a container goes with the container. */
  readonly goesWith?: string;
  /** Names of earlier steps that must have worked; otherwise it is not tried: nothing is noted that did not happen. */
  readonly needs?: readonly string[];
}

export interface UndoCall {
  readonly says: string;
  readonly call: Effect;
  readonly probe: Probe;
  /** Never run unless the guest carries this run's marker. */
  readonly needsMarker: boolean;
}

/** The text that marks what a run made; written into descriptions and comments. */
export const MARKER = 'bascule:{run}';

/** What the holes are filled with. Both are fixed when the run begins, so a resumed run fills them alike. */
export interface Filling {
  readonly run: string;
  /** Epoch milliseconds of the last approval: leases begin then. Without it a hole that needs it throws. */
  readonly approvedAt?: number;
}

/**
 * Fills the named holes of every text in a value. `{run}`: the run's id. `{until:28800}`: so many seconds after the
 * approval, and `{stamp}`: the approval itself, both as `20261121T003152Z`; `{expiry:28800}` the same without the T,
 * as sshd's expiry-time wants it. Lengths are hashed and approved; the clock times that come of them are not.
 */
export function fillHoles<T extends Json>(value: T, filling: Filling): T {
  if (typeof value === 'string') return fillText(value, filling) as T;
  if (Array.isArray(value)) return value.map((item: Json) => fillHoles(item, filling)) as unknown as T;
  if (value === null || typeof value !== 'object') return value;
  const filled = Object.fromEntries(
    Object.entries(value as { readonly [key: string]: Json }).map(([key, item]) => [key, fillHoles(item, filling)]),
  );
  return ('asIs' in value && 'verb' in value ? leftAsIs(filled, value as unknown as NodeCall) : filled) as T;
}

function leftAsIs(filled: { readonly [key: string]: Json }, { asIs = [], args }: NodeCall): Json {
  const kept = Object.fromEntries(asIs.map((name) => [name, args[name] ?? null]));
  return { ...filled, args: { ...(filled['args'] as { readonly [key: string]: Json }), ...kept } };
}

function fillText(text: string, { run, approvedAt = Number.NaN }: Filling): string {
  return text
    .replaceAll('{run}', run)
    .replaceAll('{stamp}', () => stamp(approvedAt))
    .replaceAll(/\{(until|expiry):(\d{1,10})\}/g, (_all, kind: string, seconds: string) => {
      const end = stamp(approvedAt + Number(seconds) * 1000);
      return kind === 'until' ? end : end.replace('T', '');
    });
}

/** `20261121T003152Z` */
export function stamp(at: number): string {
  return new Date(at).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** Epoch milliseconds of a {@link stamp}; NaN for anything else. */
export function stampTime(text: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

/**
 * sha256 over what people approve: command and version, cluster, target, intent, guard codes, risk codes, and
 * every call with its probe and undo. Not over: observations, sayings, ages, run id (still a hole here).
 */
export function fingerprint(plan: Plan, risks: readonly string[] = plan.risks.map((risk) => risk.code)): string {
  const hashed = {
    command: plan.command,
    version: plan.version,
    cluster: plan.cluster,
    target: plan.target,
    intent: plan.intent,
    guards: plan.guards.map((guard) => guard.code).sort(),
    risks: [...risks].sort(),
    steps: plan.steps.map(({ name, call, probe, repeat, settle, undo, alone, goesWith, needs }) => ({
      name,
      call,
      probe,
      repeat,
      settle: settle ?? null,
      alone,
      goesWith,
      needs,
      undo: (undo ?? []).map(({ call, probe, needsMarker }) => ({ call, probe, needsMarker })),
    })),
    locks: [...plan.locks].sort(),
  };
  return createHash('sha256').update(canonical(hashed)).digest('hex');
}

/** JSON with sorted keys and without undefined, so that equal values have equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
