import type { types } from '@slack/bolt';
import type { Prompt } from '../../src/contracts/card.ts';
import type { Choice, Form } from '../../src/contracts/chat.ts';
import { cut } from '../../src/contracts/visible.ts';
import {
  INPUT_TEXT_MAX,
  OPTION_TEXT_MAX,
  OPTION_VALUE_MAX,
  OPTIONS_MAX,
  PLACEHOLDER_MAX,
  PRIVATE_METADATA_MAX,
  TYPED_MAX,
  VIEW_BLOCKS_MAX,
  VIEW_TITLE_MAX,
} from './limits.ts';
import { plain } from './text.ts';

/** What a modal remembers between opening and submitting, in Slack's keeping and signed by it. */
export interface Memory {
  readonly channel: string;
  readonly thread?: string;
  readonly responseUrl?: string;
  /** Of a command's form. */
  readonly command?: string;
  /** Of a button's form. */
  readonly ref?: string;
}

export const COMMAND_FORM = 'command-form';
export const PROMPT_FORM = 'prompt-form';
/** Block and action ids of form fields are these plus the option's name. */
export const FIELD = 'field-';
export const TYPED = 'typed';

const text = (value: string, max: number, otherwise: string): types.PlainTextElement => ({
  type: 'plain_text',
  text: plain(value, max, otherwise),
  emoji: false,
});

/** The form of a command with what was typed already filled in. */
export function commandView(form: Form, memory: Memory): types.ModalView {
  return {
    type: 'modal',
    callback_id: COMMAND_FORM,
    private_metadata: remembered({ ...memory, command: form.command }),
    title: text(form.command, VIEW_TITLE_MAX, 'Command'),
    submit: text('Go', VIEW_TITLE_MAX, 'Go'),
    close: text('Cancel', VIEW_TITLE_MAX, 'Cancel'),
    blocks: form.fields.slice(0, VIEW_BLOCKS_MAX).map(input),
  };
}

/** The form of a button: one line of text. */
export function promptView(prompt: Prompt, memory: Memory): types.ModalView {
  return {
    type: 'modal',
    callback_id: PROMPT_FORM,
    private_metadata: remembered(memory),
    title: text(prompt.title, VIEW_TITLE_MAX, 'Confirm'),
    submit: text('OK', VIEW_TITLE_MAX, 'OK'),
    close: text('Cancel', VIEW_TITLE_MAX, 'Cancel'),
    blocks: [
      {
        type: 'input',
        block_id: TYPED,
        label: text(prompt.label, INPUT_TEXT_MAX, 'Your answer'),
        ...(prompt.hint?.trim() && { hint: text(prompt.hint, INPUT_TEXT_MAX, '–') }),
        element: { type: 'plain_text_input', action_id: TYPED, max_length: TYPED_MAX },
      },
    ],
  };
}

type Field = Form['fields'][number];

function input(field: Field): types.InputBlock {
  return {
    type: 'input',
    block_id: `${FIELD}${field.name}`,
    label: text(field.name, INPUT_TEXT_MAX, 'Option'),
    hint: text(field.summary, INPUT_TEXT_MAX, field.name),
    optional: !field.required,
    element: element(field),
  };
}

/** A closed list that fits is a menu, values the bot knows are looked up while typing, all else is typed. */
function element(field: Field): types.InputBlock['element'] {
  const action_id = `${FIELD}${field.name}`;
  const { choices = [], value } = field;
  const listed = choices.length > 0 && choices.length <= OPTIONS_MAX && choices.every(choosable);
  if (listed && (value === undefined || choices.includes(value))) {
    const initial = value === undefined ? {} : { initial_option: option({ label: value, value }) };
    return {
      type: 'static_select',
      action_id,
      options: choices.map((one) => option({ label: one, value: one })),
      ...initial,
    };
  }
  if (field.completes && (value === undefined || choosable(value))) {
    const initial = value === undefined ? {} : { initial_option: option({ label: value, value }) };
    const placeholder = text(`Type to find a ${field.name}`, PLACEHOLDER_MAX, 'Type to find');
    return { type: 'external_select', action_id, min_query_length: 0, placeholder, ...initial };
  }
  return {
    type: 'plain_text_input',
    action_id,
    max_length: TYPED_MAX,
    ...(value !== undefined && value !== '' && { initial_value: cut(value, TYPED_MAX) }),
  };
}

const choosable = (value: string): boolean => value.trim() !== '' && value.length <= OPTION_VALUE_MAX;

const option = ({ label, value }: Choice): types.PlainTextOption => ({
  text: text(label, OPTION_TEXT_MAX, value),
  value,
});

/** Choices as Slack takes them: at most a hundred, each value once; a value too long for Slack cannot be offered. */
export function options(choices: readonly Choice[]): types.PlainTextOption[] {
  const once = new Map(choices.filter(({ value }) => choosable(value)).map((choice) => [choice.value, choice]));
  return [...once.values()].slice(0, OPTIONS_MAX).map(option);
}

function remembered(memory: Memory): string {
  const all = JSON.stringify(memory);
  // The address is the only long part, and answers find another way without it.
  return all.length <= PRIVATE_METADATA_MAX ? all : JSON.stringify({ ...memory, responseUrl: undefined });
}

/** Reads back what {@link commandView} or {@link promptView} stored; undefined for anything else. */
export function memoryOf(metadata: string): Memory | undefined {
  try {
    const value = JSON.parse(metadata) as Memory;
    return typeof value?.channel === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** One field's state as Slack sends it. */
interface State {
  readonly value?: string | null;
  readonly selected_option?: { readonly value: string } | null;
}

/** What stands in a form: values of filled fields by option name. */
export function filled(values: Readonly<Record<string, Readonly<Record<string, State>>>>): Record<string, string> {
  const out: Record<string, string> = {};
  for (const fields of Object.values(values))
    for (const [action, state] of Object.entries(fields)) {
      const value = state.selected_option?.value ?? state.value ?? '';
      if (action.startsWith(FIELD) && value.trim() !== '') out[action.slice(FIELD.length)] = value.trim();
    }
  return out;
}
