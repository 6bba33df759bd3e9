import { codePoints, limit, limitsPresent } from './limits.ts';
import type { Problem } from './slack-shapes.ts';

type Json = Record<string, unknown>;

export const EPHEMERAL = 64;
export const IS_COMPONENTS_V2 = 32768;
const ACTION_ROW = 1;
const BUTTON = 2;
const TEXT_DISPLAY = 10;
const LINK_STYLE = 5;

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** A component and everything inside it. */
export function nested(components: unknown): Json[] {
  return list(components).flatMap((one) => [
    one,
    ...nested(one.components),
    ...nested(one.accessory ? [one.accessory] : []),
    ...nested(one.component ? [one.component] : []),
  ]);
}

/**
 * Rules for a message that Discord's API description does not hold (PLATFORMS.md, limits.json).
 * `message` is the message as it would stand after this body, an edit included.
 */
export function messageProblems(message: {
  content: string;
  embeds: Json[];
  components: Json[];
  flags: number;
}): Problem[] {
  if (!limitsPresent) return [];
  const problems: Problem[] = [];
  const report = (pointer: string, text: string) => problems.push({ pointer, message: text });
  const v2 = (message.flags & IS_COMPONENTS_V2) !== 0;
  if (codePoints(message.content) > limit('message.content', 'max_len'))
    report('/content', 'Must be 2000 or fewer in length.');
  if (embedTotal(message.embeds) > limit('message.embeds total', 'max_len'))
    report('/embeds', 'Embed size exceeds maximum size of 6000');
  if (v2) {
    if (message.content !== '') report('/content', 'The content field cannot be used with IS_COMPONENTS_V2');
    if (message.embeds.length > 0) report('/embeds', 'The embeds field cannot be used with IS_COMPONENTS_V2');
  } else if (message.components.some((one) => one.type !== ACTION_ROW))
    report('/components', 'only action rows without IS_COMPONENTS_V2');
  componentProblems(message.components, v2, report);
  return problems;
}

function embedTotal(embeds: Json[]): number {
  const texts = embeds.flatMap((one) => [
    one.title,
    one.description,
    (one.footer as Json | undefined)?.text,
    (one.author as Json | undefined)?.name,
    ...list(one.fields).flatMap((field) => [field.name, field.value]),
  ]);
  return texts.reduce((sum: number, text) => sum + (typeof text === 'string' ? codePoints(text) : 0), 0);
}

function componentProblems(components: Json[], v2: boolean, report: (pointer: string, text: string) => void): void {
  const all = nested(components);
  if (!v2 && components.length > limit('message.components (legacy)', 'max_rows'))
    report('/components', 'Must be 5 or fewer in length.');
  if (all.length > limit('message.components (V2)', 'max_total'))
    report('/components', 'more than 40 components in all');
  const shown = all.filter((one) => one.type === TEXT_DISPLAY).map((one) => codePoints(String(one.content ?? '')));
  if (shown.reduce((sum, one) => sum + one, 0) > limit('V2 text total', 'max_len'))
    report('/components', 'more than 4000 characters of text');
  const ids = all.map((one) => one.custom_id).filter((one) => typeof one === 'string');
  if (new Set(ids).size < ids.length) report('/components', 'Component custom id cannot be duplicated');
  for (const one of all) {
    if (one.type === ACTION_ROW) rowProblems(one, report);
    if (one.type === BUTTON) buttonProblems(one, report);
  }
}

function rowProblems(row: Json, report: (pointer: string, text: string) => void): void {
  const inside = list(row.components);
  const selects = inside.filter((one) => one.type !== BUTTON).length;
  if (selects > 1 || (selects === 1 && inside.length > 1)) report('/components', 'a row holds 5 buttons or one select');
}

function buttonProblems(button: Json, report: (pointer: string, text: string) => void): void {
  const link = button.style === LINK_STYLE;
  if (link && (typeof button.url !== 'string' || button.custom_id))
    report('/components', 'a link button has a url and no custom_id');
  if (!link && (typeof button.custom_id !== 'string' || button.url))
    report('/components', 'a button has a custom_id and no url');
  if (!button.label && !button.emoji) report('/components', 'a button needs a label or an emoji');
}

/** Rules for a modal beyond the description: five parts, unique ids. */
export function modalProblems(modal: Json): Problem[] {
  if (!limitsPresent) return [];
  const problems: Problem[] = [];
  if (list(modal.components).length > 5)
    problems.push({ pointer: '/components', message: 'Must be between 1 and 5 in length.' });
  const ids = nested(modal.components)
    .map((one) => one.custom_id)
    .filter((one) => typeof one === 'string');
  if (new Set(ids).size < ids.length)
    problems.push({ pointer: '/components', message: 'Component custom id cannot be duplicated' });
  return problems;
}

/** Why an allowed_mentions would let a text ping by itself; undefined for `{parse: []}`, with or without named ids. */
export function mentionsOpen(allowed: unknown): string | undefined {
  if (typeof allowed !== 'object' || allowed === null)
    return 'allowed_mentions is missing: every mention in the text pings';
  const { parse } = allowed as { parse?: unknown };
  if (!Array.isArray(parse)) return 'allowed_mentions without parse';
  return parse.length > 0 ? `allowed_mentions parses ${parse.join(', ')}` : undefined;
}
