import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandView, promptView } from '../../adapters/slack/forms.ts';
import { hostileTexts } from '../cards.ts';
import { checkView } from '../oracles/slack-blocks.ts';
import { NODES, type ScriptedDesk, scriptedDesk } from './desk.ts';
import { type SlackDriver, slackDriver } from './slack-driver.ts';

describe('forms, buttons and the home tab', () => {
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
  const alice = () => driver.slack.user('U000ALICE');
  const asks = async (text: string) => await alice().says(`/pve ${text}`).view();

  test('a command without its required options opens a form with what was typed', async () => {
    const view = await asks('ct create node:ovh3');
    const shown = driver.slack.visibleText(view);
    expect(shown).toContain('ct create');
    expect(shown).toContain('The hostname to use');
    expect(shown).toContain('ovh3');
    expect(desk.asks).toEqual([]);
  });

  test('a filled form becomes one command with its options, answered where it was asked', async () => {
    const view = await asks('ct create node:ovh3');
    await alice().submits(view, { hostname: ' robotoff ', node: 'ovh2', start: 'no' });
    await driver.until(() => driver.seen('bob').some((text) => text.includes('hostname:robotoff')));
    expect(desk.asks[0]).toMatchObject({
      input: { command: 'ct create', options: { hostname: 'robotoff', node: 'ovh2', start: 'no' } },
      actor: { id: 'U000ALICE' },
      place: { channel: 'C000OPS' },
    });
  });

  test('a private answer to a form is seen only by the person who filled it', async () => {
    desk.answers.set('ct create', { title: 'refused', tone: 'bad', private: true });
    await alice().submits(await asks('ct create'), { hostname: 'a', node: 'ovh1' });
    await driver.until(() => driver.seen('alice').some((text) => text.includes('refused')));
    expect(driver.seen('bob').join()).not.toContain('refused');
  });

  test('blanks in a required field are sent back with what to do', async () => {
    const sent = await alice().submits(await asks('ct create'), { hostname: '   ', node: 'ovh1' });
    await driver.until(() => Object.keys(sent.errors).length > 0);
    expect(sent.errors).toEqual({ 'field-hostname': 'Fill in hostname' });
    expect(desk.asks).toEqual([]);
  });

  test('completion knows the other fields and the person, and a desk that fails offers nothing', async () => {
    const view = await asks('ct create hostname:robotoff');
    expect((await alice().suggests(view, 'field-node', '')).map(({ value }) => value)).toEqual(NODES);
    expect(desk.completions[0]).toMatchObject({
      actor: { id: 'U000ALICE' },
      place: { channel: 'C000OPS' },
      options: { hostname: 'robotoff' },
      limit: 100,
    });
    desk.complete = () => Promise.reject(new Error('no cluster'));
    expect(await alice().suggests(view, 'field-node', 'o')).toEqual([]);
    expect(driver.log.some(({ says }) => says === 'completion failed')).toBe(true);
  });

  test('values that Slack cannot carry are left out, and hundreds are cut', async () => {
    const long = { label: 'too long', value: 'v'.repeat(76) };
    const many = Array.from({ length: 300 }, (_, index) => ({
      label: `l${index % 200}`.repeat(40),
      value: `v${index % 200}`,
    }));
    desk.complete = async () => [long, { label: '', value: 'empty label' }, ...many];
    const offered = await alice().suggests(await asks('ct create'), 'field-node', '');
    expect(offered).toHaveLength(100);
    expect(offered.map(({ value }) => value)).not.toContain(long.value);
  });

  test('when Slack does not open the form the command runs as typed and says what is missing', async () => {
    driver.slack.failNext('views.open', { kind: 'error', error: 'expired_trigger_id' });
    await driver.says('alice', 'ct create');
    await driver.until(() => desk.handled.includes('ct create'));
  });

  test('text arrives as typed although Slack encodes it', async () => {
    await driver.says('alice', 'ct list <b> & "q"');
    await driver.until(() => desk.asks.length === 1);
    expect(desk.asks[0]?.input).toEqual({ text: 'ct list <b> & "q"' });
  });

  test('in a thread a mention is a command, answered in that thread', async () => {
    const posted = await driver.chat.post(driver.place, { title: 'FAILOVER', tone: 'bad' }, 'incident', false);
    alice().says('ct list', { channel: 'C000OPS', threadTs: posted.message });
    await driver.until(() => driver.seen('bob').some((text) => text.includes('echo ct list')));
    expect(desk.asks[0]?.place).toEqual({ platform: 'slack', channel: 'C000OPS', thread: posted.message });
    expect(driver.slack.messages('C000OPS', { threadTs: posted.message }).map((one) => one.user)).toContain(
      driver.slack.botUser,
    );
  });

  test('in a direct message no mention is needed, and what the app itself said is no command', async () => {
    const { slack } = driver;
    const message = (event_id: string, event: object) =>
      slack.sockets.send(
        {
          id: event_id,
          kind: 'events_api',
          payload: {
            type: 'event_callback',
            team_id: slack.teamId,
            event_id,
            event: { type: 'message', channel: 'DU000ALICE', channel_type: 'im', ts: '1.1', ...event },
          },
          attempts: [],
          acks: [],
          done: new Promise(() => undefined),
        },
        0,
      );
    message('Ev1', { user: slack.botUser, bot_id: 'B000000001', text: 'ct list' });
    message('Ev2', { user: 'U000ALICE', subtype: 'message_changed', text: 'ct list' });
    message('Ev3', { user: 'U000ALICE', text: 'quorum' });
    await driver.until(() =>
      slack.messages('DU000ALICE').some((one) => slack.visibleText(one).includes('echo quorum')),
    );
    expect(desk.handled).toEqual(['quorum']);
  });

  test('the home tab shows what I may do, and its buttons answer in the direct message', async () => {
    desk.homeCards = [
      { title: 'Waits for you', tone: 'warning', actions: [{ ref: 'home1', label: 'Approve' }] },
      { title: 'You may', tone: 'plain', lines: ['/pve ct list'] },
    ];
    desk.clickAnswers.set('home1', { title: 'Approved', tone: 'good', private: true });
    alice().opensHome();
    const home = await driver.slack.waitFor(() => driver.slack.home('U000ALICE'));
    expect(driver.slack.visibleText(home)).toContain('/pve ct list');
    desk.homeCards = [{ title: 'Nothing waits', tone: 'good' }];
    alice().clicks(home, 'Approve');
    await driver.until(() =>
      driver.slack.messages('DU000ALICE').some((one) => driver.slack.visibleText(one).includes('Approved')),
    );
    await driver.until(() => driver.slack.visibleText(driver.slack.home('U000ALICE')!).includes('Nothing waits'));
  });

  test('a form that does not open for a button says to press again', async () => {
    desk.prompts.set('d1', { title: 'Destroy', label: 'Vmid' });
    const card = {
      title: 'DESTROY',
      tone: 'bad',
      actions: [{ ref: 'd1', label: 'Destroy', style: 'danger' }],
    } as const;
    await driver.chat.post(driver.place, card, 'request', false);
    driver.slack.failNext('views.open', { kind: 'error', error: 'expired_trigger_id' });
    await driver.clicks('alice', 'Destroy');
    await driver.until(() => driver.seen('alice').some((text) => text.includes('Press the button again')));
    expect(desk.clicks).toEqual([]);
  });

  test.each(Object.entries(hostileTexts))('hostile text in a form stays within the limits of Slack: %s', (_, text) => {
    const memory = { channel: 'C1', responseUrl: `https://hooks.example/${'x'.repeat(4000)}` };
    expect(checkView(promptView({ title: text, label: text, hint: text }, memory)).problems).toEqual([]);
    const field = { name: 'node', summary: text, required: true, completes: true, value: text };
    const fields = [field, { ...field, name: 'b', completes: false }, { ...field, name: 'c', choices: [text, 'x'] }];
    expect(checkView(commandView({ command: 'ct create', title: text, fields }, memory)).problems).toEqual([]);
  });
});
