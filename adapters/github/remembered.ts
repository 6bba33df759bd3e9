import { z } from 'zod';
import { fail } from '../../src/contracts/failure.ts';
import { MAX_KEYS } from './api.ts';

const line = z.string().max(8_192);
const refused = z.object({
  why: z.string().max(200),
  type: z.string().max(200),
  fingerprint: z.string().max(60).optional(),
});
const etag = z
  .string()
  .regex(/^(W\/)?"[\x21\x23-\x7e]{1,200}"$/)
  .optional();

/** What is kept about a login, as plain JSON, so that GitHub being down is survivable. No secrets in it. */
export const rememberedSchema = z.object({
  /** The API it came from: ids of another GitHub are other people. */
  from: z.string().max(500),
  login: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/),
  id: z.int().positive(),
  /** When GitHub last confirmed it, epoch ms. */
  at: z.number(),
  /** Whole keys as `type base64`, weak ones too: which may be used is judged anew each time. */
  lines: z.array(line).max(MAX_KEYS).readonly(),
  broken: z.array(refused).max(MAX_KEYS).readonly(),
  accountEtag: etag,
  keysEtag: etag,
});

export type Remembered = Readonly<z.infer<typeof rememberedSchema>>;

/** Where it is kept, by login in lower case. To link a login anew on purpose, its entry is removed there. */
export interface Remember {
  read(login: string): Promise<Remembered | undefined>;
  write(login: string, what: Remembered): Promise<void>;
}

/** What is kept about a login. Throws Failed when it is unreadable or another GitHub's: guessing would lose who it is. */
export async function recall(remember: Remember, login: string, from: string): Promise<Remembered | undefined> {
  const kept: unknown = await remember.read(login.toLowerCase());
  if (kept === undefined) return undefined;
  const known = rememberedSchema.safeParse(kept);
  if (!known.success)
    return fail('internal', {
      what: `the keys of ${login} were not looked up`,
      why: `what is stored about that login cannot be read: ${z.prettifyError(known.error).slice(0, 300)}`,
      next: 'check who the login belongs to and link it again',
    });
  if (known.data.from !== from)
    fail('conflict', {
      what: `the keys of ${login} were not looked up`,
      why: `the login was linked on ${known.data.from}, but ${from} is configured now`,
      next: 'check who the login belongs to there and link it again',
    });
  return known.data;
}
