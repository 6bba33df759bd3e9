import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MenuEntry } from '../../src/contracts/chat.ts';
import { menu } from './desk.ts';

interface Suggestion {
  kind: 'choices' | 'ask';
  from: number;
  choices: { label: string; value: string; required?: boolean }[];
  command: string;
  option: string;
  typed: string;
  options: Record<string, string>;
}

/** The page's own module: plain JavaScript that the browser loads as it is. */
const page: {
  suggest(menu: readonly MenuEntry[], text: string): Suggestion | undefined;
  bare(text: string): string;
  quote(value: string): string;
} = await import(new URL('../../adapters/web/page/suggest.js', import.meta.url).href);

const labels = (text: string) => page.suggest(menu, text)?.choices?.map(({ label }) => label);

describe('completion of the input line', () => {
  test.each([
    ['', ['whoami', 'quorum', 'ct list', 'ct show', 'ct create']],
    ['ct', ['ct list', 'ct show', 'ct create']],
    ['CT  CR', ['ct create']],
    ['create', ['ct create']],
    ['/pve ct s', ['ct show']],
    ['/q', ['quorum']],
    ['xyz', undefined],
    ['whoami', undefined],
    ['ct create ', ['hostname:', 'node:', 'start:']],
    ['ct create node:ovh1 ', ['hostname:', 'start:']],
    ['ct create node:"a b" h', ['hostname:']],
    ['ct create start:', ['yes', 'no']],
    ['ct create start:y', ['yes']],
    ['ct create hostname:', undefined],
  ])('after "%s" come %j', (text, wanted) => {
    expect(labels(text)).toEqual(wanted);
  });

  test('the values of an option are asked for with what else was typed', () => {
    expect(page.suggest(menu, '/pve ct create hostname:"my host" node:ov')).toEqual({
      kind: 'ask',
      from: '/pve ct create hostname:"my host" node:'.length,
      command: 'ct create',
      option: 'node',
      typed: 'ov',
      options: { hostname: 'my host' },
    });
  });

  test('taking a completion keeps what stood before it', () => {
    const text = '/pve ct cr';
    const { from, choices } = page.suggest(menu, text) ?? { from: -1, choices: [] };
    expect(text.slice(0, from) + choices[0]?.value).toBe('/pve ct create ');
  });

  test('no line is too odd, and a completion never points outside of it', () => {
    const words = fc.constantFrom(
      '/pve ',
      'ct',
      ' create',
      ' ',
      'node:',
      'start:',
      '"',
      '\\',
      'ovh1',
      ':',
      '__proto__:x ',
    );
    const lines = fc.array(fc.oneof(words, fc.string({ maxLength: 5 })), { maxLength: 12 }).map((all) => all.join(''));
    fc.assert(
      fc.property(lines, (text) => {
        const found = page.suggest(menu, text);
        if (!found) return;
        expect(found.from).toBeGreaterThanOrEqual(0);
        expect(found.from).toBeLessThanOrEqual(text.length);
        if (found.kind === 'choices') expect(found.choices.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  test('a value that was quoted for the line is read back as it was', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (value) => {
        const line = `ct create hostname:${page.quote(value)} node:`;
        expect(page.suggest(menu, line)?.options).toEqual({ hostname: value });
      }),
      { numRuns: 500 },
    );
  });

  test('only the root command is taken off a line', () => {
    expect(
      ['/pve ct list', '/PVE\tct list', '/ct list', '  ct list', 'pvecm status', '/pvecm status'].map(page.bare),
    ).toEqual(['ct list', 'ct list', 'ct list', 'ct list', 'pvecm status', 'pvecm status']);
  });
});
