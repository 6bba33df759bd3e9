import { describe, expect, test } from 'vitest';
import type { Calls } from '../../adapters/discord/calls.ts';
import { EDIT_EVERY_MS, edits } from '../../adapters/discord/edits.ts';
import { membership } from '../../adapters/discord/members.ts';
import type { Card } from '../../src/contracts/card.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import { Failed, failure } from '../../src/contracts/failure.ts';

/** A clock turned by hand; `turn` lets everything that was due run. */
function handClock(): Clock & { turn(ms: number): Promise<void>; waiting(): number } {
  let now = 0;
  const due: { at: number; wake: () => void }[] = [];
  return {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        due.push({ at: now + ms, wake: resolve });
        signal?.addEventListener('abort', () => resolve());
      }),
    async turn(ms) {
      now += ms;
      for (const one of due.splice(0)) one.at <= now ? one.wake() : due.push(one);
      await settled();
    },
    waiting: () => due.length,
  };
}

/** All promises that can settle without time passing have settled. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const cut = () => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
const card = (title: string): Card => ({ title, tone: 'busy' });
const posted = (message: string) => ({ platform: 'discord' as const, channel: '1', message });

function scripted(answers: (Error | undefined)[] = []) {
  const clock = handClock();
  const sent: { at: number; message: string; title: string }[] = [];
  const editing = edits(async ({ message }, { title }) => {
    const answer = answers.shift();
    sent.push({ at: clock.now(), message, title });
    if (answer) throw answer;
  }, clock);
  return { clock, sent, editing };
}

describe('edits of one message', () => {
  test('the first goes out at once, then at most one every two seconds, and the last always arrives', async () => {
    const { clock, sent, editing } = scripted();
    const all: Promise<void>[] = [];
    for (let at = 0; at < 50; at++) {
      all.push(editing.update(posted('m'), card(`step ${at}`)));
      await settled();
      await clock.turn(100);
    }
    await clock.turn(EDIT_EVERY_MS);
    await Promise.all(all);
    expect(sent.map((one) => one.title)).toEqual(['step 0', 'step 19', 'step 39', 'step 49']);
    for (const [at, one] of sent.slice(1).entries())
      expect(one.at - sent[at]!.at).toBeGreaterThanOrEqual(EDIT_EVERY_MS);
  });

  test('do not hold up the edits of another message', async () => {
    const { sent, editing } = scripted();
    await editing.update(posted('a'), card('1'));
    void editing.update(posted('a'), card('2'));
    await editing.update(posted('b'), card('3'));
    expect(sent.map((one) => one.title)).toEqual(['1', '3']);
  });

  test('a broken connection is tried again, with whatever is true by then', async () => {
    const { clock, sent, editing } = scripted([cut(), cut()]);
    const first = editing.update(posted('m'), card('old'));
    await settled();
    const second = editing.update(posted('m'), card('new'));
    await clock.turn(2000);
    await clock.turn(4000);
    await Promise.all([first, second]);
    expect(sent.map((one) => one.title)).toEqual(['old', 'new', 'new']);
  });

  test('a refusal is told at once, and the next edit is free to go', async () => {
    const gone = new Failed(failure('not-found', { what: 'w', why: 'the message was deleted', next: 'n' }));
    const { clock, sent, editing } = scripted([gone]);
    await expect(editing.update(posted('m'), card('1'))).rejects.toThrow('deleted');
    await clock.turn(EDIT_EVERY_MS);
    await editing.update(posted('m'), card('2'));
    expect(sent).toHaveLength(2);
  });

  test('a mistake of ours is told at once and not tried again', async () => {
    const { sent, editing } = scripted([new TypeError('undefined is not a function')]);
    await expect(editing.update(posted('m'), card('1'))).rejects.toThrow('not a function');
    expect(sent).toHaveLength(1);
  });

  test('patience ends after half a minute', async () => {
    const { clock, sent, editing } = scripted(Array.from({ length: 9 }, () => cut()));
    const outcome = editing.update(posted('m'), card('1')).catch((error: unknown) => error);
    for (let second = 0; second < 60; second++) await clock.turn(1000);
    expect(await outcome).toMatchObject({ code: 'ECONNRESET' });
    expect(sent).toHaveLength(5);
  });

  test('flushing sends what waits, even while Discord is being tried again', async () => {
    const { sent, editing } = scripted([undefined, cut()]);
    await editing.update(posted('m'), card('1'));
    const last = editing.update(posted('m'), card('2')).catch(() => 'told');
    await editing.flush();
    expect(await last).toBe('told');
    expect(sent.map((one) => one.title)).toEqual(['1', '2']);
  });
});

test('a membership is asked for again once it is ten seconds old, counted from the question', async () => {
  const clock = handClock();
  let asked = 0;
  const calls = {
    member: async () => {
      asked++;
      return { roles: [`${asked}`] };
    },
  } as unknown as Calls;
  const groupsOf = membership(calls, '100000000000000001', clock);
  const ask = () => groupsOf('100000000000000002', ['1', '2']);
  expect(await ask()).toEqual(['1']);
  await clock.turn(10_000);
  expect(await ask()).toEqual(['1']);
  await clock.turn(1);
  expect(await ask()).toEqual(['2']);
});
