import { chromium, type Page } from 'playwright-core';
import { startDemo } from '../../src/main-demo.ts';

/**
 * Takes the pictures in README.md anew: `node test/docs/picture.ts [chat|failover]`, by itself both. The real demo, at
 * the moment when Alice has asked for a container and Oscar is about to approve it, and when a node without power was
 * replaced by the others; HA takes its two minutes for that. Needs Debian's chromium.
 */
const pictures: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  async chat(page) {
    await page.locator('#line').fill('ct create hostname:hello node:ovh1');
    await page.keyboard.press('Enter');
    const card = page.locator('.card', { hasText: 'Create CT 100 hello' });
    await card.locator('.action', { hasText: 'Approve' }).waitFor();
    await page.locator('#people label', { hasText: 'Oscar' }).click();
    await card.locator('.action', { hasText: 'Approve' }).hover();
    await take(page, 'web-chat.png');
  },
  async failover(page) {
    await page.locator('.card', { hasText: 'WATCHING demo' }).waitFor({ timeout: 240_000 });
    await page.locator('#plugs button', { hasText: 'ovh2' }).click();
    const card = page.locator('.card', { hasText: 'FAILOVER ovh2' });
    await card.filter({ hasNotText: 'starting on' }).filter({ hasText: 'RESCUE' }).waitFor({ timeout: 300_000 });
    await card.scrollIntoViewIfNeeded();
    await card.locator('.action').first().hover();
    await take(page, 'failover.png');
  },
};

async function take(page: Page, file: string): Promise<void> {
  await page.locator('#link[data-state=open]').waitFor({ state: 'attached' });
  await page.screenshot({ path: new URL(file, import.meta.url).pathname, animations: 'disabled' });
}

const demo = await startDemo();
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
try {
  const [wanted] = process.argv.slice(2);
  for (const [name, picture] of Object.entries(pictures)) {
    if (wanted !== undefined && wanted !== name) continue;
    const context = await browser.newContext({ viewport: { width: 1180, height: 660 }, colorScheme: 'light' });
    const page = await context.newPage();
    await page.goto(demo.url);
    await picture(page);
    await context.close();
  }
} finally {
  await browser.close();
  await demo.stop();
}
