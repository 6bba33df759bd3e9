import { type APIEmbed, ButtonStyle, ComponentType, TextInputStyle } from 'discord.js';
import type { Action, Card, Fact, Progress, Prompt, Tone } from '../../src/contracts/card.ts';
import { fail } from '../../src/contracts/failure.ts';
import { more } from '../../src/contracts/visible.ts';
import {
  BUTTON_LABEL_MAX,
  BUTTONS_PER_ROW,
  CUSTOM_ID_MAX,
  EMBED_DESCRIPTION_MAX,
  EMBED_TITLE_MAX,
  FOOTER_MAX,
  MODAL_HINT_MAX,
  MODAL_INPUT_MAX,
  MODAL_LABEL_MAX,
  MODAL_TITLE_MAX,
  ROWS_MAX,
} from './limits.ts';
import { escapedTo, plain } from './markdown.ts';
import { blockSection, type Section, section, squeezed, tableSection } from './section.ts';

/**
 * Cards as classic embeds with action rows, not Components V2: an embed may hold 6,000 characters instead of 4,000,
 * its footer is plain text, and its colour bar and title stay readable on a phone. Everything between title and
 * footer is one description, so the order of the card is the order people read.
 */

const COLOURS: Readonly<Record<Tone, number>> = {
  plain: 0x5865f2,
  good: 0x2e8b57,
  warning: 0xe6a700,
  bad: 0xc0392b,
  busy: 0x3498db,
};

const STYLES = { primary: ButtonStyle.Primary, danger: ButtonStyle.Danger, plain: ButtonStyle.Secondary } as const;

/** Longest line, fact value and fact label, before anything has to be shared out. */
const LINE_MAX = 1000;
const VALUE_MAX = 1000;
const LABEL_MAX = 100;
const BAR_WIDTH = 12;
/** What is shown where a text is empty but Discord wants at least one character. */
const NOTHING = '…';

const BUTTON = 'b:';
const FORM = 'f:';
/** Custom id of the one field of a form. */
export const TYPED = 'typed';

export interface Body {
  readonly embeds: APIEmbed[];
  readonly components: Row[];
  /** Who is called; embeds call nobody. */
  readonly content?: string;
  readonly allowed_mentions: { readonly parse: never[]; readonly users?: string[]; readonly roles?: string[] };
}

interface Row {
  readonly type: ComponentType.ActionRow;
  readonly components: Button[];
}

interface Button {
  readonly type: ComponentType.Button;
  readonly style: ButtonStyle.Primary | ButtonStyle.Secondary | ButtonStyle.Danger;
  readonly label: string;
  readonly custom_id: string;
}

/**
 * The message body of a card, for creating and for editing alike. `mark` goes into the footer as `ref …`, so that
 * the message can be found again by what it was posted for.
 */
export function body(card: Card, mark?: string): Body {
  const actions = distinct(card.actions ?? []);
  const shown = actions.slice(0, ROWS_MAX * BUTTONS_PER_ROW);
  const description = squeezed(sections(card, actions.length - shown.length), EMBED_DESCRIPTION_MAX);
  const footer = footerOf(card.footer, mark);
  const embed: APIEmbed = {
    title: escapedTo(card.title, EMBED_TITLE_MAX).trim() || NOTHING,
    color: COLOURS[card.tone],
    ...(description && { description }),
    ...(footer && { footer: { text: footer } }),
  };
  return { embeds: [embed], components: rows(shown), ...called(card.mentions ?? []) };
}

/** Ids of the config alone; nothing in a card's text ever calls anybody. */
function called(mentions: readonly string[]): Pick<Body, 'content' | 'allowed_mentions'> {
  const users = mentions.filter((id) => /^\d{17,20}$/.test(id));
  const roles = mentions.filter((id) => /^role:\d{17,20}$/.test(id)).map((id) => id.slice('role:'.length));
  if (users.length + roles.length === 0) return { allowed_mentions: { parse: [] } };
  const content = [...users.map((id) => `<@${id}>`), ...roles.map((id) => `<@&${id}>`)].join(' ');
  return { content, allowed_mentions: { parse: [], users, roles } };
}

const markText = (mark: string): string => `ref ${mark}`;

function footerOf(text: string | undefined, mark: string | undefined): string {
  const tail = mark ? markText(mark) : '';
  const own = plain(text ?? '', FOOTER_MAX - tail.length - 3);
  return [own, tail].filter(Boolean).join(' · ');
}

/** Whether a message's footer says it was posted under `mark`. */
export function carriesMark(embeds: readonly APIEmbed[] | undefined, mark: string): boolean {
  return embeds?.some((embed) => embed.footer?.text.endsWith(markText(mark))) ?? false;
}

function sections(card: Card, hiddenButtons: number): Section[] {
  return [
    section(card.lines ?? [], 'line', (line) => escapedTo(line, LINE_MAX)),
    section(card.progress ? [card.progress] : [], 'line', bar),
    section(card.facts ?? [], 'fact', fact),
    ...(card.table ? [tableSection(card.table)] : []),
    ...(card.code ?? []).map(blockSection),
    section(hiddenButtons > 0 ? [hiddenButtons] : [], 'line', (count) => more(count, 'button')),
  ].filter(({ items }) => items.some((item) => item.trim() !== ''));
}

function fact({ label, value }: Fact): string {
  return `**${escapedTo(label, LABEL_MAX).trim() || NOTHING}:** ${escapedTo(value, VALUE_MAX)}`;
}

function bar({ done, total, says }: Progress): string {
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
  const full = Math.round(share * BAR_WIDTH);
  return `${'▰'.repeat(full)}${'▱'.repeat(BAR_WIDTH - full)} ${done}/${total} ${escapedTo(says, LINE_MAX)}`;
}

/** Discord refuses a message in which one custom id appears twice. */
function distinct(actions: readonly Action[]): Action[] {
  return [...new Map(actions.map((action) => [action.ref, action])).values()];
}

function rows(actions: readonly Action[]): Row[] {
  const out: Row[] = [];
  for (let at = 0; at < actions.length; at += BUTTONS_PER_ROW) {
    const components = actions.slice(at, at + BUTTONS_PER_ROW).map(button);
    out.push({ type: ComponentType.ActionRow, components });
  }
  return out;
}

function button(action: Action): Button {
  return {
    type: ComponentType.Button,
    style: STYLES[action.style ?? 'plain'],
    label: plain(action.label, BUTTON_LABEL_MAX) || NOTHING,
    custom_id: customId(BUTTON, action.ref),
  };
}

function customId(prefix: string, ref: string): string {
  const id = prefix + ref;
  if (ref !== '' && id.length <= CUSTOM_ID_MAX) return id;
  return fail('internal', {
    what: 'the card was not shown',
    why: `the reference of a button must have 1 to ${CUSTOM_ID_MAX - prefix.length} characters`,
    next: 'report this with the log',
  });
}

/** The reference in a button's or form's custom id, or undefined when it is none of ours. */
export function refOf(id: string): string | undefined {
  return id.startsWith(BUTTON) || id.startsWith(FORM) ? id.slice(BUTTON.length) || undefined : undefined;
}

/** The form a button opens: one text field, whose answer counts as {@link TYPED}. */
export function form(ref: string, prompt: Prompt) {
  return {
    custom_id: customId(FORM, ref),
    title: plain(prompt.title, MODAL_TITLE_MAX) || NOTHING,
    components: [
      {
        type: ComponentType.Label,
        label: plain(prompt.label, MODAL_LABEL_MAX) || NOTHING,
        component: {
          type: ComponentType.TextInput,
          custom_id: TYPED,
          style: TextInputStyle.Short,
          required: true,
          max_length: MODAL_INPUT_MAX,
          ...(prompt.hint?.trim() && { placeholder: plain(prompt.hint, MODAL_HINT_MAX) }),
        },
      },
    ],
  };
}
