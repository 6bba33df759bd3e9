import type { types } from '@slack/bolt';
import type { Action, Card, Tone } from '../../src/contracts/card.ts';
import { cut, more, visible } from '../../src/contracts/visible.ts';
import {
  BUTTON_LABEL_MAX,
  BUTTONS_MAX,
  FALLBACK_MAX,
  FOOTER_MAX,
  HEADER_MAX,
  LINE_MAX,
  MESSAGE_BUDGET,
  VIEW_BLOCKS_MAX,
} from './limits.ts';
import { escapedWithin, fitting, fittingCode, plain, progressBar, tableText } from './text.ts';

/**
 * Cards as Block Kit. Card text stands only in plain_text and in rich_text text elements, neither of which Slack
 * parses: in mrkdwn a backtick ends the code span and lets `<url|label>` become a link inside an approval card
 * (slack.082). The fallback text is mrkdwn by nature and is escaped.
 */

type Block = types.KnownBlock;
type RichElement = types.RichTextSection | types.RichTextPreformatted;

export interface Rendered {
  /** For notifications and screen readers. */
  readonly text: string;
  readonly blocks: Block[];
}

/** Action ids of card buttons are these plus a number; the value is the reference. */
export const BUTTON_ID = 'card-button-';

const MARKS: Record<Tone, string> = { plain: '', good: '✅ ', warning: '⚠️ ', bad: '🔴 ', busy: '⏳ ' };

export function renderCard(card: Card): Rendered {
  return { text: fallback(card), blocks: cardBlocks(card) };
}

/** The App Home of one person: each card below the other. */
export function homeBlocks(cards: readonly Card[]): Block[] {
  const blocks: Block[] = [];
  for (const [index, card] of cards.entries()) {
    const next = cardBlocks(card, `${index}-`);
    if (blocks.length + next.length + 2 > VIEW_BLOCKS_MAX) {
      blocks.push(smallPrint(`… ${cards.length - index} more cards`));
      break;
    }
    if (index > 0) blocks.push({ type: 'divider' });
    blocks.push(...next);
  }
  return blocks.length > 0 ? blocks : [smallPrint('Nothing here yet.')];
}

function cardBlocks(card: Card, prefix = ''): Block[] {
  const title = heading(card);
  const buttons = (card.actions ?? []).slice(0, BUTTONS_MAX);
  const left = (card.actions?.length ?? 0) - buttons.length;
  const small = [left > 0 ? more(left, 'button') : '', plain(card.footer ?? '', FOOTER_MAX, '')].filter(Boolean);
  const called = (card.mentions ?? []).flatMap(mention);
  const fixed = title.length + buttons.length * BUTTON_LABEL_MAX + small.join('').length;
  const body = joined(bodyElements(card, MESSAGE_BUDGET - fixed));
  return [
    { type: 'header', text: { type: 'plain_text', text: title, emoji: false } },
    ...(body.length > 0 ? [{ type: 'rich_text', elements: body } satisfies types.RichTextBlock] : []),
    ...(buttons.length > 0
      ? [{ type: 'actions', elements: buttons.map(button(prefix)) } satisfies types.ActionsBlock]
      : []),
    ...small.map(smallPrint),
    ...(called.length > 0
      ? [
          {
            type: 'rich_text',
            elements: [{ type: 'rich_text_section', elements: called }],
          } satisfies types.RichTextBlock,
        ]
      : []),
  ] satisfies Block[];
}

/** Ids of the config alone become mentions, as elements of their own: no text of a card ever does. */
function mention(id: string): types.RichTextSection['elements'] {
  const blank = { type: 'text', text: ' ' } as const;
  if (/^[UW][A-Z0-9]+$/.test(id)) return [{ type: 'user', user_id: id }, blank];
  if (/^S[A-Z0-9]+$/.test(id)) return [{ type: 'usergroup', usergroup_id: id }, blank];
  return id === 'here' ? [{ type: 'broadcast', range: 'here' }, blank] : [];
}

const heading = (card: Card): string => MARKS[card.tone] + plain(card.title, HEADER_MAX - 4, 'No title');

const smallPrint = (text: string): types.ContextBlock => ({
  type: 'context',
  elements: [{ type: 'plain_text', text, emoji: false }],
});

const button =
  (prefix: string) =>
  (action: Action, index: number): types.Button => ({
    type: 'button',
    action_id: `${BUTTON_ID}${prefix}${index}`,
    text: { type: 'plain_text', text: plain(action.label, BUTTON_LABEL_MAX, 'Go'), emoji: false },
    value: action.ref,
    ...(action.style && { style: action.style }),
  });

const section = (...elements: types.RichTextText[]): types.RichTextSection => ({ type: 'rich_text_section', elements });
const preformatted = (text: string): types.RichTextPreformatted => ({
  type: 'rich_text_preformatted',
  elements: [{ type: 'text', text }],
});

/** The parts between title and buttons, within `room`: each part may use its even share and what earlier ones left. */
function bodyElements(card: Card, room: number): RichElement[] {
  const parts: ((share: number) => RichElement[])[] = [];
  if (card.progress) parts.push((share) => progressPart(card.progress, share));
  if (card.lines?.length) parts.push((share) => linesPart(card.lines ?? [], share));
  if (card.facts?.length) parts.push((share) => factsPart(card, share));
  const { table, code = [] } = card;
  if (table) parts.push((share) => tablePart(table, share));
  if (code.length > 0) parts.push((share) => codePart(code, share));
  let left = room;
  return parts.flatMap((part, index) => {
    const elements = part(Math.floor(left / (parts.length - index)));
    left -= length(elements);
    return elements;
  });
}

/** Neighbouring sections as one, without a line break at its end: Slack shows each of these as an empty line. */
function joined(elements: readonly RichElement[]): RichElement[] {
  const out: RichElement[] = [];
  for (const element of elements) {
    const last = out.at(-1);
    if (element.type === 'rich_text_section' && last?.type === 'rich_text_section')
      out[out.length - 1] = section(...([...last.elements, ...element.elements] as types.RichTextText[]));
    else out.push(element);
  }
  return out.map((element) => {
    const end = element.elements.at(-1);
    if (element.type !== 'rich_text_section' || end?.type !== 'text') return element;
    const rest = element.elements.slice(0, -1) as types.RichTextText[];
    return section(...rest, { ...end, text: end.text.replace(/\n$/, '') });
  });
}

const length = (elements: readonly RichElement[]): number =>
  elements.flatMap((one) => one.elements).reduce((sum, one) => sum + ('text' in one ? (one.text?.length ?? 0) : 0), 0);

function linesPart(lines: readonly string[], share: number): RichElement[] {
  const shown = fitting(lines.map(visible), share, LINE_MAX, 'line');
  return shown.length > 0 ? [section({ type: 'text', text: `${shown.join('\n')}\n` })] : [];
}

function factsPart(card: Card, share: number): RichElement[] {
  const facts = card.facts ?? [];
  const labels = facts.map(({ label }) => plain(label, 80, '–'));
  const lines = facts.map(({ value }, index) => `${labels[index]}: ${visible(value)}`);
  const shown = fitting(lines, share, LINE_MAX, 'fact');
  const elements = shown.flatMap((line, index): types.RichTextText[] => {
    const label = labels[index] ?? '';
    const rest = { type: 'text', text: `${line.slice(label.length + 1)}\n` } as const;
    return line.startsWith(`${label}:`)
      ? [{ type: 'text', text: `${label}:`, style: { bold: true } }, rest]
      : [{ type: 'text', text: `${line}\n` }];
  });
  return [section(...elements)];
}

function progressPart(progress: Card['progress'], share: number): RichElement[] {
  if (!progress) return [];
  const says = plain(progress.says, Math.min(LINE_MAX, share - 60), '');
  return [
    section({ type: 'text', text: `${progressBar(progress.done, progress.total)} ${says}`.trimEnd().concat('\n') }),
  ];
}

function tablePart(table: NonNullable<Card['table']>, share: number): RichElement[] {
  const text = tableText(table.columns, table.rows, share);
  return [preformatted(text.trim() === '' ? 'nothing' : text)];
}

function codePart(code: readonly string[], share: number): RichElement[] {
  const blocks = code.filter((one) => one.trim() !== '');
  const elements: RichElement[] = [];
  let left = share - 40;
  for (const [index, one] of blocks.entries()) {
    const room = Math.floor(left / Math.min(blocks.length - index, 4));
    if (room < 80) {
      elements.push(section({ type: 'text', text: `${more(blocks.length - index, 'block')}\n` }));
      break;
    }
    const text = fittingCode(one, room);
    elements.push(preformatted(text));
    left -= text.length;
  }
  return elements;
}

/** One text of everything but tables, code and buttons. */
function fallback(card: Card): string {
  const { lines = [], facts = [], progress, footer } = card;
  const parts = [
    heading(card),
    ...(progress ? [`${progressBar(progress.done, progress.total)} ${visible(progress.says)}`] : []),
    ...lines.map((line) => cut(visible(line), LINE_MAX)),
    ...facts.map(({ label, value }) => cut(`${visible(label)}: ${visible(value)}`, LINE_MAX)),
    ...(footer ? [cut(visible(footer), FOOTER_MAX)] : []),
  ];
  return escapedWithin(parts.filter((part) => part.trim() !== '').join('\n'), FALLBACK_MAX);
}
