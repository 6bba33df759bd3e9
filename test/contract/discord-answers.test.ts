import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Card } from '../../src/contracts/card.ts';
import type { Posted } from '../../src/contracts/chat.ts';
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
const secret = (title: string): Card => ({ title, tone: 'plain', private: true });
const alice = () => room.discord.user('alice');
const shownTo = (as?: string) =>
  room.discord.messages('ops', { as }).map((message) => room.discord.visibleText(message).split('\n')[0]);

test('a private answer to a command that is public by default leaves nothing behind for others', async () => {
  room.desk.answers.set('ct list', secret('No such node'));
  alice().uses('ct list');
  await room.discord.shows('ops', 'No such node', { as: alice().id });
  await room.discord.waitFor(() => room.discord.calls('delete-original').length > 0);
  expect(shownTo()).toEqual([]);
  expect(shownTo(alice().id)).toEqual(['No such node']);
});

test('a public answer to a private command becomes a message of the channel', async () => {
  room.desk.answers.set('whoami', plain('Everybody may know'));
  alice().uses('whoami');
  await room.discord.shows('ops', 'Everybody may know');
  await room.discord.waitFor(() => room.discord.calls('delete-original').length > 0);
  expect(shownTo(alice().id)).toEqual(['Everybody may know']);
});

test('several answers to one command come one after the other, each to whom it is for', async () => {
  const posted: (Posted | undefined)[] = [];
  room.desk.command = async (ask) => {
    const answers = [ask.reply(plain('One')), ask.reply(secret('Two')), ask.reply(plain('Three'), 'key-3')];
    posted.push(...(await Promise.all(answers)));
  };
  alice().uses('ct list');
  await room.discord.shows('ops', 'Three');
  await room.discord.waitFor(() => posted.length === 3);
  expect(shownTo(alice().id)).toEqual(['One', 'Two', 'Three']);
  expect(shownTo()).toEqual(['One', 'Three']);
  expect(posted[1]).toBeUndefined();
  expect(room.discord.message(posted[2]!.message).nonce).toBeDefined();
});

test('an answer is edited after its 15 minutes, and by a bot that was restarted', async () => {
  let posted: Posted | undefined;
  room.desk.command = async (ask) => {
    posted = await ask.reply(plain('Creating'), 'run-1');
  };
  alice().uses('ct list');
  await room.discord.waitFor(() => posted);
  room.discord.clock.advance(16 * 60_000);
  await room.chat.update(posted!, plain('Created'));
  expect(shownTo()).toEqual(['Created']);
  await room.again().update(JSON.parse(JSON.stringify(posted)) as Posted, plain('Created and replicated'));
  expect(shownTo()).toEqual(['Created and replicated']);
});

test('an answer that takes longer than 15 minutes still comes, by the bot itself', async () => {
  room.desk.command = async (ask) => {
    room.discord.clock.advance(16 * 60_000);
    await ask.reply(plain('At last'));
  };
  alice().uses('ct list');
  await room.discord.shows('ops', 'At last');
  expect(shownTo()).toEqual(['At last']);
});

test('a private answer that comes too late is a failure, never a public message', async () => {
  let failed: ReturnType<typeof failureOf> | undefined;
  room.desk.command = async (ask) => {
    room.discord.clock.advance(16 * 60_000);
    failed = failureOf(ask.reply(secret('10.1.0.103')));
    await failed;
  };
  alice().uses('whoami');
  await room.discord.waitFor(() => failed);
  expect(await failed).toMatchObject({ kind: 'refused', next: expect.stringContaining('15 minutes') });
  expect(JSON.stringify(room.discord.messages('ops'))).not.toContain('10.1.0');
});

test('an answer stays private when the message that announced it cannot be removed', async () => {
  room.desk.answers.set('ct list', secret('10.1.0.103'));
  room.discord.failNext('delete-original', { kind: 'error', error: 'no' });
  alice().uses('ct list');
  await room.discord.shows('ops', '10.1.0.103', { as: alice().id });
  await room.discord.waitFor(() => room.events.some((event) => event.level === 'warn'));
  expect(shownTo()).toEqual(['Answered privately']);
});

test('an answer that could not be sent in private is never sent in public', async () => {
  room.discord.failNext('follow-up', { kind: 'error', error: 'no' });
  let failed: ReturnType<typeof failureOf> | undefined;
  room.desk.command = async (ask) => {
    failed = failureOf(ask.reply(secret('10.1.0.103')));
    await failed;
  };
  alice().uses('ct list');
  await room.discord.waitFor(() => failed);
  expect(await failed).toMatchObject({ what: 'the answer was not shown', sent: 'refused' });
  expect(JSON.stringify(room.discord.messages('ops'))).not.toContain('10.1.0');
});

test('a lost answer to the acknowledgement does not lose the command', async () => {
  room.discord.failNext('callback', { kind: 'http', status: 502, stored: true });
  alice().uses('ct list');
  await room.discord.shows('ops', 'echo ct list');
  expect(room.desk.handled).toEqual(['ct list']);
});

test('a command whose acknowledgement Discord refused does not run: the person was told that it failed', async () => {
  room.discord.failNext('callback', { kind: 'error', error: 'Unknown interaction' });
  alice().uses('ct list');
  await room.discord.waitFor(() => room.events.some((event) => event.level === 'warn'));
  expect(room.desk.asks).toEqual([]);
  expect(JSON.stringify(room.events)).not.toContain('aW50ZXJhY3Rpb24');
});

test('a replayed interaction is neither handled nor answered again', async () => {
  const { interaction } = alice().uses('ct list');
  await room.discord.shows('ops', 'echo ct list');
  room.discord.world.dispatch('INTERACTION_CREATE', interaction.payload);
  alice().uses('quorum');
  await room.discord.shows('ops', 'echo quorum');
  expect(room.discord.calls('callback')).toHaveLength(2);
  expect(room.desk.asks).toHaveLength(2);
});

test('people in another server get nothing done', async () => {
  const forged = alice().uses('ct list').interaction;
  await room.discord.shows('ops', 'echo ct list');
  const payload = { ...forged.payload, id: room.discord.world.newId(), guild_id: room.discord.world.newId() };
  const fresh = { ...forged, id: payload.id, answered: undefined, token: 'bmV3.other', at: room.discord.clock.now() };
  room.discord.world.interactions.set('bmV3.other', fresh);
  room.discord.world.dispatch('INTERACTION_CREATE', { ...payload, token: 'bmV3.other' });
  await room.discord.shows('ops', 'another Discord server', { as: alice().id });
  expect(room.desk.asks).toHaveLength(1);
});

test('a command asked in a thread is answered there, and its channel is the parent', async () => {
  const root = await room.chat.post(room.place, plain('FAILOVER ovh2'), 'incident-1', false);
  const thread = { ...room.place, thread: root.message };
  await room.chat.post(thread, plain('Fenced'), 'incident-1/1', false);
  alice().uses('ct list', {}, { channel: root.message });
  await room.discord.shows(root.message, 'echo ct list');
  expect(room.desk.asks[0]?.place).toEqual(thread);
});

test('a form that comes too late to be opened asks to press again, and nothing is done', async () => {
  let answer: (prompt: { title: string; label: string }) => void = () => {};
  room.desk.prompt = () => new Promise((resolve) => (answer = resolve));
  await room.chat.post(room.place, { ...plain('Destroy?'), actions: [{ ref: 'd1', label: 'Destroy' }] }, 'k', false);
  alice().clicks(room.discord.messages('ops')[0]!, 'Destroy');
  await room.discord.waitFor(() => room.discord.calls('callback').length > 0, 'an answer in time');
  answer({ title: 'Destroy CT 103', label: 'Type the vmid again' });
  await room.discord.shows('ops', 'press again', { as: alice().id });
  expect(room.desk.clicks).toEqual([]);
});

test('completion that fails offers nothing and holds nobody up', async () => {
  room.desk.complete = async () => {
    throw new Error('no cluster');
  };
  expect(await alice().types('ct show', { vmid: '1' })).toEqual([]);
  room.desk.complete = () => new Promise(() => {});
  expect(await alice().types('ct show', { vmid: '1' })).toEqual([]);
});

test('completion never offers more than 25 values, nor one that would have to be cut', async () => {
  const values = ['x'.repeat(101), '', ...Array.from({ length: 30 }, (_, at) => `guest-${at}`)];
  room.desk.complete = async () => values.map((value) => ({ label: `${value} \u202E @everyone`, value }));
  const offered = await alice().types('ct show', { vmid: 'g' });
  expect(offered).toHaveLength(23);
  expect(offered[0]).toMatchObject({ name: expect.stringContaining('\\u{202E}'), value: 'guest-0' });
});

test('a desk that breaks does not break the next command', async () => {
  const { command } = room.desk;
  room.desk.command = async () => {
    throw new Error('a bug');
  };
  alice().uses('ct list');
  await room.discord.waitFor(() => room.events.some((event) => event.level === 'warn'));
  expect(room.events.at(-1)).toMatchObject({
    reason: 'a mistake in the bot (Error)',
    stack: expect.stringContaining('a bug'),
  });
  room.desk.command = command;
  alice().uses('quorum');
  await room.discord.shows('ops', 'echo quorum');
});

test('stopping waits for the answers that are on their way', async () => {
  let finish: (() => void) | undefined;
  room.desk.command = async (ask) => {
    await new Promise<void>((resolve) => (finish = resolve));
    await ask.reply(plain('The last answer'));
  };
  alice().uses('ct list');
  await room.discord.waitFor(() => finish, 'a command under way');
  const stopped = room.chat.stop();
  finish?.();
  await stopped;
  expect(shownTo()).toEqual(['The last answer']);
});
