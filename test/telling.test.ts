import { expect, test } from 'vitest';
import type { Card } from '../src/contracts/card.ts';
import type { Place, Posted } from '../src/contracts/chat.ts';
import type { RequestRecord } from '../src/contracts/records.ts';
import type { StoredStep } from '../src/contracts/store.ts';
import { Telling, type TellingParts } from '../src/telling.ts';

/** What of a step reaches the thread below its request's card. */

function told(posted: Posted | undefined, step: Partial<StoredStep>, log: readonly string[]) {
  const shown: { key: string; place: Place; card: Card }[] = [];
  const parts = {
    store: { message: async () => (posted ? { posted } : undefined) },
    outbox: { show: async (key: string, place: Place, card: Card) => void shown.push({ key, place, card }) },
  } as unknown as TellingParts;
  const whole: StoredStep = {
    request: 'r1',
    n: 2,
    name: 'script',
    says: 'Running it',
    state: 'done',
    note: 'OK',
    sent: 1,
    ours: true,
    ...step,
  };
  return new Telling(parts).stepEnded({ id: 'r1' } as RequestRecord, whole, log).then(() => shown);
}
const posted: Posted = { platform: 'slack', channel: 'C1', message: '1.1' };

test('what a script printed, although no task of Proxmox did it', async () => {
  const [one] = await told(posted, { state: 'failed', note: 'exit code 3' }, ['begun', 'no such package']);
  expect(one).toMatchObject({ key: 'thread/r1/2', place: { channel: 'C1', thread: '1.1' } });
  expect(one?.card).toEqual({
    title: 'Running it: failed',
    tone: 'bad',
    lines: ['exit code 3'],
    code: ['begun\nno such package'],
  });
});

test('a task by its name, also without a log', async () => {
  const [one] = await told(posted, { upid: 'UPID:ovh1:1' }, []);
  expect(one?.card).toMatchObject({ footer: 'UPID:ovh1:1', tone: 'plain' });
  expect(one?.card.code).toBeUndefined();
});

test('nothing of a step that has nothing to tell, or below a card that nobody saw', async () => {
  expect(await told(posted, {}, [])).toEqual([]);
  expect(await told(undefined, { upid: 'UPID:ovh1:1' }, ['x'])).toEqual([]);
});
