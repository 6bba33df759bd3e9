import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CardView, LIMITS, render } from '../adapters/web/render.ts';
import type { Card } from '../src/contracts/card.ts';
import { cut, visible } from '../src/contracts/visible.ts';
import { cardFullOf, cards, hostile, hostileTexts } from './cards.ts';

const hidden =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\u3164\uFEFF\uD800-\uDFFF]/u;

const textsIn = (value: unknown): string[] =>
  typeof value === 'string'
    ? [value]
    : value !== null && typeof value === 'object'
      ? Object.values(value).flatMap(textsIn)
      : [];

/** Everything the page relies on without looking. */
function expectSound(view: CardView): void {
  for (const text of textsIn(view)) {
    expect(text.length).toBeLessThanOrEqual(LIMITS.text);
    expect(text).not.toMatch(hidden);
  }
  for (const text of [...textsIn({ ...view, code: [] })]) expect(text).not.toContain('\n');
  expect(view.title.length).toBeLessThanOrEqual(LIMITS.title);
  expect(view.lines.length).toBeLessThanOrEqual(LIMITS.lines);
  expect(view.facts.length).toBeLessThanOrEqual(LIMITS.facts);
  expect(view.code.length).toBeLessThanOrEqual(LIMITS.code);
  expect(view.actions.length).toBeLessThanOrEqual(LIMITS.actions);
  for (const { label } of view.actions) expect(label.trim()).not.toBe('');
  for (const row of view.table?.rows ?? []) expect(row).toHaveLength(view.table?.columns.length ?? 0);
  if (!view.progress) return;
  expect(view.progress.total).toBeGreaterThan(0);
  expect(view.progress.done).toBeGreaterThanOrEqual(0);
  expect(view.progress.done).toBeLessThanOrEqual(view.progress.total);
}

describe('cards on the web page', () => {
  test.each(Object.entries(cards))('the card %s looks as it did', async (name, card) => {
    const view = render(card);
    expectSound(view);
    await expect(`${JSON.stringify(view, null, 2)}\n`).toMatchFileSnapshot(`golden/web/${name}.json`);
  });

  const brief = Object.entries(hostile).filter(
    ([name]) => hostileTexts[name as keyof typeof hostileTexts].length < 500,
  );
  test.each(brief)('hostile text is spelled out and kept whole: %s', async (name, card) => {
    const view = render(card);
    expectSound(view);
    await expect(`${JSON.stringify(view, null, 2)}\n`).toMatchFileSnapshot(`golden/web/hostile-${name}.json`);
  });

  test.each(Object.entries(hostile))(
    'no text is too long for the page, and what was cut ends with a sign: %s',
    (name, card) => {
      const view = render(card);
      expectSound(view);
      const whole = visible(hostileTexts[name as keyof typeof hostileTexts]);
      expect(view.lines[0]).toBe(cut(whole, LIMITS.text));
      expect(view.lines[0]?.endsWith('…')).toBe(whole.length > LIMITS.text);
    },
  );

  test('exactly 10,000 characters are kept, one more is cut', () => {
    const lines = ['x'.repeat(10_000), 'x'.repeat(10_001)];
    const view = render({ title: 'long', tone: 'plain', lines });
    expect(view.lines).toEqual(['x'.repeat(10_000), `${'x'.repeat(9_999)}…`]);
  });

  test('a table keeps 200 rows and says how many it left out', () => {
    const rows = Array.from({ length: 203 }, (_, row) => [`${row}`]);
    const view = render({ title: 'many', tone: 'plain', table: { columns: ['n'], rows } });
    expect(view.table?.rows).toHaveLength(200);
    expect(view.table?.rows.at(-1)).toEqual(['199']);
    expect(view.cuts).toEqual(['… 3 more rows']);
  });

  test('a short row is filled up and a long one is held to the columns', () => {
    const table = { columns: ['a', 'b'], rows: [['1'], ['1', '2', '3']] };
    expect(render({ title: 't', tone: 'plain', table }).table?.rows).toEqual([
      ['1', ''],
      ['1', '2'],
    ]);
  });

  test.each([
    [5, 3, 3, 3],
    [-1, 3, 0, 3],
    [1, 0, 1, 1],
    [Number.NaN, Number.NaN, 0, 1],
    [1, Number.POSITIVE_INFINITY, 1, 1],
  ])('progress %d of %d becomes %d of %d', (done, total, shownDone, shownTotal) => {
    const view = render({ title: 'p', tone: 'busy', progress: { done, total, says: 's' } });
    expect(view.progress).toEqual({ done: shownDone, total: shownTotal, says: 's' });
  });

  test('prompts and the private mark do not travel with the card', () => {
    const json = JSON.stringify(render({ ...cards.prompt, private: true }));
    expect(json).not.toContain('Type the vmid again');
    expect(json).not.toContain('private');
  });

  test('any text in any field comes out sound', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => expectSound(render(cardFullOf(text)))),
      { numRuns: 300 },
    );
  });

  test('any number of anything comes out within the limits, and nothing is dropped in silence', () => {
    const count = fc.integer({ min: 0, max: 450 });
    fc.assert(
      fc.property(count, count, count, count, (lines, facts, code, actions) => {
        const many = <T>(length: number, make: (i: number) => T) => Array.from({ length }, (_, i) => make(i));
        const card: Card = {
          title: 't',
          tone: 'plain',
          lines: many(lines, String),
          facts: many(facts, (i) => ({ label: `${i}`, value: 'v' })),
          code: many(code, String),
          actions: many(actions, (i) => ({ ref: `${i}`, label: `${i}` })),
        };
        const view = render(card);
        expectSound(view);
        const shown = view.lines.length + view.facts.length + view.code.length + view.actions.length;
        const left = view.cuts.reduce((sum, cut) => sum + Number(/\d+/.exec(cut)?.[0]), 0);
        expect(shown + left).toBe(lines + facts + code + actions);
      }),
    );
  });
});
