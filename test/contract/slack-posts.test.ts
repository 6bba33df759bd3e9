import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Card } from '../../src/contracts/card.ts';
import type { Place } from '../../src/contracts/chat.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { cards } from '../cards.ts';
import { type ScriptedDesk, scriptedDesk } from './desk.ts';
import { type SlackDriver, slackDriver } from './slack-driver.ts';

const card = (title: string): Card => ({ title, tone: 'plain' });
const failureOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (one: unknown) => one,
  );
  expect(error).toBeInstanceOf(Failed);
  return (error as Failed).failure;
};

describe('posts, edits and groups', () => {
  let driver: SlackDriver;
  let desk: ScriptedDesk;

  beforeEach(async () => {
    driver = await slackDriver('socket');
    desk = scriptedDesk();
    await driver.chat.start(desk);
  });
  afterEach(async () => {
    await driver.chat.stop();
    await driver.close();
  });
  const outside: Place = { platform: 'slack', channel: 'C000PRIVATE' };

  test.each([
    ['a reset', { kind: 'reset', stored: true }],
    ['a 502', { kind: 'http', status: 502, stored: true }],
    ['an error after which it may have happened', { kind: 'error', error: 'fatal_error' }],
  ] as const)('%s leaves it unknown whether a message was posted, and is not repeated', async (_, fault) => {
    driver.slack.failNext('chat.postMessage', fault);
    expect(await failureOf(driver.chat.post(driver.place, card('once'), 'k', false))).toMatchObject({
      sent: 'unknown',
    });
    expect(driver.slack.calls('chat.postMessage')).toHaveLength(1);
    await driver.chat.post(driver.place, card('once'), 'k', true);
    expect(driver.posts('k')).toBe(1);
  });

  test('a refusal is certain, named, and says what to do', async () => {
    const failed = await failureOf(driver.chat.post(outside, card('x'), 'k', false));
    expect(failed).toMatchObject({ sent: 'refused', kind: 'refused' });
    expect(failed.why).toContain('channel_not_found');
    expect(failed.next).toContain('invite');
  });

  test('a lost message is found among hundreds of others, in threads too', async () => {
    const parent = await driver.chat.post(driver.place, card('incident'), 'parent', false);
    const thread: Place = { ...driver.place, thread: parent.message };
    for (const place of [driver.place, thread]) {
      driver.slack.failNext('chat.postMessage', { kind: 'reset', stored: true });
      const key = `lost-${place.thread ?? 'channel'}`;
      await failureOf(driver.chat.post(place, card('lost'), key, false));
      for (let number = 0; number < 250; number++)
        await driver.chat.post(place, card(`n${number}`), `${key}-${number}`, false);
      const posted = await driver.chat.post(place, card('lost'), key, true);
      expect(posted.thread).toBe(place.thread);
      expect(driver.posts(key)).toBe(1);
      await driver.chat.update(posted, card(`found ${key}`));
      await driver.until(() => driver.seen('bob').some((text) => text.includes(`found ${key}`)));
    }
  });

  test('nothing is posted again while the channel cannot be read', async () => {
    driver.slack.failNext('conversations.history', { kind: 'error', error: 'missing_scope' });
    expect(await failureOf(driver.chat.post(driver.place, card('x'), 'k', true))).toMatchObject({
      kind: 'in-doubt',
      sent: 'unknown',
    });
    expect(driver.posts('k')).toBe(0);
  });

  test('one key asked for twice at the same moment is one message', async () => {
    const [one, two] = await Promise.all([1, 2].map(() => driver.chat.post(driver.place, card('x'), 'same', false)));
    expect(one).toEqual(two);
    expect(driver.posts('same')).toBe(1);
  });

  test('many edits become few, and what people see in the end is the last', async () => {
    const posted = await driver.chat.post(driver.place, card('0'), 'run', false);
    const edits = Array.from({ length: 100 }, (_, number) => driver.chat.update(posted, card(`step ${number + 1}`)));
    await Promise.all(edits);
    expect(driver.slack.calls('chat.update').length).toBeLessThan(5);
    expect(driver.seen('bob')).toEqual(['step 100']);
  });

  test('an edit outlives 429s and lost answers', async () => {
    const posted = await driver.chat.post(driver.place, card('0'), 'run', false);
    driver.slack.failNext('chat.update', { kind: 'rate-limited', retryAfter: 1 }, { kind: 'reset', stored: false });
    const first = driver.chat.update(posted, card('first'));
    await driver.until(() => driver.slack.calls('chat.update').length === 1);
    await Promise.all([first, driver.chat.update(posted, card('last'))]);
    expect(driver.seen('bob')).toEqual(['last']);
  });

  test('an edit of a message that is gone fails for good', async () => {
    const gone = { platform: 'slack', channel: 'C000OPS', message: '1.000001' } as const;
    expect(await failureOf(driver.chat.update(gone, card('x')))).toMatchObject({ sent: 'refused' });
  });

  test('where the app is no member the person is answered all the same and told how to invite it', async () => {
    driver.slack.failNext('chat.postMessage', { kind: 'error', error: 'not_in_channel' });
    await driver.says('alice', 'ct list');
    await driver.until(() => driver.seen('bob').some((text) => text.includes('echo ct list')));
    expect(driver.seen('bob').join()).toContain('/invite @bascule');
    desk.answers.set('ct list', cards.create);
    driver.slack.failNext('chat.postMessage', { kind: 'error', error: 'not_in_channel' });
    await driver.says('alice', 'ct list');
    await driver.until(() => driver.seen('alice').some((text) => text.includes('CREATE CT 112')));
    expect(driver.seen('bob').join()).not.toContain('CREATE CT 112');
  });

  test('a response address that is used up is replaced by another way to the person', async () => {
    driver.slack.failNext('response_url', { kind: 'http', status: 404, stored: false });
    await driver.says('alice', 'whoami');
    await driver.until(() => driver.seen('alice').some((text) => text.includes('echo whoami')));
    expect(driver.seen('bob')).toEqual([]);
  });

  test('a private answer whose fate is unknown is not shown twice', async () => {
    driver.slack.failNext('response_url', { kind: 'http', status: 502, stored: true });
    await driver.says('alice', 'whoami');
    await driver.until(() => driver.log.some(({ says }) => says.includes('not handled')));
    expect(driver.seen('alice')).toHaveLength(1);
  });

  test('group membership is looked up once for all who ask, and told per person', async () => {
    driver.slack.group('S000SRE', ['U000ALICE']);
    driver.slack.group('S000DBA', ['U000ALICE', 'U0000BOB']);
    const groups = ['S000SRE', 'S000DBA'];
    const [alice, bob] = await Promise.all(['U000ALICE', 'U0000BOB'].map((id) => driver.chat.groupsOf(id, groups)));
    expect(alice).toEqual(groups);
    expect(bob).toEqual(['S000DBA']);
    expect(driver.slack.calls('usergroups.users.list')).toHaveLength(2);
  });

  test('a membership that cannot be known is a failure, never an answer', async () => {
    driver.slack.group('S000SRE', ['U000ALICE']);
    const ask = () => failureOf(driver.chat.groupsOf('U000ALICE', ['S000SRE']));
    driver.slack.failNext('usergroups.users.list', { kind: 'error', error: 'plan_upgrade_required' });
    expect((await ask()).why).toContain('plan_upgrade_required');
    driver.slack.failNext('usergroups.users.list', { kind: 'rate-limited', retryAfter: 30 });
    expect(await ask()).toMatchObject({ status: 429 });
    const before = driver.slack.calls('usergroups.users.list').length;
    expect(await ask()).toMatchObject({ status: 429 });
    expect(driver.slack.calls('usergroups.users.list')).toHaveLength(before);
  });
});
