import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { escaped } from '../adapters/discord/markdown.ts';
import { body, form } from '../adapters/discord/render.ts';
import type { Card, Tone } from '../src/contracts/card.ts';
import { cardFullOf, cards, destroyPrompt, hostile, hostileTexts } from './cards.ts';
import { discordApiPresent, schemaProblems, strayFields } from './oracles/discord-api.ts';
import { mentionsOpen, messageProblems, modalProblems } from './oracles/discord-message.ts';
import { limitsPresent } from './oracles/limits.ts';
import { liveMarkup, markdown, visibleText } from './platforms/discord-text.ts';

if (!limitsPresent) console.log('../shared/chat/limits.json is absent: messages are not held against it');
if (!discordApiPresent) console.log('../shared/chat/discord-openapi.json is absent: messages are not held against it');

/** What nobody can see; U+2060 is our own way to take mentions and fences apart. */
const HIDDEN =
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u200B\u200C\u200E\u200F\u202A-\u202E\u2061-\u2069\uD800-\uDFFF]/u;

const SCHEMAS = ['MessageCreateRequest', 'MessageEditRequestPartial', 'IncomingWebhookUpdateRequestPartial'];

type Json = Record<string, unknown>;
const shownOf = (card: Card, mark?: string) => {
  const { embeds, components } = body(card, mark);
  return { content: '', embeds: embeds as unknown as Json[], components: components as unknown as Json[], flags: 0 };
};
const seen = (card: Card) => visibleText(shownOf(card));

/** Everything Discord would refuse, and everything it would let pass although it harms people. */
function expectSound(card: Card): void {
  const sent = body(card, '0123456789ab');
  for (const schema of SCHEMAS) {
    expect(schemaProblems(schema, sent)).toEqual([]);
    expect(strayFields(schema, sent)).toEqual([]);
  }
  expect(messageProblems(shownOf(card, '0123456789ab'))).toEqual([]);
  expect(mentionsOpen(sent.allowed_mentions)).toBeUndefined();
  expect(liveMarkup(shownOf(card))).toEqual({ mentions: [], links: [] });
  expect(seen(card)).not.toMatch(HIDDEN);
  expect(fencesClosed(sent.embeds[0]?.description ?? '')).toBe(true);
}

/** Every fence that opens is closed, so that nothing after it is swallowed or let out. */
const fencesClosed = (text: string): boolean => (text.match(/```/g) ?? []).length % 2 === 0;

describe('cards on Discord', () => {
  test.each(Object.entries<Card>(cards))('the card %s looks as it did', async (name, card) => {
    expectSound(card);
    await expect(`${JSON.stringify(body(card), null, 2)}\n`).toMatchFileSnapshot(`golden/discord/${name}.json`);
  });

  test.each(Object.entries(hostile))('hostile text stays text: %s', async (name, card) => {
    expectSound(card);
    const json = `${JSON.stringify(body(card), null, 2)}\n`;
    await expect(json).toMatchFileSnapshot(`golden/discord/hostile-${name}.json`);
  });

  test('the text of a card is shown as it is, not interpreted', () => {
    const one = 'a*b*_c_ [x](https://y.example) `z` ~~w~~ ||v|| <@1> @everyone \\o/ https://e.example/a_b_';
    for (const text of [one, '# heading', '- item', '-# small', '1. one', '+ plus', '> quote', '   * deep'])
      expect(seen({ title: 'x', tone: 'plain', lines: ['first', text] })).toContain(text);
  });

  test('a line cannot pretend to be several lines', () => {
    expect(seen({ title: 'x', tone: 'plain', lines: [hostileTexts.newlines] }).split('\n')).toHaveLength(2);
  });

  test('code cannot leave its block', () => {
    const card: Card = {
      title: 'x',
      tone: 'plain',
      code: ['```\n**bold** [Approve](https://evil.example) ``` @everyone'],
    };
    expect(liveMarkup(shownOf(card))).toEqual({ mentions: [], links: [] });
    expect(body(card).embeds[0]!.description!.match(/```/g)).toHaveLength(2);
  });

  test('each part of a long card keeps some room, and says how much is missing', () => {
    const long = (word: string) => Array.from({ length: 300 }, (_, line) => `${word} ${line} ${'and more '.repeat(8)}`);
    const card: Card = {
      title: 'Everything at once',
      tone: 'bad',
      lines: long('line'),
      facts: long('fact').map((value, at) => ({ label: `Fact ${at}`, value })),
      table: { columns: ['Row'], rows: long('row').map((text) => [text]) },
      code: [long('code').join('\n'), 'pct unlock 103'],
      footer: 'Request q7f3k1',
    };
    expectSound(card);
    for (const what of ['line 0', 'Fact 0', 'row 0', 'code 0', 'pct unlock 103', 'Request q7f3k1'])
      expect(seen(card)).toContain(what);
    expect(seen(card).match(/… \d+ more (line|fact|row)s/g)).toHaveLength(4);
  });

  test('buttons beyond what Discord can show are counted, and none is shown twice', () => {
    const actions = Array.from({ length: 30 }, (_, at) => ({ ref: `r${at}`, label: `Button ${at}` }));
    const card: Card = { title: 'x', tone: 'plain', actions: [...actions, actions[0]!] };
    expectSound(card);
    expect(seen(card)).toContain('… 5 more buttons');
    expect(body(card).components.flatMap((row) => row.components)).toHaveLength(25);
  });

  test('numbers of a table are aligned and no row is wider than an embed on a desktop', () => {
    const lines = seen(cards.table).split('\n').slice(1, -1);
    expect(new Set(lines.slice(1).map((line) => line.indexOf('ovh'))).size).toBe(1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(56);
  });

  test('a huge table is drawn without drawing every row', () => {
    const rows = Array.from({ length: 20_000 }, (_, row) => [String(row), 'guest']);
    expect(seen({ title: 'x', tone: 'plain', table: { columns: ['VMID', 'Name'], rows } })).toMatch(
      /… 19\d{3} more rows/,
    );
  });

  test('a reference that Discord cannot carry is an error, not another button', () => {
    const with_ = (ref: string): Card => ({ title: 'x', tone: 'plain', actions: [{ ref, label: 'Go' }] });
    expect(() => body(with_('r'.repeat(99)))).toThrow('reference of a button');
    expect(() => body(with_(''))).toThrow('reference of a button');
    expectSound(with_('r'.repeat(98)));
  });

  test('a form asks one question within the limits of Discord', async () => {
    for (const text of [destroyPrompt.label, ...Object.values(hostileTexts)]) {
      const asked = form('d1', { title: text, label: text, hint: text });
      expect(schemaProblems('ModalInteractionCallbackRequestData', asked)).toEqual([]);
      expect(strayFields('ModalInteractionCallbackRequestData', asked)).toEqual([]);
      expect(modalProblems(asked)).toEqual([]);
    }
    const json = `${JSON.stringify(form('d1', destroyPrompt), null, 2)}\n`;
    await expect(json).toMatchFileSnapshot('golden/discord/form.json');
  });
});

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom(...'`*_~|[]()<>@#-+\\/:\n{}u202E1.a '), maxLength: 300 }),
  fc.constantFrom(...Object.values(hostileTexts)),
  fc.tuple(fc.constantFrom(...Object.values(hostileTexts)), fc.string()).map((parts) => parts.join('')),
);
const list = <T>(of: fc.Arbitrary<T>, maxLength: number) => fc.array(of, { maxLength });
const anyCard: fc.Arbitrary<Card> = fc.record(
  {
    title: nasty,
    tone: fc.constantFrom<Tone>('plain', 'good', 'warning', 'bad', 'busy'),
    lines: list(nasty, 40),
    facts: list(fc.record({ label: nasty, value: nasty }), 30),
    table: fc.record({ columns: list(nasty, 12), rows: list(list(nasty, 12), 30) }),
    code: list(nasty, 20),
    progress: fc.record({ done: fc.double(), total: fc.double(), says: nasty }),
    actions: list(fc.record({ ref: fc.base64String({ minLength: 1, maxLength: 24 }), label: nasty }), 30),
    footer: nasty,
  },
  { requiredKeys: ['title', 'tone'] },
);

describe('any card on Discord', () => {
  test('keeps every limit and shows no live markup', () => {
    fc.assert(fc.property(anyCard, expectSound), { numRuns: 150 });
  });

  test('full of one text keeps every limit', () => {
    fc.assert(
      fc.property(nasty, (text) => expectSound(cardFullOf(text))),
      { numRuns: 100 },
    );
  });

  test('escaped text reads as what it was', () => {
    const printable = fc.string({ unit: fc.constantFrom(...'`*_~|[]()<>@#-+\\/:{}1.a e'), maxLength: 80 });
    fc.assert(
      fc.property(printable, (text) => {
        expect(markdown(escaped(text))).toBe(text);
      }),
    );
  });
});
