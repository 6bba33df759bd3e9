import { z } from 'zod';
import type { CompletionSource, Option } from '../src/contracts/command.ts';
import type { FilePath } from '../src/contracts/shell.ts';
import { cut, visible } from '../src/contracts/visible.ts';
import { readPath } from './parts/files-paths.ts';
import { SCHEDULED } from './parts/retention.ts';
import { readSchedule } from './parts/schedule.ts';
import { AUTO } from './parts/snapshots.ts';

/**
 * The options that commands share. Every schema reads the text a person typed; a message says what was wrong and
 * how it is written.
 */

export type Reading<T> = { readonly value: T } | { readonly problem: string };

interface Spec<T> {
  readonly summary: string;
  /** Shown in messages: `node:ovh1`. */
  readonly example: string;
  readonly read: (text: string) => Reading<T>;
  /** Characters; 500 unless told. */
  readonly longest?: number;
  readonly completes?: CompletionSource;
  readonly choices?: readonly string[];
}

/** A required option. */
export function option<T>(spec: Spec<T>): Option<T> {
  const name = spec.example.split(':')[0];
  const schema = z.string({ error: `${name} is missing, for example ${spec.example}` }).transform((text, context) => {
    const trimmed = text.trim();
    const reading: Reading<T> =
      trimmed === ''
        ? { problem: `${name} is empty` }
        : trimmed.length > (spec.longest ?? LONGEST)
          ? { problem: `${name} is longer than ${spec.longest ?? LONGEST} characters` }
          : spec.read(trimmed);
    if ('value' in reading) return reading.value;
    context.issues.push({ code: 'custom', message: `${reading.problem}, for example ${spec.example}`, input: text });
    return z.NEVER;
  });
  return {
    schema: schema as z.ZodType<T, string | undefined>,
    summary: spec.summary,
    ...(spec.completes ? { completes: spec.completes } : {}),
    ...(spec.choices ? { choices: spec.choices } : {}),
  };
}

const LONGEST = 500;

/** The same option, but it may be left out. */
export function optional<T>(from: Option<T>, summary = from.summary): Option<T | undefined> {
  return { ...from, summary, schema: from.schema.optional() as z.ZodType<T | undefined, string | undefined> };
}

/** Shows what was typed inside a message, bounded and on one line. */
function shown(text: string): string {
  return `"${cut(visible(text), 40)}"`;
}

/** DNS label, lower case; also what Proxmox accepts as a node's name. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

function readLabel(what: string): (text: string) => Reading<string> {
  return (text) =>
    LABEL.test(text) ? { value: text } : { problem: `${shown(text)} is not ${what}: letters, digits and hyphens only` };
}

function readGuest(text: string): Reading<string> {
  if (/^\d+$/.test(text)) {
    const vmid = Number(text);
    return vmid >= 100 && vmid <= 999_999_999
      ? { value: String(vmid) }
      : { problem: `${shown(text)} is not a vmid: they go from 100 to 999999999` };
  }
  return /^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?$/i.test(text)
    ? { value: text }
    : { problem: `${shown(text)} is neither a vmid nor a guest's name` };
}

export const guest = option({
  summary: 'Number or name of the guest',
  example: 'vmid:103',
  completes: 'guest',
  read: readGuest,
});
export const ct = option({
  summary: 'Number or name of the container',
  example: 'vmid:103',
  completes: 'ct',
  read: readGuest,
});
export const vm = option({
  summary: 'Number or name of the VM',
  example: 'vmid:200',
  completes: 'vm',
  read: readGuest,
});

export const node = option({
  summary: 'Name of the node',
  example: 'node:ovh1',
  completes: 'node',
  read: readLabel('the name of a node'),
});
export const target = option({
  summary: 'Node that receives the copies',
  example: 'target:ovh3',
  completes: 'node',
  read: readLabel('the name of a node'),
});
export const cluster = optional(
  option({
    summary: 'Which cluster, when there is more than one',
    example: 'cluster:off',
    completes: 'cluster',
    read: (text) => ({ value: text }),
  }),
);

/** One DNS label, lower-cased. Digits alone are refused: `vmid:` takes numbers and names, and they must not be mixed up. */
export const hostname = option({
  summary: 'Name of the new container: letters, digits, hyphens',
  example: 'hostname:robotoff',
  read: (text): Reading<string> => {
    if (text.length > 63) return { problem: `the hostname has ${text.length} characters, 63 are allowed` };
    const bad = /[^a-z0-9-]/i.exec(text)?.[0];
    if (bad !== undefined)
      return { problem: `${shown(bad)} cannot be in a hostname: letters, digits and hyphens only` };
    if (!LABEL.test(text)) return { problem: `the hostname ${shown(text)} must begin and end with a letter or digit` };
    if (/^\d+$/.test(text)) return { problem: `the hostname ${shown(text)} would be mistaken for a vmid` };
    return { value: text.toLowerCase() };
  },
});

/** The number of a guest that does not exist yet. */
export const newVmid = option({
  summary: 'Number of the new container; default: the next free one',
  example: 'vmid:112',
  read: whole('a vmid', 100, 999_999_999),
});

/** The vmid once more, as a typed confirmation. */
export const confirm = option({
  summary: 'The number once more, to be sure',
  example: 'confirm:103',
  read: whole('a vmid', 100, 999_999_999),
});

export const template = option<string>({
  summary: 'Template or the beginning of its name; the newest match is taken',
  example: 'template:debian-13',
  completes: 'template',
  read: (text) =>
    /^[A-Za-z0-9][A-Za-z0-9._+~:/-]{0,250}$/.test(text) && !text.includes('..')
      ? { value: text }
      : { problem: `${shown(text)} is not the name of a template` },
});

export const storage = option<string>({
  summary: 'Storage of the root disk',
  example: 'storage:local-zfs',
  completes: 'storage',
  read: (text) =>
    /^[a-z]([a-z0-9._-]{0,98}[a-z0-9])?$/i.test(text)
      ? { value: text }
      : { problem: `${shown(text)} is not a storage id` },
});

/** GiB. */
export const disk = option({
  summary: 'Size of the root disk in GiB',
  example: 'disk:20',
  read: sized('a disk size in GiB', /^(?:g|gb|gib)?$/i, /^(?:t|tb|tib)$/i, 1, 16_384),
});
/** MiB. */
export const memory = option({
  summary: 'Memory in MiB, or with G for GiB',
  example: 'memory:2048',
  read: sized('a memory size in MiB', /^(?:m|mb|mib)?$/i, /^(?:g|gb|gib)$/i, 64, 4_194_304),
});
export const cores = option({
  summary: 'Processor cores',
  example: 'cores:2',
  read: whole('a number of cores', 1, 512),
});

export function yesNo(name: string, summary: string): Option<boolean> {
  return option({ summary, example: `${name}:yes`, choices: ['yes', 'no'], read: (text) => readYesNo(text, name) });
}

const YES = new Set(['yes', 'y', 'on', 'true', '1']);
const NO = new Set(['no', 'n', 'off', 'false', '0', 'none']);

function readYesNo(text: string, name: string): Reading<boolean> {
  const word = text.toLowerCase();
  if (YES.has(word)) return { value: true };
  if (NO.has(word)) return { value: false };
  return { problem: `${name} is yes or no, not ${shown(text)}` };
}

/** Whether to replicate: no, yes (the configured target) or the name of the target. */
export const replicate = option<boolean | string>({
  summary: 'Replicate to a node: its name, yes for the configured one, or no',
  example: 'replicate:ovh3',
  completes: 'node',
  read: (text) => {
    const word = text.toLowerCase();
    if (YES.has(word)) return { value: true };
    if (NO.has(word)) return { value: false };
    return readLabel('the name of a node')(text);
  },
});

/** Lower case, unique, in the order given. */
export const tags = option<readonly string[]>({
  summary: 'Tags beside those of the house, separated by commas',
  example: 'tags:web,team-a',
  read: (text) => {
    const words = text
      .toLowerCase()
      .split(/[;,\s]+/)
      .filter((word) => word !== '');
    const wrong = words.find((word) => !/^[a-z0-9_][a-z0-9_+.-]{0,62}$/.test(word));
    if (wrong !== undefined) return { problem: `${shown(wrong)} cannot be a tag: letters, digits and _ + . - only` };
    return words.length === 0 ? { problem: 'there is no tag in it' } : { value: [...new Set(words)] };
  },
});

export const tag = option({
  summary: 'Only guests with this tag',
  example: 'tag:prod',
  read: (text) => ({ value: text.toLowerCase() }),
});

/** A Proxmox calendar event, as it is sent. */
export const schedule = option({
  summary: 'When it runs: */5, 22:00, mon..fri 8..18:00, daily',
  example: 'schedule:*/5',
  read: readSchedule,
});

/** A replication job, or a guest that has only one. */
export const job = option<string>({
  summary: 'Replication job, or the number of a guest with only one',
  example: 'job:103-0',
  completes: 'replication',
  read: (text) =>
    /^[1-9][0-9]{2,8}(-\d{1,9})?$/.test(text)
      ? { value: text }
      : { problem: `${shown(text)} is not a replication job: guest number, hyphen, job number` },
});

/** As Proxmox reads it (pve-configid); the letters' case counts. */
function readSnapshot(text: string): Reading<string> {
  if (text.length > 40) return { problem: `the snapshot's name has ${text.length} characters, 40 are allowed` };
  return /^[a-z][a-z0-9_-]+$/i.test(text)
    ? { value: text }
    : { problem: `${shown(text)} is not a snapshot's name: a letter, then at least one letter, digit, - or _` };
}

export const snapshot = option<string>({
  summary: 'Name of the snapshot',
  example: 'snapshot:before-upgrade',
  completes: 'snapshot',
  read: readSnapshot,
});

/** Names that Proxmox uses itself, or that a schedule on the node would take for its own and delete. */
export const newSnapshot = option<string>({
  summary: 'Name of the new snapshot: a letter first, 2 to 40 letters, digits, - and _',
  example: 'snapshot:before-upgrade',
  read: (text) => {
    if (['current', 'pending', 'vzdump'].includes(text.toLowerCase()))
      return { problem: `${shown(text)} is a name that Proxmox uses itself` };
    if (AUTO.test(text)) return { problem: `${shown(text)} would be taken for one of proxmox-autosnap and pruned` };
    if (SCHEDULED.test(text)) return { problem: `${shown(text)} is a name of the schedule's own` };
    return readSnapshot(text);
  },
});

export const description = option<string>({
  summary: 'What it is for, in a few words',
  example: 'description:"before v2"',
  read: (text) => {
    if (text.length > 200) return { problem: `the description has ${text.length} characters, 200 are allowed` };
    if (/bascule:/i.test(text)) return { problem: 'the description holds "bascule:", the mark of what runs made' };
    return { value: text };
  },
});

/** Somebody by mention, name or id; who that is, findPerson says. */
export const person = option<string>({
  summary: 'Who: a mention, or the name in the config',
  example: 'person:@alice',
  completes: 'person',
  read: (text) => (text.length <= 80 ? { value: text } : { problem: 'is too long for a name' }),
});

/** Id of a request, which is its run's id too. */
export const request = option<string>({
  summary: 'Id of the request, as its card shows it',
  example: 'id:2sjvpvxb',
  completes: 'request',
  read: (text) =>
    /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$/.test(text)
      ? { value: text }
      : { problem: `${shown(text)} is not a request id` },
});

/** Seconds. */
export const expires = option({
  summary: 'How long it lasts',
  example: 'expires:2h',
  read: duration(60, 366 * 86_400),
});
/** Seconds the guest may take to power off. */
export const timeout = option({
  summary: 'How long the guest may take, 5 s to 15 min',
  example: 'timeout:90s',
  read: duration(5, 900),
});

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 };

/** Reads `90s`, `2h`, `1h30m`, `7d` into seconds. */
export function duration(least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    const compact = text.toLowerCase().replaceAll(' ', '');
    if (!/^(?:\d{1,6}(?:min|[smhdw]))+$/.test(compact)) {
      return { problem: `${shown(text)} is not a duration: a number with s, m, h, d or w` };
    }
    let seconds = 0;
    for (const [, count, unit] of compact.matchAll(/(\d+)(min|[smhdw])/g)) seconds += Number(count) * SECONDS[unit!]!;
    if (seconds < least) return { problem: `${shown(text)} is shorter than ${least} s` };
    if (seconds > most) return { problem: `${shown(text)} is longer than ${most} s` };
    return { value: seconds };
  };
}

function whole(what: string, least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    if (!/^\d{1,12}$/.test(text)) return { problem: `${shown(text)} is not ${what}` };
    const value = Number(text);
    return value >= least && value <= most
      ? { value }
      : { problem: `${shown(text)} is not ${what}: it must be ${least} to ${most}` };
  };
}

function sized(what: string, unit: RegExp, larger: RegExp, least: number, most: number) {
  return (text: string): Reading<number> => {
    const match = /^(\d{1,9})\s*([a-z]*)$/i.exec(text);
    const factor = match && (unit.test(match[2]!) ? 1 : larger.test(match[2]!) ? 1024 : undefined);
    if (!match || !factor) return { problem: `${shown(text)} is not ${what}` };
    const value = Number(match[1]) * factor;
    return value >= least && value <= most
      ? { value }
      : { problem: `${shown(text)} is not ${what}: it must be ${least} to ${most}` };
  };
}

/** A file or folder inside a container. */
export const path = option<FilePath>({
  summary: 'File or folder, as inside the container',
  example: 'path:/etc/nginx/nginx.conf',
  completes: 'path',
  longest: 5500, // 4000 bytes as base64
  read: readPath,
});

/** Where a version of a file is. */
export const from = option<string>({
  summary: 'Which version: live, a snapshot, node:snapshot or pbs:time, as file versions lists them',
  example: 'from:autodaily261114020001',
  completes: 'version',
  read: (text) =>
    /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,299}$/.test(text)
      ? { value: text }
      : { problem: `${shown(text)} is not a version as file versions lists them` },
});

export const overwrite = yesNo(
  'overwrite',
  'Put it in place and keep the one there now under another name; default: beside it',
);

/** Several people, each as in {@link person}. */
export const people = option<readonly string[]>({
  summary: 'Who gets in with their GitHub keys: mentions or names, separated by commas',
  example: 'person:@alice',
  completes: 'person',
  read: (text) => {
    const all = text.split(/[,;\s]+/).filter((one) => one !== '');
    if (all.length === 0) return { problem: 'nobody is named in it' };
    return all.length <= 10
      ? { value: [...new Set(all)] }
      : { problem: `${all.length} people are named, 10 are allowed` };
  },
});

/** A script of the config, by its name there. */
export const setup = option<string>({
  summary: 'Script of the config to run in it when it is up',
  example: 'setup:base',
  read: (text) =>
    /^[a-z0-9][a-z0-9_-]{0,39}$/i.test(text)
      ? { value: text }
      : { problem: `${shown(text)} is not the name of a script: letters, digits, - and _` },
});

/** Id of an incident, as its card shows it. */
export const incident = option<string>({
  summary: 'Id of the incident, as its card shows it',
  example: 'id:k3f9w',
  completes: 'incident',
  read: (text) =>
    /^[a-z0-9]{4,40}$/i.test(text)
      ? { value: text.toLowerCase() }
      : { problem: `${shown(text)} is not the id of an incident` },
});

/** Seconds, or until the next morning. */
export const snoozeFor = option<number | 'morning'>({
  summary: 'How long: 1h, 30min, 2d, or until morning',
  example: 'for:1h',
  read: (text) => (text.toLowerCase() === 'morning' ? { value: 'morning' } : duration(60, 14 * 86_400)(text)),
});

/** Seconds. */
export const silenceFor = option({
  summary: 'How long; without it for good, which needs a reason and stays in the daily digest',
  example: 'for:4h',
  read: duration(60, 366 * 86_400),
});

export const reason = option<string>({
  summary: 'Why, in a few words',
  example: 'reason:"disk is being replaced"',
  read: (text) =>
    text.length <= 200 ? { value: text } : { problem: `the reason has ${text.length} characters, 200 are allowed` },
});

/** A kind of incident, as its card and `alert show` name it. */
export const kind = option<string>({
  summary: 'Kind of incident, for example backup-failed',
  example: 'kind:backup-failed',
  read: (text) =>
    /^[a-z][a-z-]{2,49}$/.test(text.toLowerCase())
      ? { value: text.toLowerCase() }
      : { problem: `${shown(text)} is not a kind of incident` },
});

/** Id of a silence, as `alert list` shows it. */
export const silence = option<string>({
  summary: 'Id of the silence, as alert list shows it',
  example: 'id:s7f3k2',
  read: (text) =>
    /^s[a-z0-9]{4,12}$/i.test(text)
      ? { value: text.toLowerCase() }
      : { problem: `${shown(text)} is not the id of a silence` },
});
