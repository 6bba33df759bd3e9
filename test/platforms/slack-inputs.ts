import type { Json, SlackMessage, SlackView } from './slack-world.ts';

/** Fields of a modal by action_id, block_id or label: text, an option's value or label, or a whole option. */
export type Values = Record<string, string | string[] | Json>;

export interface Found {
  element: Json;
  block: Json;
}

/** Every interactive element with the block that holds it. */
export function elementsOf(on: SlackMessage | SlackView): Found[] {
  const blocks = ('rootId' in on ? on.body.blocks : on.blocks) as Json[];
  return blocks.flatMap((block) => {
    const parts = [...((block.type === 'actions' ? block.elements : []) as Json[]), block.accessory, block.element];
    return parts.filter(Boolean).map((element) => ({ element: element as Json, block }));
  });
}

/** The one element that is named so by action_id, label or value; throws with what there is. */
export function find(on: SlackMessage | SlackView, kind: (element: Json) => boolean, name: string): Found {
  const all = elementsOf(on).filter(({ element }) => kind(element));
  const label = (one: Found) =>
    (one.element.text as Json | undefined)?.text ?? (one.block.label as Json | undefined)?.text;
  const hits = all.filter((one) =>
    [one.element.action_id, label(one), one.element.value, one.block.block_id].includes(name),
  );
  if (hits.length === 1) return hits[0]!;
  const seen = all.map((one) => `${String(label(one))} (${String(one.element.action_id)})`).join(', ');
  throw new Error(
    `${hits.length === 0 ? 'nothing' : `${hits.length} elements`} named "${name}" among: ${seen || 'none'}`,
  );
}

/** The `state.values` of a view; with `complete`, what Slack's client would not let through throws. */
export function stateFor(body: Json, values: Values, complete = false): Json {
  const state: Record<string, Json> = {};
  const used = new Set<string>();
  for (const block of body.blocks as Json[]) {
    if (block.type !== 'input') continue;
    const element = block.element as Json;
    const label = String((block.label as Json).text);
    const key = [element.action_id, block.block_id, label].map(String).find((one) => one in values);
    if (key !== undefined) used.add(key);
    const value = fill(element, key === undefined ? undefined : values[key], label);
    const empty = Object.values(value).every(
      (one) => one === null || one === '' || (Array.isArray(one) && one.length === 0),
    );
    if (complete && empty && block.optional !== true) throw new Error(`"${label}" is required and empty`);
    state[String(block.block_id)] = { [String(element.action_id)]: { type: element.type, ...value } };
  }
  const unknown = Object.keys(values).filter((one) => !used.has(one));
  if (complete && unknown.length > 0) throw new Error(`the form has no field ${unknown.join(', ')}`);
  return state;
}

/** One element's value as it travels; falls back to the initial value. */
function fill(element: Json, given: Values[string] | undefined, label: string): Json {
  const type = String(element.type);
  if (type === 'checkboxes' || type === 'multi_static_select') {
    const wanted = given === undefined ? undefined : [given].flat();
    const selected = wanted?.map((one) => pick(element, one as string, label)) ?? element.initial_options ?? [];
    return { selected_options: selected };
  }
  if (type.endsWith('_select') || type === 'radio_buttons') {
    if (type === 'users_select') return { selected_user: given ?? element.initial_user ?? null };
    if (type === 'conversations_select')
      return { selected_conversation: given ?? element.initial_conversation ?? null };
    if (given === undefined) return { selected_option: element.initial_option ?? null };
    if (given === '') return { selected_option: null };
    return { selected_option: typeof given === 'object' ? given : pick(element, given, label) };
  }
  if (type === 'datepicker') return { selected_date: given ?? element.initial_date ?? null };
  if (type === 'timepicker') return { selected_time: given ?? element.initial_time ?? null };
  return { value: typed(element, given ?? element.initial_value ?? null, label) };
}

function typed(element: Json, value: unknown, label: string): unknown {
  if (value === null || value === '') return null;
  const length = [...String(value)].length;
  if (typeof element.max_length === 'number' && length > element.max_length)
    throw new Error(`"${label}" takes ${element.max_length} characters`);
  if (typeof element.min_length === 'number' && length < element.min_length)
    throw new Error(`"${label}" needs ${element.min_length} characters`);
  if (element.type === 'number_input' && !/^-?\d+(\.\d+)?$/.test(String(value)))
    throw new Error(`"${label}" takes a number`);
  return String(value);
}

function pick(element: Json, wanted: string, label: string): Json {
  const groups = (element.option_groups ?? []) as { options: Json[] }[];
  const options = [...((element.options ?? []) as Json[]), ...groups.flatMap((one) => one.options)];
  const hit = options.find((one) => one.value === wanted || (one.text as Json).text === wanted);
  if (!hit)
    throw new Error(`"${label}" has no option "${wanted}", only ${options.map((one) => String(one.value)).join(', ')}`);
  return hit;
}
