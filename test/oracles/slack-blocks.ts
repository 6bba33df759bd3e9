import { limit, limitsPresent, range } from './limits.ts';
import { elements } from './slack-elements.ts';
import {
  boolean,
  byType,
  type Check,
  integer,
  isObject,
  type Json,
  list,
  newWalk,
  object,
  oneOf,
  type Problem,
  shownString,
  string,
  tag,
  unique,
  type Walk,
} from './slack-shapes.ts';

export type { Problem } from './slack-shapes.ts';
export type Surface = 'message' | 'modal' | 'home';

/** What Slack would refuse in these blocks; `tooLong` is its separate msg_blocks_too_long. */
export interface Verdict {
  problems: Problem[];
  tooLong: boolean;
}

const INTERACTIVE = [
  ...['button', 'static_select', 'multi_static_select', 'external_select', 'multi_external_select', 'users_select'],
  ...['multi_users_select', 'conversations_select', 'channels_select', 'overflow', 'checkboxes', 'radio_buttons'],
  ...['datepicker', 'timepicker', 'datetimepicker', 'rich_text_input'],
];
const INPUTS = [
  ...['plain_text_input', 'number_input', 'email_text_input', 'url_text_input', 'file_input', 'rich_text_input'],
  ...['static_select', 'multi_static_select', 'external_select', 'multi_external_select', 'users_select'],
  ...['multi_users_select', 'conversations_select', 'channels_select', 'checkboxes', 'radio_buttons'],
  ...['datepicker', 'timepicker', 'datetimepicker'],
];
const ACCESSORIES = [...INTERACTIVE.filter((type) => type !== 'rich_text_input'), 'image'];

let blockChecks: Record<string, Check> | undefined;

/** Checks the blocks of one message, modal or home tab. Without the shared limits everything passes. */
export function checkBlocks(blocks: unknown, surface: Surface = 'message'): Verdict {
  if (!limitsPresent) return { problems: [], tooLong: false };
  const walk = newWalk();
  blocksCheck(surface)(blocks, '/blocks', walk);
  const budget = limit('message.blocks (chat.postMessage)', 'cumulative_text');
  return { problems: walk.problems, tooLong: surface === 'message' && walk.text > budget };
}

/** Checks a view of views.open, views.update, views.push or views.publish. */
export function checkView(view: unknown): Verdict {
  if (!limitsPresent) return { problems: [], tooLong: false };
  const walk = newWalk();
  const { plain } = elements();
  const surface: Surface = isObject(view) && view.type === 'home' ? 'home' : 'modal';
  const common = {
    'type!': tag,
    'blocks!': blocksCheck(surface),
    private_metadata: string(limit('view.private_metadata', 'max_len')),
    callback_id: string(limit('view.callback_id', 'max_len')),
    external_id: string(255),
  };
  const modal = object(
    {
      ...common,
      'title!': plain(limit('view.title', 'max_len')),
      submit: plain(limit('view.submit', 'max_len')),
      close: plain(limit('view.close', 'max_len')),
      clear_on_close: boolean,
      notify_on_close: boolean,
      submit_disabled: boolean,
    },
    inputNeedsSubmit,
  );
  byType('view', { modal, home: object(common) })(view, '/view', walk);
  return { problems: walk.problems, tooLong: false };
}

function inputNeedsSubmit(view: Json, at: string, walk: Walk): void {
  const hasInput = Array.isArray(view.blocks) && view.blocks.some((block) => isObject(block) && block.type === 'input');
  if (hasInput && !('submit' in view)) walk.report(`${at}/submit`, 'required when an input block is present');
}

function blocksCheck(surface: Surface): Check {
  blockChecks ??= blockTable();
  const max = surface === 'message' ? limit('message', 'max_blocks') : range('view.blocks', 'range_items').max;
  const allowed = Object.entries(blockChecks).filter(
    ([type]) => surface === 'message' || !['table', 'markdown', 'file'].includes(type),
  );
  const each = list(byType('block', Object.fromEntries(allowed)), surface === 'message' ? 0 : 1, max);
  return (value, at, walk) => {
    each(value, at, walk);
    if (!Array.isArray(value)) return;
    const blocks = value.map((block) => (isObject(block) ? block : {}));
    unique(
      blocks.map((block, index) => ({ value: block.block_id, at: `${at}/${index}/block_id` })),
      'block_id',
      walk,
    );
    const markdown = blocks.filter((block) => block.type === 'markdown').map((block) => String(block.text));
    if ([...markdown.join('')].length > range('markdown.text', 'len_range').max)
      walk.report(at, 'markdown blocks are too long together');
    // docs.slack.dev table-block: a second table in one message is refused as only_one_table_allowed.
    const tables = blocks.filter((block) => block.type === 'table');
    if (tables.length > 1) walk.report(at, 'only_one_table_allowed');
  };
}

function blockTable(): Record<string, Check> {
  const { plain, text, of, image, richText } = elements();
  const base = { 'type!': tag, block_id: string(limit('block.block_id', 'max_len')) };
  const cell = byType('table cell', {
    raw_text: object({ 'type!': tag, 'text!': shownString(Number.MAX_SAFE_INTEGER) }),
    raw_number: object({ 'type!': tag, 'value!': tag, 'text!': shownString(Number.MAX_SAFE_INTEGER) }),
    rich_text: richText,
  });
  const cells = limit('table.rows[]', 'max_items');
  const align = object({ align: oneOf('left', 'center', 'right'), is_wrapped: boolean });
  const contextParts = (value: unknown, at: string, walk: Walk) =>
    isObject(value) && value.type === 'image' ? image(value, at, walk) : text(3000)(value, at, walk);
  return {
    header: object({ ...base, 'text!': plain(limit('header.text', 'max_len')), level: integer(1, 4) }),
    section: object(
      {
        ...base,
        text: text(range('section.text', 'len_range').max),
        fields: list(text(limit('section.fields[].text', 'max_len')), 1, limit('section.fields', 'max_items')),
        accessory: of(...ACCESSORIES),
        expand: boolean,
      },
      (value, at, walk) => {
        if (!('text' in value) && !('fields' in value)) walk.report(at, 'needs text or fields');
      },
    ),
    rich_text: richText,
    context: object({ ...base, 'elements!': list(contextParts, 1, limit('context.elements', 'max_items')) }),
    actions: object(
      { ...base, 'elements!': list(of(...INTERACTIVE), 1, limit('actions.elements', 'max_items')) },
      uniqueActions,
    ),
    divider: object(base),
    table: object({
      ...base,
      'rows!': list(list(cell, 1, cells), 1, limit('table.rows', 'max_items')),
      column_settings: list((value, at, walk) => value === null || align(value, at, walk), 0, cells),
    }),
    input: object({
      ...base,
      'label!': plain(limit('input.label', 'max_len')),
      'element!': of(...INPUTS),
      hint: plain(limit('input.hint', 'max_len')),
      optional: boolean,
      dispatch_action: boolean,
    }),
    image: object({
      ...base,
      'alt_text!': shownString(limit('image.alt_text', 'max_len')),
      image_url: string(limit('image.image_url', 'max_len'), 1),
      slack_file: tag,
      title: plain(limit('image.title', 'max_len')),
    }),
    markdown: object({ ...base, 'text!': shownString(range('markdown.text', 'len_range').max) }),
    alert: object({
      ...base,
      'text!': text(limit('alert.text', 'max_len')),
      level: oneOf('default', 'info', 'warning', 'error', 'success'),
    }),
    file: object({ ...base, 'source!': oneOf('remote'), 'external_id!': string(255, 1) }),
  };
}

function uniqueActions(value: Json, at: string, walk: Walk): void {
  if (!Array.isArray(value.elements)) return;
  unique(
    value.elements.map((one, index) => ({
      value: isObject(one) ? one.action_id : undefined,
      at: `${at}/elements/${index}/action_id`,
    })),
    'action_id',
    walk,
  );
}

/** Slack's own wording of problems, as response_metadata.messages. */
export const problemLines = (problems: Problem[]): string[] =>
  problems.map(({ pointer, message }) => `[ERROR] ${message} [json-pointer:${pointer}]`);

const suggested = () => {
  const { plain } = elements();
  const option = object({
    'text!': plain(limit('option.text', 'max_len')),
    'value!': string(limit('option.value', 'max_len'), 1),
    description: plain(limit('option.description', 'max_len')),
  });
  const max = limit('block_suggestion response options', 'max_items');
  const groups = list(
    object({ 'label!': plain(limit('option_group.label', 'max_len')), 'options!': list(option, 1, max) }),
    0,
    max,
  );
  return object({ options: list(option, 0, max), option_groups: groups });
};

/** Checks the answer to a block_suggestion. */
export function checkSuggestion(body: unknown): Verdict {
  if (!limitsPresent) return { problems: [], tooLong: false };
  const walk = newWalk();
  suggested()(body, '', walk);
  return { problems: walk.problems, tooLong: false };
}
