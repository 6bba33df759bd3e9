import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { root } from '../docs/write.ts';
import { until } from './stage.ts';

/** The newcomer's walk: `npm start`, a browser, and nothing else. */
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
if (!CHROMIUM) console.log('no Chromium is installed (apt-get install chromium): the walk through the demo is skipped');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PROBES = join(import.meta.dirname, 'browser-probes.js');
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

describe.skipIf(!CHROMIUM)('the demo', () => {
  let browser: Browser;
  let npm: ChildProcess;
  let printed: string[];
  let url: string;
  /** What no page may ever do: break its policy, fail in a script, open a box, ask another server. */
  let wrong: string[];
  let windows: Page[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: FLAGS });
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    [wrong, windows, printed] = [[], [], []];
    // A group of its own, so that the bot ends with npm.
    npm = spawn('npm', ['start'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let text = '';
    for (const stream of [npm.stdout!, npm.stderr!]) {
      stream.setEncoding('utf8').on('data', (more: string) => {
        text += more;
        // npm's own banner, and what it has to say about the machine's npm settings, are not ours.
        printed = text.split('\n').filter((line) => line.trim() !== '' && !/^(> |npm (warn|notice))/.test(line));
      });
    }
    url = await until('npm start prints an address', () => /http:\/\/127\.0\.0\.1:\d+\/(?=\s)/.exec(text)?.[0]);
  });
  afterEach(async () => {
    for (const page of windows) await page.context().close();
    const ended = new Promise((done) => npm.once('close', done));
    if (npm.exitCode === null) {
      process.kill(-npm.pid!, 'SIGTERM');
      await ended;
    }
    expect(printed, 'one line with the address, and no complaint').toHaveLength(1);
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
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) wrong.push(`asked ${request.url()}`);
    });
    await page.addInitScript({ path: PROBES });
    await page.goto(url);
    await page.locator('#link[data-state=open]').waitFor({ state: 'attached' });
    return page;
  }

  const say = async (page: Page, text: string) => {
    await page.locator('#line').fill(text);
    await page.keyboard.press('Enter');
  };
  const card = (page: Page, ...parts: string[]) =>
    parts.reduce((found, hasText) => found.filter({ hasText }), page.locator('.card:visible')).last();
  const shows = async (page: Page, ...parts: string[]) => {
    await card(page, ...parts).waitFor();
    return (await card(page, ...parts).innerText()).replaceAll('\n', ' ');
  };
  const become = (page: Page, name: string) => page.locator('#people label', { hasText: name }).click();
  const press = (page: Page, holds: string, label: string) =>
    card(page, holds).locator('.action', { hasText: label }).click();
  const sideways = (page: Page) =>
    page.evaluate(() => (globalThis as unknown as { probes: { overflow(): number } }).probes.overflow());

  test('a newcomer creates a container, approves it as somebody else, pulls a plug and sees who is missing', async () => {
    const page = await open();
    expect(await page.locator('#people label').allInnerTexts()).toHaveLength(4);

    await say(page, 'ct create hostname:hello node:ovh1');
    const plan = await shows(page, 'Create CT 100 hello on ovh1', 'Approve');
    for (const told of ['10.1.0.100/24', 'unprivileged', 'local-zfs', 'Replicate ovh3', '0 of 1 approval'])
      expect(plan).toContain(told);

    await press(page, 'Create CT 100', 'Approve');
    await shows(page, 'someone else has to approve it');

    await become(page, 'Vera');
    await press(page, 'Create CT 100', 'Approve');
    await shows(page, 'not allowed', 'No policy permits');

    await become(page, 'Oscar');
    await press(page, 'Create CT 100', 'Approve');
    await page.locator('.card:visible progress, .card:visible [role=progressbar]').first().waitFor();
    const result = await shows(page, 'CT 100 hello runs on ovh1');
    expect(result).toContain('asked by Alice');
    expect(result).toContain('approved by Oscar');
    expect(await page.locator('.action:visible', { hasText: 'Approve' }).count()).toBe(0);

    await say(page, 'ct list');
    await shows(page, 'hello', 'running');

    await say(page, 'quorum');
    expect(await shows(page, 'QUORATE 4/4')).toContain('1 more may fail');

    await page.getByRole('switch', { name: 'ovh2' }).click();
    await page.locator('[data-switch=ovh2][aria-checked=false]').waitFor();
    await say(page, 'quorum');
    const cut = await shows(page, 'QUORATE 3/4');
    expect(cut).toMatch(/Down: ovh2/);
    expect(cut).toMatch(/Spare: 0/);

    await page.getByRole('switch', { name: 'ovh3' }).click();
    await page.locator('[data-switch=ovh3][aria-checked=false]').waitFor();
    await say(page, 'quorum');
    expect(await shows(page, 'NO QUORUM 2/4')).toMatch(/Down: ovh2 ovh3/);
    await say(page, 'ct start 115');
    await shows(page, 'CT 115', 'was not started');
  });

  test('the guide alone leads through it', async () => {
    const page = await open();
    const steps = page.locator('#guide button');
    await expect.poll(() => steps.count()).toBe(5);
    await steps.nth(0).click();
    await page.keyboard.press('Enter');
    await shows(page, 'Create CT 100', 'Approve');
    await steps.nth(1).click();
    await page.keyboard.press('Enter');
    await shows(page, 'CT 100 hello runs on ovh1');
    await steps.nth(2).click();
    await page.keyboard.press('Enter');
    await shows(page, 'QUORATE 4/4');
    await steps.nth(3).click();
    await page.keyboard.press('Space');
    await page.locator('[data-switch=ovh1][aria-checked=false]').waitFor();
    await steps.nth(4).click();
    await page.keyboard.press('Enter');
    await shows(page, 'QUORATE 3/4', 'Down: ovh1');
    await expect.poll(() => page.locator('#guide li[data-state=done]').count()).toBe(5);
  });

  test('on a phone everything is in reach and nothing sticks out to the side', async () => {
    const page = await open(PHONE);
    await say(page, 'ct create hostname:pocket node:ovh2');
    await shows(page, 'Create CT 100 pocket', 'Approve');
    expect(await sideways(page)).toBe(0);
    await become(page, 'Nina');
    await card(page, 'Create CT 100 pocket').locator('.action', { hasText: 'Approve' }).tap();
    await shows(page, 'CT 100 pocket runs on ovh2');
    for (const [line, shown] of [
      ['ct list', 'metabase'],
      ['node list', 'ovh4'],
      ['replication list', '100-0'],
      ['cluster status', 'ovh1'],
      ['help', 'What Nina may ask for'],
      ['whoami', 'You are Nina'],
      ['quorum', 'QUORATE'],
    ] as const) {
      await say(page, line);
      await shows(page, shown);
      expect(await sideways(page), line).toBe(0);
    }
    await page.locator('#panel-toggle').click();
    await page.getByRole('switch', { name: 'ovh4' }).tap();
    await page.locator('[data-switch=ovh4][aria-checked=false]').waitFor();
    expect(await sideways(page)).toBe(0);
    await page.locator('#panel-close').click();
    await say(page, 'quorum');
    await shows(page, 'QUORATE 3/4', 'Down: ovh4');
  });
});
