import { limit, range } from './limits.ts';
import {
  boolean,
  byType,
  type Check,
  integer,
  type Json,
  list,
  object,
  oneOf,
  shownString,
  string,
  tag,
  unique,
  type Walk,
} from './slack-shapes.ts';

/** Composition objects and interactive elements of Block Kit; field names from @slack/types 3.2. */
export interface Elements {
  plain(max: number): Check;
  text(max: number): Check;
  /** The elements a block takes, by name. */
  of(...types: string[]): Check;
  image: Check;
  richText: Check;
}

export function elements(): Elements {
  const textMax = range('text_object.text', 'len_range').max;
  const plain = (max: number) =>
    byType('plain text', {
      plain_text: object({ 'type!': tag, 'text!': shownString(Math.min(max, textMax)), emoji: boolean }),
    });
  const text = (max: number) =>
    byType('text', {
      plain_text: object({ 'type!': tag, 'text!': shownString(Math.min(max, textMax)), emoji: boolean }),
      mrkdwn: object({ 'type!': tag, 'text!': shownString(Math.min(max, textMax)), verbatim: boolean }),
    });

  const actionId = string(limit('element.action_id', 'max_len'), 1);
  const confirm = object({
    title: plain(limit('confirm.title', 'max_len')),
    'text!': text(limit('confirm.text', 'max_len')),
    confirm: plain(limit('confirm.confirm', 'max_len')),
    deny: plain(limit('confirm.deny', 'max_len')),
    style: oneOf('primary', 'danger'),
  });
  const placeholder = plain(limit('element.placeholder', 'max_len'));
  const option = (label: Check, withUrl = false) =>
    object({
      'text!': label,
      'value!': string(limit('option.value', 'max_len'), 1),
      description: plain(limit('option.description', 'max_len')),
      ...(withUrl && { url: string(limit('option.url', 'max_len'), 1) }),
    });
  const plainOption = option(plain(limit('option.text', 'max_len')));
  const richOption = option(text(limit('option.text', 'max_len')));
  const groupRange = range('option_group.options', 'range_items');
  const group = object({
    'label!': plain(limit('option_group.label', 'max_len')),
    'options!': list(plainOption, groupRange.min, groupRange.max),
  });

  const actionable = { 'type!': tag, action_id: actionId };
  const asking = { ...actionable, confirm, focus_on_load: boolean };
  const typing = {
    ...actionable,
    placeholder,
    focus_on_load: boolean,
    dispatch_action_config: object({
      trigger_actions_on: list(oneOf('on_enter_pressed', 'on_character_entered'), 1, 2),
    }),
  };
  const choosing = {
    ...asking,
    placeholder,
    options: list(plainOption, 1, limit('static_select.options', 'max_items')),
    option_groups: list(group, 1, limit('static_select.option_groups', 'max_items')),
  };
  const manyOptions = list(plainOption, 1, 100);
  const selected = { max_selected_items: integer(1) };
  const inputMax = limit('plain_text_input.max_length', 'max');
  const boxes = range('checkboxes.options', 'range_items');
  const radios = range('radio_buttons.options', 'range_items');
  const overflow = range('overflow.options', 'range_items');
  const files = range('file_input.max_files', 'range');
  const richText: Check = richTextBlock();

  const known: Record<string, Check> = {
    button: object({
      ...actionable,
      'text!': plain(limit('button.text', 'max_len')),
      value: string(limit('button.value', 'max_len')),
      url: string(limit('button.url', 'max_len'), 1),
      style: oneOf('primary', 'danger'),
      accessibility_label: string(limit('button.accessibility_label', 'max_len')),
      confirm,
    }),
    static_select: object({ ...choosing, initial_option: plainOption }, optionsXorGroups),
    multi_static_select: object({ ...choosing, ...selected, initial_options: manyOptions }, optionsXorGroups),
    external_select: object({ ...asking, placeholder, initial_option: plainOption, min_query_length: integer(0) }),
    multi_external_select: object({
      ...asking,
      ...selected,
      placeholder,
      initial_options: manyOptions,
      min_query_length: integer(0),
    }),
    users_select: object({ ...asking, placeholder, initial_user: string(30, 1) }),
    multi_users_select: object({ ...asking, ...selected, placeholder, initial_users: list(string(30, 1), 0, 100) }),
    conversations_select: object({
      ...asking,
      placeholder,
      initial_conversation: string(30, 1),
      default_to_current_conversation: boolean,
      response_url_enabled: boolean,
      filter: tag,
    }),
    channels_select: object({
      ...asking,
      placeholder,
      initial_channel: string(30, 1),
      response_url_enabled: boolean,
    }),
    overflow: object({
      ...actionable,
      confirm,
      'options!': list(option(plain(limit('option.text', 'max_len')), true), overflow.min, overflow.max),
    }),
    checkboxes: object({
      ...asking,
      'options!': list(richOption, boxes.min, boxes.max),
      initial_options: list(richOption, 1, boxes.max),
    }),
    radio_buttons: object({
      ...asking,
      'options!': list(richOption, radios.min, radios.max),
      initial_option: richOption,
    }),
    plain_text_input: object(
      {
        ...typing,
        initial_value: string(inputMax),
        multiline: boolean,
        min_length: integer(0, inputMax),
        max_length: integer(1, inputMax),
      },
      lengthsInOrder,
    ),
    number_input: object({
      ...typing,
      'is_decimal_allowed!': boolean,
      initial_value: string(30),
      min_value: string(30),
      max_value: string(30),
    }),
    email_text_input: object({ ...typing, initial_value: string(inputMax) }),
    url_text_input: object({ ...typing, initial_value: string(inputMax) }),
    datepicker: object({ ...asking, placeholder, initial_date: date }),
    timepicker: object({ ...asking, placeholder, initial_time: time, timezone: string(64, 1) }),
    datetimepicker: object({ ...asking, initial_date_time: integer(1_000_000_000, 9_999_999_999) }),
    file_input: object({
      ...actionable,
      filetypes: list(string(20, 1), 1, 100),
      max_files: integer(files.min, files.max),
    }),
    rich_text_input: object({
      ...typing,
      initial_value: byType('rich text', { rich_text: richText }),
      min_lines: integer(1),
      max_lines: integer(1),
    }),
  };
  const image = object(
    {
      'type!': tag,
      'alt_text!': shownString(limit('image.alt_text', 'max_len')),
      image_url: string(limit('image.image_url', 'max_len'), 1),
      slack_file: tag,
    },
    (value, at, walk) => {
      if ('image_url' in value === 'slack_file' in value) walk.report(at, 'needs image_url or slack_file');
    },
  );
  known.image = image;
  const of = (...types: string[]) => byType('element', Object.fromEntries(types.map((type) => [type, known[type]!])));
  return { plain, text, of, image, richText };
}

function optionsXorGroups(value: Json, at: string, walk: Walk): void {
  if ('options' in value === 'option_groups' in value) walk.report(at, 'needs options or option_groups, not both');
  const options = Array.isArray(value.options) ? (value.options as Json[]) : [];
  unique(
    options.map((one, index) => ({ value: one?.value, at: `${at}/options/${index}/value` })),
    'option value',
    walk,
  );
  const initial = (value.initial_option as Json | undefined)?.value;
  if (initial !== undefined && options.length > 0 && !options.some((one) => one?.value === initial))
    walk.report(`${at}/initial_option`, 'must match one of the options');
}

function lengthsInOrder(value: Json, at: string, walk: Walk): void {
  const { min_length: min, max_length: max } = value;
  if (typeof min === 'number' && typeof max === 'number' && min > max) walk.report(at, 'min_length exceeds max_length');
}

const date: Check = (value, at, walk) => {
  if (!/^\d{4}-\d\d-\d\d$/.test(String(value))) walk.report(at, 'must be YYYY-MM-DD');
};
const time: Check = (value, at, walk) => {
  if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(String(value))) walk.report(at, 'must be HH:mm');
};

/** rich_text and all that may stand inside it. */
function richTextBlock(): Check {
  const styled = (fields: Record<string, Check>) =>
    object({
      'type!': tag,
      ...fields,
      style: object({
        bold: boolean,
        italic: boolean,
        strike: boolean,
        code: boolean,
        underline: boolean,
        highlight: boolean,
        client_highlight: boolean,
        unlink: boolean,
      }),
    });
  const long = Number.MAX_SAFE_INTEGER;
  const texts: Record<string, Check> = {
    text: styled({ 'text!': shownString(long) }),
    link: styled({ 'url!': string(limit('button.url', 'max_len'), 1), text: shownString(long), unsafe: boolean }),
  };
  const inline: Record<string, Check> = {
    ...texts,
    emoji: styled({ 'name!': string(100, 1), unicode: string(100), url: string(3000) }),
    user: styled({ 'user_id!': string(30, 1) }),
    usergroup: styled({ 'usergroup_id!': string(30, 1) }),
    channel: styled({ 'channel_id!': string(30, 1) }),
    team: styled({ 'team_id!': string(30, 1) }),
    broadcast: styled({ 'range!': oneOf('here', 'channel', 'everyone') }),
    color: styled({ 'value!': string(30, 1) }),
    date: styled({
      'timestamp!': integer(),
      'format!': string(200, 1),
      url: string(3000),
      fallback: shownString(long),
    }),
  };
  const inlines = list(byType('rich text element', inline), 0, long);
  const border = oneOf(0, 1);
  const section = object({ 'type!': tag, 'elements!': inlines });
  const parts = byType('rich text', {
    rich_text_section: section,
    rich_text_preformatted: object({ 'type!': tag, 'elements!': list(byType('preformatted', texts), 0, long), border }),
    rich_text_quote: object({ 'type!': tag, 'elements!': inlines, border }),
    rich_text_list: object({
      'type!': tag,
      'elements!': list(byType('list item', { rich_text_section: section }), 1, long),
      'style!': oneOf('bullet', 'ordered'),
      indent: integer(0, 8),
      offset: integer(0),
      border,
    }),
  });
  return object({
    'type!': tag,
    block_id: string(limit('block.block_id', 'max_len')),
    'elements!': list(parts, 1, long),
  });
}
