import { z } from 'zod';
import { Failed } from '../../src/contracts/failure.ts';
import type { Attempt } from './failures.ts';
import { unreadable } from './failures.ts';

/**
 * What we read of Proxmox's answers, and nothing else. Numbers arrive as numbers or text, booleans as 1, "1", "",
 * true or not at all, and keys only when set (ODDITIES A), so every field reads all of these.
 */

function toNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value.trim())) return undefined;
  return Number(value);
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

const number = z.unknown().optional().transform(toNumber);
const text = z.unknown().optional().transform(toText);
/** Only 1, "1" and true are true: `Boolean("0")` would be as well (ODDITIES 2). */
const flag = z
  .unknown()
  .optional()
  .transform((value) => value === 1 || value === '1' || value === true);
const needNumber = number.refine((value) => value !== undefined, 'no number').transform((value) => value as number);
const needText = text
  .refine((value) => value !== undefined && value !== '', 'no text')
  .transform((value) => value as string);
const vmid = needNumber.refine((value) => Number.isInteger(value) && value > 0, 'no vmid');

export const Version = z.object({ version: needText });

export const ClusterStatus = z.array(
  z.object({ type: needText, name: text, quorate: flag, online: flag, local: flag, ip: text }),
);

/** All values are strings. */
export const ClusterNodes = z.array(z.object({ node: text, name: text, quorum_votes: number, ring0_addr: text }));

/** Keys with blanks (ODDITIES 12); empty when there is none. */
export const Qdevice = z.object({ State: text, Algorithm: text });

/** Rows of nodes, guests and storages mixed; `read` below keeps what each needs. */
export const Resources = z.array(
  z
    .object({
      type: needText,
      node: text,
      status: text,
      vmid: number,
      name: text,
      tags: text,
      pool: text,
      lock: text,
      hastate: text,
      template: flag,
      cpu: number,
      maxcpu: number,
      mem: number,
      maxmem: number,
      disk: number,
      maxdisk: number,
      uptime: number,
    })
    .refine((row) => !isGuest(row.type) || (row.vmid !== undefined && row.node !== undefined), 'a guest without vmid')
    .refine((row) => row.type !== 'node' || row.node !== undefined, 'a node without name'),
);
export type ResourceRow = z.output<typeof Resources>[number];

const isGuest = (type: string) => type === 'lxc' || type === 'qemu';

/** kernel: `current-kernel.release`; load averages arrive as text. */
export const NodeStatus = z.object({
  pveversion: text,
  kversion: text,
  'current-kernel': z.object({ release: text }).nullish().catch(undefined),
  loadavg: z.array(z.unknown()).nullish().catch(undefined),
  rootfs: z.object({ used: number, total: number }).nullish().catch(undefined),
});

/** Epoch seconds. */
export const NodeTime = z.object({ time: needNumber });

export const Storages = z.array(
  z.object({
    storage: needText,
    type: text,
    content: text,
    shared: flag,
    active: flag,
    avail: number,
    total: number,
  }),
);

export const Content = z.array(
  z.object({
    volid: needText,
    vmid: number,
    ctime: number,
    size: number,
    notes: text,
    protected: flag,
    verification: z.object({ state: text }).nullish().catch(undefined),
  }),
);

/** `vmid` and `exclude` are comma-separated. */
export const BackupJobs = z.array(
  z.object({
    id: needText,
    type: text,
    enabled: number,
    schedule: text,
    storage: text,
    compress: text,
    all: flag,
    pool: text,
    vmid: text,
    exclude: text,
    node: text,
  }),
);

/** `filepath` is base64 of the whole path; size and mtime come with files only. */
export const BackupFiles = z.array(z.object({ filepath: needText, type: text, size: number, mtime: number }));

export const Bridges = z.array(z.object({ iface: needText, type: text }));

export const ReplicationJobs = z.array(replicationJob());
export const OneReplicationJob = replicationJob();
export type ReplicationJobRow = z.output<typeof OneReplicationJob>;

function replicationJob() {
  return z.object({
    id: needText,
    guest: number,
    source: text,
    target: text,
    schedule: text,
    disable: flag,
    comment: text,
    remove_job: text,
  });
}

export const OneReplicationState = z.object({
  id: needText,
  guest: number,
  source: text,
  target: text,
  last_sync: number,
  last_try: number,
  next_sync: number,
  fail_count: number,
  error: text,
  duration: number,
  pid: number,
});
export const ReplicationStates = z.array(OneReplicationState);

export const HaRows = z.array(
  z.object({ type: text, sid: text, node: text, crm_state: text, state: text, request_state: text }),
);

export const GuestStatus = z.object({
  status: text,
  qmpstatus: text,
  name: text,
  tags: text,
  lock: text,
  template: flag,
  cpus: number,
  mem: number,
  maxmem: number,
  disk: number,
  maxdisk: number,
  uptime: number,
  ha: z.object({ managed: flag, state: text }).nullish().catch(undefined),
});

/** Property strings by key; the keys are open (net0, mp3, scsi1 …). Values that are neither text nor number are dropped. */
export const GuestConfig = z.record(z.string(), z.unknown()).transform((raw) => {
  const entries = Object.entries(raw).map(([key, value]) => [key, toText(value)] as const);
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
});

/** Its last row is the pseudo snapshot `current` (ODDITIES 96). */
export const SnapshotRows = z.array(
  z.object({ name: needText, snaptime: number, description: text, parent: text, snapstate: text, vmstate: flag }),
);

export const Feature = z.object({ hasFeature: flag });

export const NextVmid = vmid;

export const Tasks = z.array(z.object({ upid: text, type: text, status: text }));

export const TaskStatus = z.object({ status: needText, exitstatus: text });

export const TaskLog = z.array(z.object({ n: number, t: text }));

/** path → privilege → 1 (with propagation) or 0 (without). */
export const Permissions = z.record(z.string(), z.record(z.string(), z.unknown()));

export const count = (value: unknown): number => toNumber(value) ?? 0;

/** Reads an answer or throws Failed; the message says where it is odd and never what it holds. */
export function readAs<S extends z.ZodType>(schema: S, data: unknown, attempt: Attempt): z.output<S> {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = ['data', ...(issue?.path ?? [])].map(String).join('.').slice(0, 100);
  throw new Failed(unreadable(attempt, `${where}: ${issue?.message ?? 'odd'}`));
}
