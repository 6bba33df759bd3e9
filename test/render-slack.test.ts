import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { homeBlocks, renderCard } from '../adapters/slack/render.ts';
import { escapedWithin, typedText } from '../adapters/slack/text.ts';
import type { Card } from '../src/contracts/card.ts';
import { cut, visible } from '../src/contracts/visible.ts';
import { cards, hostile, hostileTexts } from './cards.ts';
import { limitsPresent } from './oracles/limits.ts';
import { checkBlocks, checkView } from './oracles/slack-blocks.ts';
import { liveMarkup, visibleText } from './platforms/slack-text.ts';

if (!limitsPresent) console.log('../shared/chat/limits.json is absent: rendered blocks are not held against it');

const hidden =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u200B\u200C\u200E\u200F\u202A-\u202E\u2060-\u2069\uD800-\uDFFF]/u;

type Json = Record<string, unknown>;
const seen = ({ text, blocks }: ReturnType<typeof renderCard>) =>
  visibleText({ text, blocks: blocks as unknown as Json[] });

function expectSound(card: Card): void {
  const rendered = renderCard(card);
  const { text, blocks } = rendered;
  expect(checkBlocks(blocks)).toEqual({ problems: [], tooLong: false });
  expect(budget(blocks)).toBeLessThanOrEqual(10_000);
  expect(text.length).toBeGreaterThan(0);
  expect(text.length).toBeLessThanOrEqual(4_000);
  expect(JSON.stringify(blocks)).not.toContain('"mrkdwn"');
  expect(liveMarkup({ text, blocks: blocks as unknown as Json[] })).toEqual({ mentions: [], links: [] });
  expect(seen(rendered)).not.toMatch(hidden);
  expect(text).not.toMatch(hidden);
}

/** All text, as Slack seems to count it against its undocumented budget. */
function budget(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum + budget(one), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [key, one]) => sum + (key === 'text' && typeof one === 'string' ? one.length : budget(one)),
    0,
  );
}

describe('cards on Slack', () => {
  test.each(Object.entries(cards))('the card %s looks as it did', async (name, card) => {
    expectSound(card);
    const json = `${JSON.stringify(renderCard(card), null, 2)}\n`;
    await expect(json).toMatchFileSnapshot(`golden/slack/${name}.json`);
  });

  test.each(Object.entries(hostile))('hostile text stays text: %s', async (name, card) => {
    expectSound(card);
    const json = `${JSON.stringify(renderCard(card), null, 2)}\n`;
    await expect(json).toMatchFileSnapshot(`golden/slack/hostile-${name}.json`);
  });

  test('the text of a card is shown as it is, not interpreted', () => {
    const lines = [hostileTexts.slackLinks, hostileTexts.slackMentions];
    const shown = seen(renderCard({ title: 'x', tone: 'plain', lines }));
    expect(shown).toContain(lines[0]);
    expect(shown).toContain(lines[1]);
  });

  test('a table says how many rows are left out', () => {
    const shown = seen(renderCard(cards.table));
    const left = Number(/… (\d+) more rows?/.exec(shown)?.[1] ?? 0);
    expect(left + [...shown.matchAll(/guest-\d+/g)].length).toBe(60);
  });

  const text = fc.oneof(
    fc.constantFrom(...Object.values(hostileTexts)),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 4000 }),
  );
  const some = <T>(of: fc.Arbitrary<T>, maxLength: number) =>
    fc.option(fc.array(of, { maxLength }), { nil: undefined });
  const anyCard: fc.Arbitrary<Card> = fc.record({
    title: text,
    tone: fc.constantFrom('plain', 'good', 'warning', 'bad', 'busy'),
    lines: some(text, 80),
    facts: some(fc.record({ label: text, value: text }), 40),
    table: fc.option(
      fc.record({
        columns: fc.array(text, { maxLength: 15 }),
        rows: fc.array(fc.array(text, { maxLength: 15 }), { maxLength: 60 }),
      }),
      { nil: undefined },
    ),
    code: some(text, 30),
    progress: fc.option(fc.record({ done: fc.double(), total: fc.double(), says: text }), { nil: undefined }),
    actions: some(
      fc.record({
        ref: fc.string({ minLength: 1, maxLength: 40 }),
        label: text,
        style: fc.constantFrom(undefined, 'primary', 'danger'),
      }),
      40,
    ),
    footer: fc.option(text, { nil: undefined }),
  });

  test('any card is within every limit of Slack and never becomes markup', () => {
    fc.assert(fc.property(anyCard, expectSound), { numRuns: 150 });
  });

  test('any set of cards makes a home tab that Slack takes', () => {
    const home = fc.array(anyCard, { maxLength: 40 });
    fc.assert(
      fc.property(home, (all) => {
        expect(checkView({ type: 'home', blocks: homeBlocks(all) }).problems).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test('escaping never cuts an entity and never exceeds its room', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('<', '&', 'a', '😀'), maxLength: 300 }),
        fc.integer({ min: 5, max: 200 }),
        (all, max) => {
          const out = escapedWithin(all, max);
          expect(out.length).toBeLessThanOrEqual(max);
          expect(out).toMatch(/^(?:[^<>&]|&(?:amp|lt|gt);)*$/);
        },
      ),
    );
  });

  test('a cut text fits, is the beginning of the whole and tears no character apart', () => {
    const all = fc.oneof(fc.constantFrom(...Object.values(hostileTexts)), fc.string({ unit: 'grapheme' })).map(visible);
    fc.assert(
      fc.property(all, fc.integer({ min: 1, max: 300 }), (text, max) => {
        const shown = cut(text, max);
        expect(shown.length).toBeLessThanOrEqual(max);
        expect(shown.isWellFormed()).toBe(true);
        if (shown !== text) expect(text.startsWith(shown.slice(0, -1))).toBe(true);
      }),
    );
  });

  test('what people type arrives as they typed it, names by their id', () => {
    expect(typedText('ct list &lt;b&gt; &amp;lt;')).toBe('ct list <b> &lt;');
    expect(typedText('person:<@U1|alice> <#C2|ops> <!subteam^S1|sre>')).toBe('person:<@U1> <#C2> <!subteam^S1>');
    expect(typedText('hostname:<http://ovh1.example.org|ovh1.example.org>')).toBe('hostname:ovh1.example.org');
    expect(typedText('<https://x.example/a?b&amp;c>')).toBe('https://x.example/a?b&c');
  });
});
