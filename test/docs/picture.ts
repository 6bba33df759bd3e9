import { chromium } from 'playwright-core';
import { startDemo } from '../../src/main-demo.ts';

/**
 * Takes the picture in README.md anew: `node test/docs/picture.ts`. The real demo, at the moment when Alice has asked
 * for a container and Oscar is about to approve it. Needs Debian's chromium.
 */
const demo = await startDemo();
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
});
try {
  const context = await browser.newContext({ viewport: { width: 1180, height: 660 }, colorScheme: 'light' });
  const page = await context.newPage();
  await page.goto(demo.url);
  await page.locator('#line').fill('ct create hostname:hello node:ovh1');
  await page.keyboard.press('Enter');
  const card = page.locator('.card', { hasText: 'Create CT 100 hello' });
  await card.locator('.action', { hasText: 'Approve' }).waitFor();
  await page.locator('#people label', { hasText: 'Oscar' }).click();
  await card.locator('.action', { hasText: 'Approve' }).hover();
  await page.locator('#link[data-state=open]').waitFor({ state: 'attached' });
  await page.screenshot({ path: new URL('web-chat.png', import.meta.url).pathname, animations: 'disabled' });
} finally {
  await browser.close();
  await demo.stop();
}
