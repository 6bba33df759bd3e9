import type { Kysely } from 'kysely';
import type { Card } from '../../src/contracts/card.ts';
import type { Place, Posted } from '../../src/contracts/chat.ts';
import type { Message } from '../../src/contracts/store.ts';
import { toMessage } from './rows.ts';
import type { Tables } from './schema.ts';

/** Messages as they are wished for, and as they were last delivered. */

export async function wish(
  db: Kysely<Tables>,
  message: { readonly key: string; readonly place: Place; readonly card: Card; readonly at: number },
): Promise<void> {
  const card_json = JSON.stringify(message.card);
  await db
    .insertInto('messages')
    .values({
      key: message.key,
      place_json: JSON.stringify(message.place),
      card_json,
      version: 1,
      delivered: 0,
      posted_json: null,
      sending: 0,
      at: message.at,
    })
    .onConflict((c) =>
      c
        .column('key')
        .doUpdateSet((e) => ({ card_json, version: e('messages.version', '+', 1) }))
        // A card that looks the same is not worth an edit.
        .where('messages.card_json', '!=', card_json),
    )
    .execute();
}

export async function undelivered(db: Kysely<Tables>): Promise<readonly Message[]> {
  const late = db.selectFrom('messages').selectAll().whereRef('delivered', '<', 'version').orderBy('at');
  return (await late.execute()).map(toMessage);
}

export async function message(db: Kysely<Tables>, key: string): Promise<Message | undefined> {
  const row = await db.selectFrom('messages').selectAll().where('key', '=', key).executeTakeFirst();
  return row && toMessage(row);
}

export async function deadLetters(db: Kysely<Tables>, before: number, limit: number): Promise<readonly Message[]> {
  const never = db.selectFrom('messages').selectAll().where('posted_json', 'is', null).where('at', '<', before);
  return (await never.orderBy('at').limit(limit).execute()).map(toMessage);
}

export async function sending(db: Kysely<Tables>, key: string): Promise<void> {
  await db.updateTable('messages').set({ sending: 1 }).where('key', '=', key).execute();
}

export async function delivered(db: Kysely<Tables>, key: string, posted: Posted, version: number): Promise<void> {
  await db
    .updateTable('messages')
    .set({ posted_json: JSON.stringify(posted), delivered: version })
    .where('key', '=', key)
    .where('delivered', '<', version)
    .execute();
}
