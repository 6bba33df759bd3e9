import { z } from 'zod';
import type {
  CtUser,
  FileFacts,
  FileShown,
  FileVersions,
  QuorumFacts,
  ZfsSnapshots,
} from '../../src/contracts/shell.ts';

/**
 * What the helper answers to looks (node/README.md), in our words. More fields than we read are fine, other types are
 * not. Text stays as it came, for the renderers to make visible, but bounded.
 */

const text = (max: number) => z.string().max(max);
const perhaps = (max: number) =>
  text(max)
    .nullish()
    .transform((value) => value ?? undefined);
const orEmpty = (max: number) =>
  text(max)
    .nullish()
    .transform((value) => value ?? '');
const count = z.number().nonnegative();
const orZero = count.nullish().transform((value) => value ?? 0);
const orNo = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const list = <T extends z.ZodType>(of: T) => z.array(of).max(100_000);

const path = text(20_000);
const name = text(400);

export const zfsSnapshots: z.ZodType<ZfsSnapshots> = z.object({
  vmid: count,
  here: z.boolean(),
  volumes: list(z.object({ dataset: name, volume: name, role: orEmpty(40), used: orZero })),
  snapshots: list(
    z.object({
      dataset: name,
      volume: name,
      role: orEmpty(40),
      name,
      class: z.enum(['autosnap', 'replication', 'vzdump', 'base', 'manual']),
      hidden: z.boolean(),
      taken: orZero,
      used: orZero,
      guid: orEmpty(40),
      holds: orZero,
    }),
  ),
});

const key = z.object({
  file: path,
  line: count,
  type: perhaps(100),
  fingerprint: perhaps(100),
  options: perhaps(4000),
  comment: perhaps(1000),
  marker: perhaps(100),
  ours: z.boolean(),
  unreadable: perhaps(1000),
});

const user: z.ZodType<CtUser> = z.object({
  name,
  uid: count,
  shell: text(1000),
  home: path,
  locked: z.boolean(),
  expired: z.boolean(),
  sudo: z.boolean(),
  groups: list(name),
  ours: z.boolean(),
  note: text(1000),
  troubles: list(text(4000)),
  keys: list(key),
});
export const users = z.object({ users: list(user) });

export const quorumFacts: z.ZodType<QuorumFacts> = z.object({
  quorate: z.boolean(),
  expected: count,
  total: count,
  needed: count,
  blocked: orNo,
  flags: list(name),
  members: list(z.object({ nodeid: count, name, votes: count, local: z.boolean(), qdevice: perhaps(40) })),
});

const facts = {
  type: text(40),
  size: count,
  mode: text(10),
  uid: count,
  gid: count,
  /** Before 1970 too. */
  mtime: z.number(),
};

export const fileVersions: z.ZodType<FileVersions> = z.object({
  path,
  dataset: name,
  volume: name,
  absent: count,
  troubles: list(z.object({ from: name, why: text(4000), real: perhaps(20_000) })),
  versions: list(
    z.object({
      ...facts,
      from: name,
      class: text(40),
      guid: orEmpty(40),
      taken: orZero,
      hidden: orNo,
      sha256: perhaps(64),
      identity: text(100),
    }),
  ),
});

const stat = {
  ...facts,
  path,
  from: name,
  links: count,
  entries: count.optional(),
  bytes: count.optional(),
  complete: z.boolean().optional(),
};
export const fileFacts: z.ZodType<FileFacts> = z.object(stat);

export const fileShown: z.ZodType<FileShown> = z.object({
  ...stat,
  text: text(400_000).optional(),
  binary: z.boolean().optional(),
  target: perhaps(20_000),
  names: list(z.object({ name: text(2000), type: text(40), size: count })).optional(),
  whole: z.boolean().optional(),
});
