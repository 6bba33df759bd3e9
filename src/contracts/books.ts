import { z } from 'zod';
import { fail } from './failure.ts';
import type { Json } from './plan.ts';

/**
 * What the bot itself must know for as long as it holds, apart from requests. Written only by steps of plans. People in it
 * are called as they are now: who was let in as `slack:U1` and is listed in the config since has the id of the config.
 * Keys stay as they were written.
 */
export interface Books {
  entries(shelf: string): Promise<readonly BookEntry[]>;
  entry(shelf: string, key: string): Promise<BookEntry | undefined>;
}

export interface BookEntry {
  readonly shelf: string;
  readonly key: string;
  readonly value: Json;
  /** The run that wrote it. */
  readonly run: string;
  readonly at: number;
}

/** A person's GitHub login, when it is not in the config. Key: the person's id when it was written. */
export const LINKS = 'links';
/** Who may log in where. Key: `<cluster>/<vmid>/<user>`. */
export const GRANTS = 'grants';
/** Approved grants of containers that do not run yet. Key as of grants. */
export const QUEUE = 'queue';
/** Key changes somebody has looked at and decided to leave alone. Key: the person's id. */
export const KEPT = 'kept';

const fingerprints = z.array(z.string()).readonly();

/** As mkuser and mkuseralias had it. */
export const linkSchema = z.strictObject({
  person: z.string(),
  login: z.string(),
  githubId: z.number(),
  /** Linux name where it is not the login in lower case. */
  name: z.string().optional(),
});
export type Link = z.infer<typeof linkSchema>;

export const grantSchema = z.strictObject({
  /** Run that first granted it; the marker of its lines is `bascule:<id>`. */
  id: z.string(),
  cluster: z.string(),
  vmid: z.number(),
  /** MAC of the guest's net0: another guest of that number later is not meant. */
  identity: z.string(),
  guest: z.string(),
  person: z.string(),
  login: z.string(),
  githubId: z.number(),
  /** Linux account inside the container. */
  user: z.string(),
  sudo: z.boolean(),
  /** Lines as `type base64`, and their fingerprints, in the same order. */
  lines: z.array(z.string()).readonly(),
  fingerprints,
  /** The way in; without one people find their own. */
  jump: z.strictObject({ node: z.string(), account: z.string(), address: z.string() }).optional(),
  /** Stamps (`20261121T003152Z`); without `until` it holds until somebody revokes it (adopted ones). */
  from: z.string(),
  until: z.string().optional(),
  /** Made by hand before, and taken over. */
  adopted: z.boolean().optional(),
});
export type Grant = z.infer<typeof grantSchema>;

export const grantKey = (cluster: string, vmid: number, user: string): string => `${cluster}/${vmid}/${user}`;

/** Reads every entry of a shelf. Throws internal when one is not what this Bascule writes. */
export async function readShelf<T>(
  books: Pick<Books, 'entries'>,
  shelf: string,
  schema: z.ZodType<T>,
): Promise<readonly T[]> {
  return (await books.entries(shelf)).map(({ key, value }) => {
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    return fail('internal', {
      what: `the bot's own book of ${shelf} cannot be read`,
      why: `entry ${key} is not as this Bascule writes it`,
      next: 'an admin looks at the store; a newer Bascule may have written it',
    });
  });
}
