import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Card } from '../../src/contracts/card.ts';
import { cards } from '../cards.ts';
import { failureOf, openRoom, type Room } from './discord-room.ts';

let room: Room;
beforeEach(async () => {
  room = await openRoom();
});
afterEach(async () => {
  expect(room.discord.violations).toEqual([]);
  await room.close();
});

const plain = (title: string): Card => ({ title, tone: 'plain' });
const titles = (channel = 'ops') => room.discord.messages(channel).map((message) => message.embeds[0]?.title);

describe('a message with a key', () => {
  test('is found again long after Discord has forgotten its nonce, and shows what is true now', async () => {
    const first = await room.chat.post(room.place, plain('waiting'), 'card/q7f3k1', false);
    room.discord.clock.advance(60 * 60_000);
    const again = await room.again().post(room.place, plain('approved'), 'card/q7f3k1', true);
    expect(again).toEqual(first);
    expect(titles()).toEqual(['approved']);
  });

  test('is found behind a hundred others', async () => {
    const first = await room.chat.post(room.place, plain('the one'), 'key', false);
    for (let at = 0; at < 120; at++) await room.chat.post(room.place, plain(`other ${at}`), `other-${at}`, false);
    room.discord.clock.advance(60 * 60_000);
    expect(await room.chat.post(room.place, plain('the one'), 'key', true)).toEqual(first);
  });

  test('is not taken for the message of somebody else who copied its reference', async () => {
    const posted = await room.chat.post(room.place, plain('real'), 'key', false);
    const copy = room.discord.world.messages.find((one) => one.id === posted.message)!;
    const mallory = room.discord.user('mallory').id;
    room.discord.world.messages.push({ ...copy, id: room.discord.world.newId(), authorId: mallory, nonce: undefined });
    room.discord.clock.advance(60 * 60_000);
    expect(await room.chat.post(room.place, plain('real'), 'key', true)).toEqual(posted);
  });

  test('is posted once although Discord loses the answer again and again', async () => {
    const lost = { kind: 'http', status: 502, stored: true } as const;
    room.discord.failNext('create-message', lost, lost, lost, lost);
    const failed = await failureOf(room.chat.post(room.place, plain('once'), 'key', false));
    expect(failed).toMatchObject({ kind: 'unavailable', sent: 'unknown', status: 502 });
    room.discord.clock.advance(60 * 60_000);
    await room.chat.post(room.place, plain('once'), 'key', true);
    expect(titles()).toEqual(['once']);
  });

  test('survives a connection that is cut in the middle', async () => {
    room.discord.failNext('create-message', { kind: 'reset', stored: true });
    const outcome = await room.chat.post(room.place, plain('once'), 'key', false).catch(() => 'lost');
    if (outcome === 'lost') await room.chat.post(room.place, plain('once'), 'key', true);
    expect(titles()).toEqual(['once']);
  });

  test('stays in doubt when the channel cannot be searched', async () => {
    const broken = { kind: 'http', status: 500, stored: false } as const;
    room.discord.failNext('list-messages', broken, broken, broken, broken);
    const failed = await failureOf(room.chat.post(room.place, plain('x'), 'key', true));
    expect(failed).toMatchObject({ kind: 'unavailable', sent: 'unknown' });
    expect(titles()).toEqual([]);
  });
});

test('details go into a thread that hangs on the message, which is started once', async () => {
  const card = await room.chat.post(room.place, plain('Creating CT 112'), 'card/q7', false);
  const thread = { ...room.place, thread: card.message };
  const steps = [1, 2, 3].map((step) => room.chat.post(thread, plain(`Step ${step}`), `thread/q7/${step}`, step === 1));
  const first = (await Promise.all(steps))[0]!;
  expect(first).toMatchObject({ channel: room.place.channel, thread: card.message });
  expect(titles(card.message).sort()).toEqual(['Step 1', 'Step 2', 'Step 3']);
  await room.chat.update(first, plain('Step 1 done'));
  expect(titles(card.message)).toContain('Step 1 done');
  expect(room.discord.calls('create-thread').filter((call) => call.status === 201)).toHaveLength(1);
});

test('a channel that does not exist, and ids that are none, are refused with certainty', async () => {
  const gone = { ...room.place, channel: '100000000000000001' };
  expect(await failureOf(room.chat.post(gone, plain('x'), 'k', false))).toMatchObject({
    kind: 'not-found',
    sent: 'refused',
  });
  const odd = { ...room.place, channel: '../users/@me' };
  expect(await failureOf(room.chat.post(odd, plain('x'), 'k', false))).toMatchObject({ kind: 'bad-input', sent: 'no' });
  const posted = { platform: 'discord' as const, channel: room.place.channel, message: '100000000000000001' };
  expect(await failureOf(room.chat.update(posted, plain('x')))).toMatchObject({ kind: 'not-found' });
});

test('a card for one person is never posted where many read', async () => {
  const failed = await failureOf(room.chat.post(room.place, { ...plain('10.1.0.103'), private: true }, 'k', false));
  expect(failed).toMatchObject({ kind: 'internal', sent: 'no' });
  expect(titles()).toEqual([]);
});

test('a bot that never started posts, edits and stops all the same', async () => {
  const chat = room.again();
  const posted = await chat.post(room.place, plain('one'), 'k', false);
  await chat.update(posted, plain('two'));
  await chat.stop();
  expect(titles()).toEqual(['two']);
});

test('an edit waits out a 429, survives a lost answer, and the last content wins', async () => {
  const posted = await room.chat.post(room.place, cards.progress, 'run', false);
  room.discord.failNext(
    'edit-message',
    { kind: 'rate-limited', retryAfter: 0.2 },
    { kind: 'http', status: 502, stored: true },
  );
  const first = room.chat.update(posted, plain('first'));
  const others = Array.from({ length: 20 }, (_, at) => room.chat.update(posted, plain(`content ${at}`)));
  await Promise.all([first, ...others]);
  expect(titles()).toEqual(['content 19']);
  const bodies = new Set(room.discord.calls('edit-message').map((call) => JSON.stringify(call.body)));
  expect(bodies.size).toBe(2);
});

test('stopping sends the last content without waiting for its turn', async () => {
  const posted = await room.chat.post(room.place, cards.progress, 'run', false);
  await room.chat.update(posted, plain('first'));
  const last = room.chat.update(posted, plain('last'));
  await room.chat.stop();
  await last;
  expect(titles()).toEqual(['last']);
});

test('a token that Discord did not know for a moment works again afterwards', async () => {
  const { token } = room.discord.world;
  room.discord.world.token = 'another';
  expect(await failureOf(room.chat.post(room.place, plain('x'), 'k', false))).toMatchObject({
    status: 401,
    sent: 'refused',
  });
  room.discord.world.token = token;
  await room.chat.post(room.place, plain('x'), 'k', false);
  expect(titles()).toEqual(['x']);
});

describe('roles of a person', () => {
  test('are those Discord tells now, the role of everybody included', async () => {
    const [sre, dba] = [room.discord.role('sre'), room.discord.role('dba')];
    const alice = room.discord.user('alice', { roles: ['sre'] });
    const everyone = room.discord.guildId;
    expect(await room.chat.groupsOf(alice.id, [sre, dba, everyone])).toEqual([sre, everyone]);
    expect(await room.chat.groupsOf(alice.id, [])).toEqual([]);
  });

  test('are asked for once by many who want to know at the same time', async () => {
    const alice = room.discord.user('alice', { roles: ['sre'] });
    await Promise.all(Array.from({ length: 10 }, () => room.chat.groupsOf(alice.id, [room.discord.role('sre')])));
    expect(room.discord.calls('get-member')).toHaveLength(1);
  });

  test('are none for somebody who is not in the server', async () => {
    expect(await room.chat.groupsOf('100000000000000001', [room.discord.role('sre'), room.discord.guildId])).toEqual(
      [],
    );
  });

  test('are unknown when Discord does not answer, which is not remembered', async () => {
    const alice = room.discord.user('alice', { roles: ['sre'] });
    const broken = { kind: 'http', status: 503, stored: false } as const;
    room.discord.failNext('get-member', broken, broken, broken, broken);
    const asked = room.chat.groupsOf(alice.id, [room.discord.role('sre')]);
    expect(await failureOf(asked)).toMatchObject({ kind: 'unavailable' });
    expect(await room.chat.groupsOf(alice.id, [room.discord.role('sre')])).toEqual([room.discord.role('sre')]);
    expect(await failureOf(room.chat.groupsOf('../@me', []))).toMatchObject({ kind: 'bad-input' });
  });
});
