import { z } from 'zod';
import { maybe, num } from './read.ts';
import { type GuestBackup, readVzdumpLog, size, type VzdumpLog } from './vzdump-log.ts';

/** What the notification systems of PVE and PBS say, as a webhook brings it (FACTS 3). Words for people, read back. */

export interface Notification {
  readonly title: string;
  readonly message: string;
  readonly severity: string;
  /** Epoch seconds. */
  readonly timestamp?: number;
  readonly type: string;
  /** The short name; of a fencing: the failed node (ODDITIES 66). */
  readonly hostname?: string;
  readonly jobId?: string;
  readonly datastore?: string;
  readonly fields: Readonly<Record<string, string>>;
}

const value = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]);
const body = z.object({
  title: maybe(z.string()),
  message: maybe(z.string()),
  severity: maybe(z.string()),
  timestamp: maybe(num),
  fields: z.record(z.string(), z.unknown()).catch({}),
});

/** Templates without fields still have Proxmox' own titles. */
const TITLES: readonly (readonly [RegExp, string])[] = [
  [/^vzdump backup status/i, 'vzdump'],
  [/^(trying to fence|successfully fenced) node/i, 'fencing'],
  [/^replication job: /i, 'replication'],
  [/^new software packages available/i, 'package-updates'],
  [/^test notification/i, 'test'],
  [/^garbage collect/i, 'gc'],
  [/^verif(y|ication)/i, 'verify'],
  [/^prun(e|ing)/i, 'prune'],
  [/^sync /i, 'sync'],
  [/^tape backup/i, 'tape-backup'],
  [/^load media/i, 'tape-load'],
];

/** Undefined: not what a template of ours, or one like it, makes. */
export function readNotification(data: unknown): Notification | undefined {
  const read = body.safeParse(typeof data === 'string' ? parsed(data) : data);
  if (!read.success) return undefined;
  const { title = '', message = '', severity = 'unknown', timestamp } = read.data;
  const fields = Object.fromEntries(
    Object.entries(read.data.fields).flatMap(([key, one]) => {
      const text = value.safeParse(one);
      return text.success ? [[key, text.data]] : [];
    }),
  );
  const heading = title.trim();
  const type = fields.type || TITLES.find(([pattern]) => pattern.test(heading))?.[1];
  if (!type || (!heading && !message)) return undefined;
  const hostname = fields.hostname?.split('.')[0];
  return {
    title: heading,
    message,
    severity,
    type,
    fields,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(hostname ? { hostname } : {}),
    ...(fields['job-id'] ? { jobId: fields['job-id'] } : {}),
    ...(fields.datastore ? { datastore: fields.datastore } : {}),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isHook(endpoint: string): boolean {
  return endpoint.startsWith('/hooks/');
}

// By the words, not by the columns: they are padded by bytes and shift with umlauts (ODDITIES 81).
const GUEST_ROW =
  /^(\d+)\s+(\S.*?)\s+(ok|err|error|todo)(?:\s+((?:\d+(?:\.\d+)?\s?(?:d|h|m|s|ms)\s?)+|-))?(?:\s+([\d.]+)\s([KMGT]?)i?B)?(?:\s+(\S.*?))?\s*$/;

/** The guest table and the log of a backup notification, as one log; and how the run ended. */
export function readBackupNotification({ message, severity, title }: Notification): VzdumpLog & { exit: string } {
  const lines = message.split(/\r?\n/);
  const details = lines.findIndex((line) => /^Details\s*$/.test(line));
  const logs = lines.findIndex((line) => /^Logs\s*$/.test(line));
  const log = readVzdumpLog(logs < 0 ? lines : lines.slice(logs + 2));
  const table = lines.slice(Math.max(details, 0), logs < 0 ? undefined : logs).flatMap(guestRow);
  const before =
    details > 0
      ? lines
          .slice(0, details)
          .find((line) => /\S/.test(line))
          ?.trim()
      : undefined;
  const total = lines.flatMap((line) => /^Total running time: (.*)$/.exec(line)?.[1] ?? [])[0];
  const running = total ? seconds(total) : log.durationSeconds;
  const good = severity === 'info' && !/failed/i.test(title);
  const told = before ?? log.errors.find((error) => /interrupted by signal/.test(error));
  return {
    ...log,
    guests: table.length > 0 ? table.map((row) => merged(row, log.guests)) : log.guests,
    ...(running === undefined ? {} : { durationSeconds: running }),
    exit: good ? (log.warnings.length > 0 ? `WARNINGS: ${log.warnings.length}` : 'OK') : (told ?? 'job errors'),
  };
}

function guestRow(line: string): GuestBackup[] {
  const found = GUEST_ROW.exec(line);
  if (!found) return [];
  const [, vmid, name, status, time, count, unit, file] = found;
  const result = status === 'ok' ? 'ok' : status === 'todo' ? 'todo' : 'failed';
  return [
    {
      vmid: Number(vmid),
      name: name!,
      result,
      ...(time && time !== '-' && result !== 'todo' ? { seconds: seconds(time) } : {}),
      bytes: result === 'ok' && count ? size(count, unit!) : null,
      archive: result === 'ok' && file && file !== 'null' ? file : null,
    },
  ];
}

/** The table says who and whether; only the log says why, and which kind of guest. */
function merged(row: GuestBackup, log: readonly GuestBackup[]): GuestBackup {
  const same = log.find(({ vmid }) => vmid === row.vmid);
  if (!same) return row;
  return {
    ...row,
    ...(same.type ? { type: same.type } : {}),
    ...(row.result === 'failed' && same.error ? { error: same.error } : {}),
    ...(row.result === 'failed' && same.fullError ? { fullError: same.fullError } : {}),
  };
}

/** `1h 2m 54s`. */
function seconds(text: string): number {
  const worth: Record<string, number> = { d: 86_400, h: 3600, m: 60, s: 1, ms: 0.001 };
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s?(ms|d|h|m|s)/g)) sum += Number(count) * worth[unit!]!;
  return Math.round(sum);
}

/** `Remote Store:       mirror` and `Failure count: 3`: the value behind such a label. */
export function labelled({ message }: Pick<Notification, 'message'>, label: string): string | undefined {
  for (const line of message.split(/\r?\n/))
    if (line.toLowerCase().startsWith(`${label.toLowerCase()}:`))
      return line.slice(label.length + 1).trim() || undefined;
  return undefined;
}

/** The rows of the table under that first heading: package updates. */
export function tableRows({ message }: Pick<Notification, 'message'>, heading: RegExp): string[][] {
  const lines = message.split(/\r?\n/);
  const start = lines.findIndex((line) => heading.test(line));
  if (start < 0) return [];
  const end = lines.findIndex((line, i) => i > start && !/\S/.test(line));
  return lines.slice(start + 1, end < 0 ? undefined : end).map((line) => line.trim().split(/\s+/));
}
