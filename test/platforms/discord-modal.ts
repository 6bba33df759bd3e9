import { codePoints } from '../oracles/limits.ts';
import type { Json } from './discord-world.ts';

const ROW = 1;
const SELECT = 3;
const TEXT_DISPLAY = 10;
const LABEL = 18;

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** Values of a form by custom_id or label; a list for a select with several. */
export type ModalValues = Record<string, string | string[]>;

/** The components of a modal submit; throws where Discord's client would not let the person send it. */
export function filledModal(body: Json, values: ModalValues): Json[] {
  const used = new Set<string>();
  const components = list(body.components).map((one, index): Json => {
    if (one.type === ROW)
      return {
        type: ROW,
        id: index + 1,
        components: list(one.components).map((input) => field(input, String(input.label), values, used)),
      };
    if (one.type === LABEL)
      return { type: LABEL, id: index + 1, component: field(one.component as Json, String(one.label), values, used) };
    return { type: TEXT_DISPLAY, id: index + 1 };
  });
  const unknown = Object.keys(values).filter((one) => !used.has(one));
  if (unknown.length > 0) throw new Error(`the form has no field ${unknown.join(', ')}`);
  return components;
}

function field(input: Json, label: string, values: ModalValues, used: Set<string>): Json {
  const id = String(input.custom_id);
  const key = [id, label].find((one) => one in values);
  if (key !== undefined) used.add(key);
  const given = key === undefined ? undefined : values[key];
  const common = { type: input.type, custom_id: id, id: 100 + used.size };
  const optional = input.required === false;
  if (input.type === SELECT) {
    const preset = list(input.options)
      .filter((one) => one.default === true)
      .map((one) => String(one.value));
    const chosen = given === undefined ? preset : [given].flat().map((one) => option(input, one, label));
    if (chosen.length === 0 && !optional) throw new Error(`"${label}" is required`);
    return { ...common, values: chosen };
  }
  if (Number(input.type) >= 5) {
    const chosen = given === undefined ? [] : [given].flat();
    if (chosen.length === 0 && !optional) throw new Error(`"${label}" is required`);
    return { ...common, values: chosen };
  }
  const value = String(given ?? input.value ?? '');
  const length = codePoints(value);
  if (length === 0 && !optional) throw new Error(`"${label}" is required`);
  if (length > 0 && length < Number(input.min_length ?? 0))
    throw new Error(`"${label}" needs ${input.min_length} characters`);
  if (length > Number(input.max_length ?? 4000))
    throw new Error(`"${label}" takes ${input.max_length ?? 4000} characters`);
  return { ...common, value };
}

function option(input: Json, wanted: string, label: string): string {
  const hit = list(input.options).find((one) => one.value === wanted || one.label === wanted);
  if (!hit)
    throw new Error(
      `"${label}" has no option "${wanted}", only ${list(input.options)
        .map((one) => String(one.label))
        .join(', ')}`,
    );
  return String(hit.value);
}
