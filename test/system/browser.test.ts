import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startDemo } from '../../src/main-demo.ts';
import { cards, hostile, hostileTexts } from '../cards.ts';
import { createScriptedDemo, type ScriptedDemo } from '../scripted-web-demo.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
if (!CHROMIUM) console.log('no Chromium is installed (apt-get install chromium): the browser tests are skipped');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PROBES = new URL('browser-probes.js', import.meta.url).pathname;
/** Asks one of browser-probes.js inside the page. */
const probe = <T>(page: Page, name: string): Promise<T> =>
  page.evaluate((key) => (globalThis as unknown as { probes: Record<string, () => T> }).probes[key]?.() as T, name);

const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const SMALL_PHONE = { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true };

describe.skipIf(!CHROMIUM)('the chat page in Chromium', () => {
  let browser: Browser;
  let demo: ScriptedDemo;
  /** What no page may ever do: break the policy, fail in a script, open a box, ask another server. */
  let wrong: string[];
  let windows: Page[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: FLAGS });
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    wrong = [];
    windows = [];
    demo = createScriptedDemo();
    await demo.web.start(demo.desk);
  });
  afterEach(async () => {
    for (const page of windows) await page.context().close();
    await demo.web.stop();
    expect(wrong).toEqual([]);
  });

  async function open(options: BrowserContextOptions = DESKTOP): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    windows.push(page);
    page.on('pageerror', (error) => wrong.push(`script: ${error.message}`));
    page.on('console', (line) => line.type() === 'error' && wrong.push(`console: ${line.text()}`));
    page.on('dialog', (dialog) => {
      wrong.push(`a box opened: ${dialog.message()}`);
      void dialog.dismiss();
    });
    const home = demo.web.url;
    page.on('request', (request) => {
      if (!request.url().startsWith(home)) wrong.push(`asked ${request.url()}`);
    });
    await page.addInitScript({ path: PROBES });
    await page.goto(demo.web.url);
    await page.locator('#link[data-state=open]').waitFor({ state: 'attached' });
    return page;
  }

  const keys = async (page: Page, ...pressed: string[]) => {
    for (const key of pressed) await page.keyboard.press(key);
  };
  const say = async (page: Page, text: string) => {
    await page.locator('#line').fill(text);
    await keys(page, 'Enter');
  };
  const shows = (page: Page, text: string) => page.locator('.message:visible', { hasText: text }).last().waitFor();
  const count = (page: Page, text: string) => page.locator('.message:visible', { hasText: text }).count();
  const focused = (page: Page) => probe<string>(page, 'focusedText');
  const offered = (page: Page, text: string) => page.locator('#choices > div', { hasText: text }).first().waitFor();

  test('a container is asked for and approved with the keyboard alone', async () => {
    const page = await open();
    await page.keyboard.type('ct cr');
    await offered(page, 'ct create');
    await keys(page, 'Tab');
    await page.keyboard.type('host');
    await offered(page, 'hostname:');
    await keys(page, 'Tab');
    await page.keyboard.type('robotoff no');
    await offered(page, 'node:');
    await keys(page, 'Tab');
    await offered(page, 'ovh3');
    await keys(page, 'ArrowDown', 'ArrowDown', 'ArrowDown', 'Enter');
    expect(await page.locator('#line').inputValue()).toBe('ct create hostname:robotoff node:ovh3 ');
    await keys(page, 'Enter');
    await shows(page, 'CREATE CT 112 robotoff on ovh3');

    await keys(page, 'Shift+Tab', 'Shift+Tab');
    expect(await focused(page)).toBe('Approve');
    await keys(page, 'Enter');
    await shows(page, 'Someone else has to approve this');

    await keys(page, 'Escape', 'Alt+2');
    expect(await page.locator('#people input:checked + label').textContent()).toContain('Anton');
    await shows(page, 'CREATE CT 112 robotoff on ovh3');
    expect(await count(page, 'Someone else has to approve this')).toBe(0);
    expect(await probe<string>(page, 'focusedId')).toBe('line');
    await keys(page, 'Shift+Tab', 'Shift+Tab', 'Enter');
    await shows(page, 'CT 112 robotoff runs on ovh3');
    expect(demo.clicks.map(({ actor }) => actor.id)).toEqual(['olga', 'anton']);
    // The button is gone; the keyboard is still on its card and finds home by Escape.
    await expect.poll(() => focused(page)).toContain('CT 112 robotoff runs');
    await keys(page, 'Escape');
    expect(await probe<string>(page, 'focusedId')).toBe('line');
  });

  test('the arrow brings back what was typed, and Escape closes the list before anything else', async () => {
    const page = await open();
    await say(page, 'quorum');
    await shows(page, 'QUORATE 4/4');
    await say(page, 'ct list');
    await keys(page, 'ArrowUp', 'ArrowUp');
    expect(await page.locator('#line').inputValue()).toBe('quorum');
    await keys(page, 'ArrowDown', 'ArrowDown');
    expect(await page.locator('#line').inputValue()).toBe('');
    await page.keyboard.type('ct');
    await offered(page, 'ct list');
    await keys(page, 'Escape');
    await page.locator('#choices').waitFor({ state: 'hidden' });
    expect(await page.locator('#line').inputValue()).toBe('ct');
  });

  test('a line that lacks something opens a form, filled and sent by keyboard', async () => {
    const page = await open();
    await say(page, '/pve ct create hostname:wiki');
    await page.locator('#dialog[open]').waitFor();
    await page.keyboard.type('ovh2');
    await keys(page, 'Enter');
    await shows(page, 'CREATE CT 112 wiki on ovh2');
    expect(demo.asks[0]?.input).toEqual({ command: 'ct create', options: { hostname: 'wiki', node: 'ovh2' } });
    expect(await probe<string>(page, 'focusedId')).toBe('line');
  });

  test('a form that is closed sends nothing and keeps the line', async () => {
    const page = await open();
    await say(page, 'ct create');
    await page.locator('#dialog[open]').waitFor();
    await keys(page, 'Escape');
    await expect.poll(() => page.locator('#line').inputValue()).toBe('ct create');
    expect(demo.asks).toEqual([]);
  });

  test('a dangerous button asks first, and sends what was typed', async () => {
    const page = await open();
    await say(page, 'ct destroy vmid:103');
    await page.locator('.action', { hasText: 'Destroy' }).click();
    await page.getByLabel('Type the vmid again').fill('103');
    await keys(page, 'Enter');
    await shows(page, 'You typed 103');
    expect(demo.clicks).toMatchObject([{ ref: 'd1', typed: '103', place: { platform: 'web', channel: 'ops' } }]);
  });

  test.each(Object.keys(hostile))('hostile text is shown as text and does nothing: %s', async (name) => {
    const page = await open();
    await say(page, `hostile name:${name}`);
    const card = page.locator('.card').last();
    await card.locator('.actions').waitFor();
    const made = await probe<string[]>(page, 'tagsOfLastCard');
    const known = 'H3 SPAN UL LI DL DIV DT DD PROGRESS P TABLE THEAD TBODY TR TH TD PRE CODE BUTTON'.split(' ');
    expect(made.filter((tag) => !known.includes(tag))).toEqual([]);
    const shown = await card.locator('.lines li').first().textContent();
    if (name === 'html') expect(shown).toBe(hostileTexts.html);
    expect(shown).not.toMatch(/[\u202A-\u202E\u2066-\u2069\u200B]/);
  });

  test('what a person types is text too', async () => {
    const page = await open();
    await say(page, hostileTexts.html);
    await shows(page, `You typed: ${hostileTexts.html}`);
    expect(await page.locator('.said').last().textContent()).toContain(hostileTexts.html);
  });

  test.each([
    ['390', PHONE],
    ['320', SMALL_PHONE],
  ])('on a phone of %s pixels nothing sticks out to the side', async (_, phone) => {
    const page = await open(phone);
    const over = () => probe<number>(page, 'overflow');
    for (const name of ['html', 'long', 'longEmoji', 'zalgo', 'slackMentions']) await say(page, `hostile name:${name}`);
    for (const text of ['ct list', 'ct create hostname:robotoff node:ovh1', 'help', 'whoami']) await say(page, text);
    await shows(page, 'You are Olga');
    expect(await over()).toBe(0);
    expect(await probe(page, 'stickingOut')).toEqual([]);
    await page.locator('#line').fill('ct ');
    await offered(page, 'ct create');
    expect(await over()).toBe(0);
    await page.locator('#panel-toggle').click();
    await page.getByRole('switch').first().waitFor();
    expect(await over()).toBe(0);
    await page.locator('#panel-close').click();
    await say(page, 'ct create');
    await page.locator('#dialog[open]').waitFor();
    expect(await over()).toBe(0);
  });

  test('what happens in one window is seen in another at once, private answers are not', async () => {
    const [olga, anton] = [await open(), await open(PHONE)];
    await anton.locator('#people label', { hasText: 'Anton' }).click();
    await say(olga, 'whoami');
    await shows(olga, 'You are Olga');
    expect(await olga.locator('.message', { hasText: 'You are Olga' }).locator('.only').isVisible()).toBe(true);
    await say(olga, 'ct create hostname:metabase node:ovh1');
    await shows(anton, 'CREATE CT 112 metabase on ovh1');
    await anton.locator('.action', { hasText: 'Approve' }).tap();
    await shows(olga, 'CT 112 metabase runs on ovh1');
    expect(await count(olga, 'CREATE CT 112 metabase')).toBe(0);
    expect(await count(anton, 'You are Olga')).toBe(0);
    expect(await count(anton, 'whoami')).toBe(0);
  });

  test('a pulled plug shows in every window and in the next answer', async () => {
    const [one, other] = [await open(), await open()];
    await one.getByRole('switch', { name: 'ovh2' }).focus();
    await keys(one, 'Space');
    await other.locator('[data-switch=ovh2][aria-checked=false]').waitFor();
    await say(other, 'quorum');
    await shows(one, 'QUORATE 3/4 votes');
    await shows(one, 'No more node may fail');
  });

  test('the guide leads through the demo and ticks off what was done', async () => {
    const page = await open();
    const steps = page.locator('#guide button');
    await steps.nth(0).click();
    expect(await page.locator('#line').inputValue()).toBe('ct create hostname:hello node:ovh1');
    await keys(page, 'Enter');
    await shows(page, 'CREATE CT 112 hello on ovh1');
    await steps.nth(1).click();
    await expect.poll(() => focused(page)).toBe('Approve');
    await keys(page, 'Enter');
    await shows(page, 'CT 112 hello runs on ovh1');
    await steps.nth(2).click();
    await keys(page, 'Enter');
    await shows(page, 'QUORATE 4/4');
    await steps.nth(3).click();
    await keys(page, 'Space');
    await page.locator('[data-switch=ovh1][aria-checked=false]').waitFor();
    await steps.nth(4).click();
    await keys(page, 'Enter');
    await shows(page, 'QUORATE 3/4');
    await expect.poll(() => page.locator('#guide li[data-state=done]').count()).toBe(5);
  });

  test('a thread unfolds as it grows and lies folded for who comes later', async () => {
    const page = await open();
    const parent = await demo.web.post({ platform: 'web', channel: 'ops' }, cards.bare, 'parent', false);
    const inside = { platform: 'web', channel: 'ops', thread: parent.message } as const;
    await demo.web.post(inside, cards.quorum, 'child-1', false);
    await shows(page, cards.quorum.title);
    await demo.web.update(parent, { title: 'edited', tone: 'good' });
    await shows(page, 'edited');
    expect(await count(page, cards.quorum.title)).toBe(2);
    await demo.web.post(inside, cards.backup, 'child-2', false);
    const later = await open();
    await later.locator('summary', { hasText: '2 messages in the thread' }).press('Enter');
    await shows(later, cards.backup.title);
  });

  test('a message of another channel is counted there and shown when one goes to look', async () => {
    const page = await open();
    await demo.web.post({ platform: 'web', channel: 'alerts' }, cards.failover, 'alert-1', false);
    await page.locator('#channels .count', { hasText: '1' }).waitFor();
    expect(await count(page, 'FAILOVER')).toBe(0);
    await page.locator('#channels button', { hasText: 'alerts' }).click();
    await shows(page, 'FAILOVER');
    expect(await page.locator('#channels .count').allTextContents()).toEqual(['', '']);
  });

  test('markup is refused by the browser itself, should a script ever ask for it', async () => {
    const page = await open();
    expect(await probe(page, 'tryMarkup')).toEqual(['TypeError', 'TypeError', 'blocked']);
    expect(wrong.length).toBeGreaterThan(0);
    wrong = [];
  });

  test('when the bot starts anew, the page comes back by itself and a line typed meanwhile arrives once', async () => {
    const page = await open();
    await say(page, 'quorum');
    await shows(page, 'QUORATE 4/4');
    const { port } = new URL(demo.web.url);
    await demo.web.stop();
    await page.locator('#link[data-state=waiting]').waitFor();
    await say(page, 'ct list');
    demo = createScriptedDemo(Number(port));
    demo.plugs.set('ovh4', false);
    await demo.web.start(demo.desk);
    await shows(page, '60 containers');
    await page.locator('#link[data-state=open]').waitFor();
    await page.locator('[data-switch=ovh4][aria-checked=false]').waitFor();
    expect(await count(page, 'QUORATE')).toBe(0);
    expect(demo.asks).toHaveLength(1);
    expect(wrong.filter((line) => !/Failed to load resource|ERR_CONNECTION/.test(line))).toEqual([]);
    wrong = [];
  });

  test('what waits for me opens as a dialog and gives the keyboard back', async () => {
    const page = await open();
    await page.locator('#home').focus();
    await keys(page, 'Enter');
    await page.locator('#dialog .card', { hasText: 'Olga may run' }).waitFor();
    await keys(page, 'Escape');
    await expect.poll(() => probe<string>(page, 'focusedId')).toBe('home');
  });

  test.each(['light', 'dark'] as const)(
    'every text stands out from its ground in the %s scheme',
    async (colorScheme) => {
      const page = await open({ ...DESKTOP, colorScheme, reducedMotion: 'reduce' });
      for (const text of [
        'quorum',
        'ct list',
        'help',
        'ct show vmid:1',
        'ct create hostname:a node:ovh1',
        'whoami',
        'hostile',
      ])
        await say(page, text);
      await shows(page, 'You are Olga');
      await page.locator('#line').fill('ct create ');
      await offered(page, 'hostname:');
      expect(await probe(page, 'faintTexts')).toEqual([]);
    },
  );

  test('everything that can be pressed has a name', async () => {
    const page = await open();
    await say(page, 'ct show vmid:1');
    await say(page, 'ct create hostname:a node:ovh1');
    await shows(page, 'CREATE CT');
    expect(await probe(page, 'nameless')).toEqual([]);
  });
});

describe.skipIf(!CHROMIUM)('the whole demo in Chromium', () => {
  test('a newcomer creates a container, has it approved, pulls a plug and asks for quorum, all with the keyboard', async () => {
    const whole = await startDemo({ taskMs: 100 });
    const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: FLAGS });
    try {
      const page = await (await browser.newContext(DESKTOP)).newPage();
      const wrong: string[] = [];
      page.on('pageerror', (error) => wrong.push(error.message));
      page.on('console', (line) => line.type() === 'error' && wrong.push(line.text()));
      await page.addInitScript({ path: PROBES });
      await page.goto(whole.url);
      await page.locator('#link[data-state=open]').waitFor({ state: 'attached' });
      const shows = (text: string) => page.locator('.card:visible', { hasText: text }).first().waitFor();
      const step = (index: number) => page.locator('#guide button').nth(index).press('Enter');

      await step(0);
      await page.keyboard.press('Enter');
      await shows('0 of 1 approval');
      const [, hostname = ''] = /hostname:(\S+)/.exec((await page.locator('.said').first().textContent()) ?? '') ?? [];
      await step(1);
      await expect.poll(() => probe(page, 'focusedText')).toBe('Approve');
      await page.keyboard.press('Enter');
      await shows(`${hostname} runs on`);
      expect(
        [...whole.simulator.world.state.guests.values()].filter(({ config }) => config.hostname === hostname),
      ).toHaveLength(1);

      await step(2);
      await page.keyboard.press('Enter');
      await shows('QUORATE 4/4');
      await step(3);
      await page.keyboard.press('Space');
      await page.locator('[role=switch][aria-checked=false]').waitFor();
      await step(4);
      await page.keyboard.press('Enter');
      await shows('QUORATE 3/4');
      await expect.poll(() => page.locator('#guide li[data-state=done]').count()).toBe(5);
      expect(wrong).toEqual([]);
    } finally {
      await browser.close();
      await whole.stop();
    }
  });
});
