/**
 * Reads the log of a vzdump task (FACTS 2.4), and the same lines as a notification repeats them:
 * `103: 2026-11-14 02:00:03 INFO: …`. Never throws; what was cut off is simply not there.
 */

export interface GuestBackup {
  vmid: number;
  type?: 'lxc' | 'qemu';
  name?: string;
  /** todo: never tried. open: begun, and the log says no more. */
  result: 'ok' | 'failed' | 'todo' | 'open';
  seconds?: number;
  /** As exact as the log is: sizes are rounded there. */
  bytes: number | null;
  archive: string | null;
  error?: string;
  /** The whole error line, when `error` is a cause found above it. */
  fullError?: string;
}

export interface VzdumpLog {
  readonly command?: Command;
  readonly guests: readonly GuestBackup[];
  readonly pruned: number;
  readonly warnings: readonly string[];
  readonly protected: boolean;
  /** Between the first `started at` and the last `finished at`, by the node's clock. */
  readonly durationSeconds?: number;
  /** `OK`, `WARNINGS: 1` or the error, of the line `TASK …`; undefined: the log has no end. */
  readonly exit?: string;
  /** `ERROR:` lines that belong to no guest. */
  readonly errors: readonly string[];
}

export interface Command {
  readonly text: string;
  readonly vmids: readonly number[];
  readonly all: boolean;
  readonly scheduled: boolean;
  readonly storage?: string;
  readonly pool?: string;
  readonly mode?: string;
}

interface Begun extends GuestBackup {
  begun?: number;
  /** Bytes of its disks. */
  disks?: number;
}

interface Reading {
  command?: Command;
  guests: Begun[];
  external: number[];
  now?: Begun;
  /** Lines since the guest began that may hold a cause. */
  above: string[];
  pruned: number;
  warnings: string[];
  protected: boolean;
  first?: number;
  last?: number;
  exit?: string;
  errors: string[];
}

const STAMP = String.raw`(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)`;
const TIME = new RegExp(STAMP);

/** Lines that nobody needs once they are read: progress, volumes, the client's command line. */
const NOISE =
  /^INFO: +(\d+% |run: |include disk|include mount|including mount|excluding |status = |ionice|issuing guest-agent|started backup task|resuming VM|set max number|Client name|Starting backup|Upload|Downloading|adding notes|create storage snapshot|cleanup temporary|removing backup|prune older)/;
export function noisy(line: string): boolean {
  return NOISE.test(line) && !/^INFO: +include disk/.test(line);
}

export function readVzdumpLog(lines: readonly string[]): VzdumpLog {
  const reading: Reading = {
    guests: [],
    external: [],
    above: [],
    pruned: 0,
    warnings: [],
    protected: false,
    errors: [],
  };
  for (const line of lines) {
    const stamped = /^\d+: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (.*)$/.exec(line);
    read(reading, stamped ? stamped[2]! : line, stamped ? local(stamped[1]!) : undefined);
  }
  close(reading);
  const { command, guests, external, pruned, warnings, first, last, exit, errors } = reading;
  const tried = new Set([...guests.map(({ vmid }) => vmid), ...external]);
  const todo = (command?.vmids ?? []).filter((vmid) => !tried.has(vmid));
  return {
    ...(command ? { command } : {}),
    guests: [
      ...guests.map(bare),
      ...todo.map((vmid) => ({ vmid, result: 'todo' as const, bytes: null, archive: null })),
    ],
    pruned,
    warnings,
    protected: reading.protected,
    ...(first !== undefined && last !== undefined ? { durationSeconds: Math.max(0, last - first) } : {}),
    ...(exit === undefined ? {} : { exit }),
    errors,
  };
}

/** What an object answers is what the line changes. */
type Handler = (reading: Reading, found: RegExpExecArray, at: number | undefined) => unknown;

const guest =
  (change: (found: RegExpExecArray) => Partial<Begun>): Handler =>
  ({ now }, found) =>
    now ? { now: { ...now, ...change(found) } } : undefined;

const PATTERNS: readonly (readonly [RegExp, Handler])[] = [
  [/^(?:INFO: starting new backup job: )?(vzdump(?: .*)?)$/, (_, [, text]) => ({ command: readCommand(text!) })],
  [/^INFO: skip external VMs: (.*)$/, (to, [, list]) => to.external.push(...numbers(list!))],
  [/^INFO: Starting Backup of VM (\d+) \((lxc|qemu)\)/, begin],
  [/^INFO: (?:CT|VM) Name: (.+)$/, guest(([, name]) => ({ name: name!.trim() }))],
  [/^INFO: Backup started at (.*)$/, (to, [, at]) => mark(to, local(at!))],
  [/^INFO: include disk '[^']*' '[^']*' ([\d.]+)([KMGT])$/, disk],
  [/^INFO: creating (?:vzdump|Proxmox Backup Server) archive '(.+)'$/, guest(([, archive]) => ({ archive: archive! }))],
  [/^INFO: archive file size: ([\d.]+) ?([KMGT]?)i?B$/, guest(([, n, unit]) => ({ bytes: size(n!, unit!) }))],
  [/^INFO: \S+: had to (?:backup|upload) .*? of ([\d.]+) ([KMGT]?)i?B/, uploaded],
  [/^INFO: pruned (\d+) backup/, ({ pruned }, [, count]) => ({ pruned: pruned + Number(count) })],
  [/^INFO: marking backup as protected/, () => ({ protected: true })],
  [/^WARN: (.*)$/, (to, [, warning]) => to.warnings.push(warning!.trim())],
  [/^INFO: Finished Backup of VM (\d+) \((\d+):(\d\d):(\d\d)\)/, finish],
  [/^INFO: Backup finished at (.*)$/, (to, [, at]) => mark(to, local(at!))],
  [/^ERROR: Backup of VM (\d+) failed(?: - (.*))?$/, fail],
  [/^INFO: Failed at (.*)$/, failedAt],
  [/^ERROR: (.*)$/, (to, [, error]) => to.errors.push(error!.replace(/^Backup job failed - /, '').trim())],
  [/^TASK ERROR: (.*)$/, (_, [, error]) => ({ exit: error!.trim() })],
  [/^TASK (OK|WARNINGS: \d+)$/, (_, [, exit]) => ({ exit: exit! })],
];

function read(reading: Reading, line: string, at: number | undefined): void {
  if (at !== undefined) mark(reading, at);
  for (const [pattern, handle] of PATTERNS) {
    const found = pattern.exec(line);
    if (!found) continue;
    const change = handle(reading, found, at);
    if (typeof change === 'object' && change !== null) Object.assign(reading, change);
    return;
  }
  if (reading.now && /\S/.test(line)) reading.above = [...reading.above.slice(-7), line];
}

function mark(reading: Reading, at: number | undefined): void {
  if (at === undefined) return;
  reading.first ??= at;
  reading.last = at;
  if (reading.now) reading.now.begun ??= at;
}

function begin(reading: Reading, [, vmid, type]: RegExpExecArray, at: number | undefined): void {
  close(reading);
  reading.above = [];
  reading.now = {
    vmid: Number(vmid),
    type: type as 'lxc' | 'qemu',
    result: 'open',
    bytes: null,
    archive: null,
    ...(at === undefined ? {} : { begun: at }),
  };
}

/** A VM on PBS prints no archive size: its disks are what is kept. */
function disk({ now }: Reading, [, count, unit]: RegExpExecArray): void {
  if (now) now.disks = (now.disks ?? 0) + size(count!, unit!);
}

function uploaded({ now }: Reading, [, count, unit]: RegExpExecArray): void {
  if (now) now.bytes = (now.bytes ?? 0) + size(count!, unit!);
}

function finish(reading: Reading, [, vmid, hours, minutes, seconds]: RegExpExecArray): void {
  const guest = current(reading, Number(vmid));
  guest.result = 'ok';
  guest.seconds = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  guest.bytes ??= guest.disks ?? null;
  close(reading);
}

function fail(reading: Reading, [, vmid, said]: RegExpExecArray, at: number | undefined): void {
  const guest = current(reading, Number(vmid));
  const error = said?.trim() || 'no reason given';
  const cause = causeAbove(reading.above, error);
  Object.assign(guest, { result: 'failed', bytes: null, archive: null, error: cause ?? error });
  if (cause) guest.fullError = error;
  if (at !== undefined && guest.begun !== undefined) guest.seconds = Math.max(0, at - guest.begun);
  close(reading);
  reading.above = [];
}

function failedAt(reading: Reading, [, text]: RegExpExecArray): void {
  const at = local(text!);
  const guest = reading.guests.at(-1);
  if (at === undefined) return;
  if (guest?.result === 'failed' && reading.last !== undefined) guest.seconds ??= Math.max(0, at - (guest.begun ?? at));
  reading.last = at;
}

/** The guest that is being backed up; some errors come without a `Starting Backup` line (ODDITIES 58). */
function current(reading: Reading, vmid: number): Begun {
  if (reading.now?.vmid !== vmid) {
    close(reading);
    reading.now = { vmid, result: 'open', bytes: null, archive: null };
  }
  return reading.now!;
}

function close(reading: Reading): void {
  if (reading.now) reading.guests.push(reading.now);
  delete reading.now;
}

function bare({ begun: _, disks: __, ...guest }: Begun): GuestBackup {
  return guest;
}

const ERRNO =
  /No space left on device|Disk quota exceeded|Input\/output error|Read-only file system|Stale file handle|Connection refused|Connection timed out|No route to host|Permission denied|Cannot allocate memory|out of space/i;

/** The line above that says why, when the error itself only says that a command failed. */
export function causeAbove(above: readonly string[], error: string): string | undefined {
  if (ERRNO.test(error)) return error.length > 80 ? ERRNO.exec(error)![0] : undefined;
  if (!/exit code \d+|got signal|failed:|broken pipe|^job failed/i.test(error)) return undefined;
  for (const line of [...above].reverse()) {
    const known = ERRNO.exec(line);
    if (known) return known[0];
  }
  const telling = [...above].reverse().find((line) => /error|cannot|can't|unable|denied|timeout/i.test(line));
  return telling
    ?.replace(/^(INFO|WARN|ERROR): +/, '')
    .replace(/^Error: /, '')
    .trim();
}

function readCommand(text: string): Command {
  const words = text.match(/'[^']*'|\S+/g) ?? [];
  const options = new Map<string, string>();
  const vmids: number[] = [];
  let option: string | undefined;
  for (const word of words.slice(1)) {
    if (word.startsWith('--')) option = word.slice(2);
    else if (option !== undefined) {
      options.set(option, word.replace(/^'|'$/g, ''));
      option = undefined;
    } else vmids.push(...numbers(word));
  }
  const [storage, pool, mode] = ['storage', 'pool', 'mode'].map((name) => options.get(name));
  return {
    text,
    vmids,
    all: options.get('all') === '1',
    scheduled: options.get('quiet') === '1',
    ...(storage ? { storage } : {}),
    ...(pool ? { pool } : {}),
    ...(mode ? { mode } : {}),
  };
}

function numbers(list: string): number[] {
  return list
    .split(/[\s,;]+/)
    .filter((word) => /^\d+$/.test(word))
    .map(Number);
}

/** `14.40` `G`: powers of 1024, also where Proxmox writes `GB`. */
export function size(count: string, unit: string): number {
  const power = unit ? 'KMGT'.indexOf(unit.toUpperCase()) + 1 : 0;
  return Math.floor(Number(count) * 1024 ** power);
}

/** Seconds of a local time of the node; only differences mean anything, its zone is not told. */
function local(text: string): number | undefined {
  const found = TIME.exec(text);
  if (!found) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}
