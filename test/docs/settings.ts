import { z } from 'zod';
import { configSchema } from '../../src/settings.ts';

/** What this page reads of a JSON Schema. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly pattern?: string;
  readonly items?: Schema | false;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly anyOf?: readonly Schema[];
}

export interface Setting {
  /** `clusters.NAME.house.ct.disk` */
  readonly key: string;
  readonly type: string;
  /** As it would stand in the file; `required` where nothing works without it. */
  readonly unset: string;
  readonly about: string;
}

/** What stands for the key people choose themselves. */
const CHOSEN: Readonly<Record<string, string>> = {
  clusters: 'NAME',
  people: 'ID',
  roles: 'ROLE',
  sites: 'PLACE',
  nodes: 'NODE',
};

/** Every setting of the config, in the order of its schema. */
export function settings(): readonly Setting[] {
  const root = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema;
  const seen = new Set<string>();
  // Kinds of one block, such as alerts of three platforms, share most of their keys.
  return below(root, '', '').filter(({ key }) => !seen.has(key) && seen.add(key));
}

function below(schema: Schema, path: string, inherited: string): Setting[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = path ? `${path}.${name}` : name;
    const about = child.description ?? inherited;
    const required = schema.required?.includes(name) ?? false;
    // A list of blocks: each of its rows shows the keys of one.
    const items = child.items || undefined;
    const kinds = (items?.anyOf ?? [items]).filter((kind) => kind?.properties);
    if (kinds.length > 0) return kinds.flatMap((kind) => below({ ...kind!, required: [] }, `${key}[]`, about));
    const branches = child.anyOf?.filter((branch) => branch.properties) ?? [];
    if (branches.length > 0) return branches.flatMap((branch) => below({ ...branch, required: [] }, key, about));
    if (child.properties) return below(child, key, about);
    const chosen = child.additionalProperties || undefined;
    if (chosen?.properties) return below(chosen, `${key}.${CHOSEN[name] ?? 'NAME'}`, '');
    return [{ key, type: typeOf(child), unset: required ? 'required' : defaultOf(child), about }];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.prefixItems) return `list of ${schema.prefixItems.length} numbers`;
  if (schema.type === 'array') return `list of ${schema.items ? plural(typeOf(schema.items)) : 'values'}`;
  if (schema.type === 'object') return namedValues(schema);
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'integer' || schema.type === 'number') return numbers(schema);
  if (schema.pattern?.includes('(min|h|d')) return 'duration';
  return schema.format === 'uri' ? 'address' : 'text';
}

const namedValues = ({ additionalProperties: each }: Schema): string =>
  each && each.type === 'array' ? 'lists of text by name' : 'text by name';

const plural = (type: string): string => (type === 'address' ? 'addresses' : type.replace(/^number\b/, 'numbers'));

function numbers({ minimum, maximum }: Schema): string {
  const open = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return 'number';
  return open ? `number from ${minimum}` : `${minimum} to ${maximum}`;
}

function defaultOf(schema: Schema): string {
  const value = schema.default;
  if (value === undefined) return '–';
  if (Array.isArray(value) && value.length === 0) return 'none';
  if (value !== null && typeof value === 'object' && Object.keys(value).length === 0) return 'none';
  return `\`${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}\``;
}

/** The store has its default on the union, not on its branches. */
export function settingsTable(): string {
  const rows = settings().map(({ key, type, unset, about }) => [
    `\`${key}\``,
    type,
    key === 'store.file' ? `\`${(configSchema.shape.store.parse(undefined) as { file: string }).file}\`` : unset,
    about,
  ]);
  return table(['Setting', 'Type', 'Default', 'What it is'], rows);
}

/** A Markdown table with even columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')));
  const widths = head.map((_, at) => Math.max(3, ...cells.map((row) => [...row[at]!].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, at) => text + ' '.repeat(widths[at]! - [...text].length)).join(' | ')} |`;
  return [line(cells[0]!), line(widths.map((width) => '-'.repeat(width))), ...cells.slice(1).map(line)].join('\n');
}
