import { z } from 'zod';
import { type Books, type Grant, grantKey, grantSchema, QUEUE } from '../../src/contracts/books.ts';
import { fail } from '../../src/contracts/failure.ts';
import { bookStep } from '../../src/contracts/node-steps.ts';
import type { BookCall, Json, PlannedStep } from '../../src/contracts/plan.ts';

/**
 * What was approved for a container that did not run: carried out by `Automation::queued-grants` once it does, which asks
 * `ssh grant` or `ssh revoke` with the person and the vmid; their plan is then exactly what the entry holds.
 */

/** The schedule that carries it out. */
export const QUEUED_BY = 'queued-grants';

export const queuedSchema = z.strictObject({
  kind: z.enum(['grant', 'revoke']),
  /** As approved; its end counts from the approval, not from when the container runs. */
  grant: grantSchema,
  /** Of a revoke: what becomes of the account; `ours`: removed where we made it. Nothing: as when nobody says. */
  account: z.enum(['keep', 'remove', 'ours']).optional(),
});
export type Queued = z.infer<typeof queuedSchema>;

type Key = Pick<Grant, 'cluster' | 'vmid' | 'user'>;

/** What waits under a key; throws internal when it is not what this Bascule writes. */
export async function queuedOf(books: Books, { cluster, vmid, user }: Key): Promise<Queued | undefined> {
  const entry = await books.entry(QUEUE, grantKey(cluster, vmid, user));
  if (entry === undefined || entry.value === null) return undefined;
  const read = queuedSchema.safeParse(entry.value);
  if (read.success) return read.data;
  return fail('internal', {
    what: 'the queue cannot be read',
    why: `entry ${entry.key} is not as this Bascule writes it`,
    next: 'an admin looks at the store; a newer Bascule may have written it',
  });
}

const callOf = ({ cluster, vmid, user }: Key, value: Json): BookCall => ({
  shelf: QUEUE,
  key: grantKey(cluster, vmid, user),
  value,
});

/** Puts something into the queue. `value` may hold holes. */
export function queueStep(
  key: Key,
  value: { readonly kind: Queued['kind']; readonly grant: Json; readonly account?: Queued['account'] },
  before: Queued | undefined,
  name: string,
): PlannedStep {
  return bookStep(callOf(key, value as unknown as Json), asJson(before), {
    name,
    says: `Noting it until CT ${key.vmid} runs`,
  });
}

/** Takes an entry out of the queue. */
export function dequeueStep(key: Key, before: Queued, name: string): PlannedStep {
  return bookStep(callOf(key, null), asJson(before), { name, says: 'Taking it out of the queue' });
}

const asJson = (queued: Queued | undefined): Json => (queued ?? null) as unknown as Json;
