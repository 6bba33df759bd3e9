import { formatCheck } from './formats.ts';

/**
 * Parameter verification in Proxmox's order and words (PVE::JSONSchema): type, format, pattern, length, range,
 * enumeration. All errors are collected, one per parameter.
 */
export interface Rule {
  type: 'string' | 'integer' | 'number' | 'boolean';
  optional?: boolean;
  format?: string;
  /** A property string such as `net0`: its keys, and which key a bare value stands for. */
  keys?: Record<string, Rule>;
  defaultKey?: string;
  /** Keys that are another key's value: `virtio=AA:BB:…` is `model=virtio,macaddr=AA:BB:…`. */
  keyAliases?: { key: string; value: string; names: readonly string[] };
  pattern?: RegExp;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  values?: readonly string[];
  /** Where the versions differ in their values. */
  valuesIn?: Record<'8.4' | '9.2', readonly string[]>;
  /** Which version has it; both when missing. */
  only?: '8.4' | '9.2';
}

export type Rules = Record<string, Rule>;

export const optional = (rule: Rule): Rule => ({ ...rule, optional: true });
export const text = (more: Partial<Rule> = {}): Rule => ({ type: 'string', ...more });
export const integer = (min?: number, max?: number): Rule => ({ type: 'integer', min, max });
export const number = (min?: number, max?: number): Rule => ({ type: 'number', min, max });
export const flag: Rule = { type: 'boolean', optional: true };
export const format = (name: string, more: Partial<Rule> = {}): Rule => ({ type: 'string', format: name, ...more });
export const oneOf = (...values: string[]): Rule => ({ type: 'string', values });
export const properties = (keys: Record<string, Rule>, more: Partial<Rule> = {}): Rule => ({
  type: 'string',
  keys,
  ...more,
});

export const vmid: Rule = { type: 'integer', format: 'pve-vmid', min: 100, max: 999999999 };
export const node: Rule = format('pve-node');

const unknownProperty = 'property is not defined in schema and the schema does not allow additional properties';
const missingProperty = 'property is missing and it is not optional';

function typeError(rule: Rule, value: string): string | undefined {
  const fits =
    rule.type === 'string' ||
    (rule.type === 'boolean' && (value === '0' || value === '1')) ||
    (rule.type === 'integer' && /^[+-]?\d+$/.test(value)) ||
    (rule.type === 'number' && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value));
  return fits ? undefined : `type check ('${rule.type}') failed - got '${value}'`;
}

function formatError(rule: Rule, value: string, path: string, pve?: '8.4' | '9.2'): string | undefined {
  if (rule.format) return formatCheck(rule.format)(value);
  if (!rule.keys) return undefined;
  const parsed = parseProperties(rule, value);
  if (typeof parsed === 'string') return parsed;
  const errors = verify(rule.keys, parsed, pve);
  if (errors.size === 0) return undefined;
  return `format error\n${[...errors].map(([key, error]) => `${path}.${key}: ${error}\n`).join('')}`;
}

/** `name=eth0,bridge=vmbr0` to its parts; a string is the complaint. */
export function parseProperties(rule: Rule, value: string): Record<string, string> | string {
  const out: Record<string, string> = {};
  for (const part of value.split(',')) {
    if (part.trim() === '') continue;
    const eq = part.indexOf('=');
    const [name, content] = eq < 0 ? [undefined, part] : [part.slice(0, eq), part.slice(eq + 1)];
    const key = name ?? rule.defaultKey;
    if (key === undefined) return 'value without key, but schema does not define a default key\n';
    if (rule.keyAliases?.names.includes(key)) {
      out[rule.keyAliases.key] = key;
      out[rule.keyAliases.value] = content;
      continue;
    }
    if (key in out) return `duplicate key in comma-separated list property: ${key}\n`;
    out[key] = content;
  }
  return out;
}

export function verifyValue(rule: Rule, value: string, path: string, pve?: '8.4' | '9.2'): string | undefined {
  const type = typeError(rule, value);
  if (type) return type;
  const complaint = formatError(rule, value, path, pve);
  if (complaint) return `invalid format - ${complaint}`;
  if (rule.pattern && !rule.pattern.test(value)) return 'value does not match the regex pattern';
  if (rule.maxLength !== undefined && value.length > rule.maxLength) {
    return `value may only be ${rule.maxLength} characters long`;
  }
  if (rule.minLength !== undefined && value.length < rule.minLength) {
    return `value must be at least ${rule.minLength} characters long`;
  }
  if (rule.type === 'integer' || rule.type === 'number') {
    if (rule.max !== undefined && Number(value) > rule.max) return `value must have a maximum value of ${rule.max}`;
    if (rule.min !== undefined && Number(value) < rule.min) return `value must have a minimum value of ${rule.min}`;
  }
  const values = rule.valuesIn?.[pve ?? '9.2'] ?? rule.values;
  if (values && !values.includes(value)) {
    return `value '${value}' does not have a value in the enumeration '${values.join(', ')}'`;
  }
  return undefined;
}

/** `net3` is ruled by `net[n]`. */
function ruleFor(rules: Rules, name: string): Rule | undefined {
  if (Object.hasOwn(rules, name)) return rules[name];
  const indexed = /^([a-z]+)\d{1,3}$/.exec(name);
  const key = indexed && `${indexed[1]}[n]`;
  return key && Object.hasOwn(rules, key) ? rules[key] : undefined;
}

/** Parameter name to complaint; empty when all is well. Values are text, booleans already `0` or `1`. */
export function verify(rules: Rules, params: Record<string, string>, pve?: '8.4' | '9.2'): Map<string, string> {
  const errors = new Map<string, string>();
  const known = (rule: Rule | undefined) => rule && (!rule.only || !pve || rule.only === pve);
  for (const [name, value] of Object.entries(params)) {
    const rule = ruleFor(rules, name);
    const error = rule && known(rule) ? verifyValue(rule, value, name, pve) : unknownProperty;
    if (error) errors.set(name, error);
  }
  for (const [name, rule] of Object.entries(rules)) {
    if (!rule.optional && known(rule) && !name.endsWith('[n]') && !Object.hasOwn(params, name))
      errors.set(name, missingProperty);
  }
  return errors;
}

/** Proxmox reads on/yes/true as 1 and off/no/false as 0, lower case only, before it checks the type. */
export function normaliseBooleans(rules: Rules, params: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      if (ruleFor(rules, name)?.type !== 'boolean') return [name, value];
      if (/^(on|yes|true)$/.test(value)) return [name, '1'];
      if (/^(off|no|false)$/.test(value)) return [name, '0'];
      return [name, value];
    }),
  );
}
