import { badInput, bytesOf, oneLine } from './hands-answer.ts';

/** Checks of the fields of a request, in the real program's words. Each returns the clean value or ends the call. */
export type Check<T> = (name: string, value: unknown) => T;
export type Checks = Readonly<Record<string, Check<unknown>>>;
type Clean<C extends Checks> = { readonly [Name in keyof C]: ReturnType<C[Name]> };
export type ArgsOf<Needs extends Checks, May extends Checks> = Clean<Needs> & Partial<Clean<May>>;

export const text =
  (pattern: RegExp, meaning: string): Check<string> =>
  (name, value) => {
    if (typeof value !== 'string') return badInput(`${name} is not a text`);
    return pattern.exec(value)?.[1] ?? badInput(`${name} is not ${meaning}`);
  };

export const vmid: Check<number> = (name, value) => {
  if (typeof value !== 'number') return badInput(`${name} is not a number`);
  if (!/^[1-9][0-9]{2,8}$/.test(String(value))) return badInput(`${name} is not a guest's number (100 to 999999999)`);
  return value;
};

export const flag: Check<boolean> = (name, value) =>
  typeof value === 'boolean' ? value : badInput(`${name} is neither true nor false`);

export const id = text(/^([A-Za-z0-9][A-Za-z0-9._:-]{0,63})$/, 'an id (letters, digits, . _ : -, at most 64)');
export const marker = text(/^(bascule:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})$/, 'a marker of ours (bascule:ID)');
export const user = text(
  /^([a-z_][a-z0-9_-]{0,31})$/,
  'a user name (a-z, 0-9, _ and -, at most 32, not a digit first)',
);
export const upid = text(
  /^(UPID:[A-Za-z0-9-]{1,63}:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[a-z0-9]{1,32}:[0-9]{0,9}:[A-Za-z0-9@!._-]{1,120}:)$/,
  'a task id (UPID:…)',
);
/** As bytes. */
export const script: Check<string> = (name, value) =>
  bytesOf(
    text(/^(#!\/[^\0]{1,65000})$/u, 'a script that begins with #! (at most 65000 characters, no NUL)')(name, value),
  );

export const minutes: Check<number> = (name, value) => {
  if (typeof value !== 'number') return badInput(`${name} is not a number`);
  return Number.isInteger(value) && value >= 1 && value <= 60 ? value : badInput(`${name} is not between 1 and 60`);
};

const line = text(/^([\x20-\x7e]{1,16384})$/, 'one line of printable ASCII');
export const lines: Check<readonly string[]> = (name, value) => {
  if (!Array.isArray(value)) return badInput(`${name} is not a list`);
  if (value.length > 200) return badInput(`${name} has more than 200 lines`);
  return value.map((each, index) => line(`${name}[${index}]`, each));
};

const kept = /^(.*)$/s;
/** A path inside a container, as bytes. */
export const path: Check<string> = (name, value) => {
  const whole = text(kept, 'a path')(name, value);
  const length = [...whole].length;
  if (length < 1 || length > 4096) return badInput(`${name} is not a path`);
  return soundPath(name, bytesOf(whole));
};

/** The same, for names that are not UTF-8. */
export const path64: Check<string> = (name, value) => {
  const base64 = text(
    /^((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)$/,
    'base64',
  )(name, value);
  return soundPath(name, Buffer.from(base64, 'base64').toString('latin1'));
};

export function soundPath(name: string, bytes: string): string {
  if (!bytes.startsWith('/')) return badInput(`${name} is not absolute`);
  if (/[\0\n\r]/.test(bytes)) return badInput(`${name} has a NUL or a line break`);
  if (bytes.length > 4000) return badInput(`${name} is longer than 4000 bytes`);
  if (bytes !== '/' && /\/\/|\/\.\.?\//.test(`${bytes}/`)) return badInput(`${name} has an empty part, or . or ..`);
  if (/^(?:\/[^/]+)*\/\.zfs\//.test(`${bytes}/`)) return badInput(`${name} goes into .zfs: name the snapshot in from`);
  if (bytes.split('/').some((part) => part.length > 255)) return badInput(`${name} has a part longer than 255 bytes`);
  return bytes;
}

export const version = text(/^([A-Za-z0-9_][A-Za-z0-9_.:-]{0,199})$/, 'live or the name of a snapshot');
export const volume = text(/^((?:subvol|basevol)-[0-9]{3,9}-disk-[0-9]{1,4})$/, 'a volume (subvol-103-disk-0)');
export const stamp = text(/^(20[0-9]{6}T[0-9]{6}Z)$/, 'a UTC time (20261121T003152Z)');
export const guid = text(/^([0-9]{1,20})$/, 'the guid of a snapshot, in quotes');
export const home = text(/^(keep|remove)$/, 'keep or remove');

export const foreign = text(/^(adopt|release)$/, 'adopt or release');

export const mac = text(/^([0-9A-F]{2}(?::[0-9A-F]{2}){5})$/, 'a MAC address (BC:24:11:00:01:03)');

/** Every field known, every needed one there, each checked in the order of their names. */
export function checkedArgs(
  verb: string,
  needs: Checks,
  may: Checks,
  args: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const table = { ...needs, ...may };
  for (const name of Object.keys(args))
    if (!Object.hasOwn(table, name)) badInput(`${verb} knows no field named ${oneLine(bytesOf(name))}`);
  const clean: Record<string, unknown> = {};
  for (const name of Object.keys(table).sort()) {
    if (Object.hasOwn(args, name)) clean[name] = table[name]!(name, args[name]);
    else if (Object.hasOwn(needs, name)) badInput(`${verb} needs the field ${name}`);
  }
  return clean;
}
