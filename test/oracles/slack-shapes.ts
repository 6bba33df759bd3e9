import { codePoints } from './limits.ts';

/** One thing Slack would refuse, in the words of its own response_metadata. */
export interface Problem {
  pointer: string;
  message: string;
}

/** Collects what a walk over blocks has found. */
export interface Walk {
  problems: Problem[];
  /** Code points of all text seen so far: Slack has an undocumented budget for their sum. */
  text: number;
  report(pointer: string, message: string): void;
}

export type Check = (value: unknown, at: string, walk: Walk) => void;
export type Json = Record<string, unknown>;

export function newWalk(): Walk {
  const problems: Problem[] = [];
  return { problems, text: 0, report: (pointer, message) => problems.push({ pointer, message }) };
}

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A string of `min` to `max` code points. */
export function string(max: number, min = 0): Check {
  return (value, at, walk) => {
    if (typeof value !== 'string') return walk.report(at, 'must be a string');
    const length = codePoints(value);
    if (length < min) walk.report(at, `must be more than ${min - 1} characters`);
    if (length > max) walk.report(at, `must be less than ${max + 1} characters`);
  };
}

/** Like string, and counted against the budget of the whole message. */
export function shownString(max: number, min = 1): Check {
  const check = string(max, min);
  return (value, at, walk) => {
    check(value, at, walk);
    if (typeof value === 'string') walk.text += codePoints(value);
  };
}

export const boolean: Check = (value, at, walk) => {
  if (typeof value !== 'boolean') walk.report(at, 'must be a boolean');
};

export function integer(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Check {
  return (value, at, walk) => {
    if (!Number.isInteger(value)) return walk.report(at, 'must be an integer');
    if ((value as number) < min || (value as number) > max) walk.report(at, `must be between ${min} and ${max}`);
  };
}

export function oneOf(...allowed: unknown[]): Check {
  return (value, at, walk) => {
    if (!allowed.includes(value)) walk.report(at, `must be one of ${JSON.stringify(allowed)}`);
  };
}

export function list(each: Check, min: number, max: number): Check {
  return (value, at, walk) => {
    if (!Array.isArray(value)) return walk.report(at, 'must be an array');
    if (value.length < min) walk.report(at, `must contain at least ${min} items`);
    if (value.length > max) walk.report(at, `no more than ${max} items allowed`);
    value.forEach((item, index) => {
      each(item, `${at}/${index}`, walk);
    });
  };
}

/** An object with exactly these fields; names ending in `!` are required. `also` sees the whole object. */
export function object(fields: Record<string, Check>, also?: (value: Json, at: string, walk: Walk) => void): Check {
  const checks = new Map(Object.entries(fields).map(([name, check]) => [name.replace(/!$/, ''), check]));
  const required = Object.keys(fields).filter((name) => name.endsWith('!'));
  return (value, at, walk) => {
    if (!isObject(value)) return walk.report(at, 'must be an object');
    for (const [name, part] of Object.entries(value)) {
      const check = checks.get(name);
      if (check) check(part, `${at}/${name}`, walk);
      else walk.report(`${at}/${name}`, `unknown field: ${name}`);
    }
    for (const name of required) {
      if (!(name.slice(0, -1) in value)) walk.report(at, `missing required field: ${name.slice(0, -1)}`);
    }
    also?.(value, at, walk);
  };
}

/** Chooses by `type`; an unknown type is refused. */
export function byType(what: string, types: Record<string, Check>): Check {
  return (value, at, walk) => {
    if (!isObject(value)) return walk.report(at, 'must be an object');
    const check = Object.hasOwn(types, String(value.type)) ? types[String(value.type)] : undefined;
    if (check) check(value, at, walk);
    else walk.report(`${at}/type`, `unsupported type for ${what}: ${String(value.type)}`);
  };
}

/** A type tag; byType has compared it already. */
export const tag: Check = () => {};

/** Refuses a second use of a string within one list, such as action_id in a block. */
export function unique(values: { value: unknown; at: string }[], what: string, walk: Walk): void {
  const seen = new Set<string>();
  for (const { value, at } of values) {
    if (typeof value !== 'string') continue;
    if (seen.has(value)) walk.report(at, `${what} "${value}" already exists`);
    seen.add(value);
  }
}
