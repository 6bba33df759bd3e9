/** Compares what the simulator answered with what a real Proxmox VE answered. */

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);

/**
 * Differences in keys and JSON types, as sentences. Rows of a list are compared by what all rows of a kind (their
 * `type`) have between them, since keys appear only when set. `free` names keys that may be there or not.
 */
export function shapeProblems(real: unknown, ours: unknown, free: ReadonlySet<string>, path = '$'): string[] {
  const [realKind, ourKind] = [kindOf(real), kindOf(ours)];
  if (real === null && path !== '$.data') return [];
  if (realKind !== ourKind) return [`${path}: real ${realKind}, ours ${ourKind}`];
  if (Array.isArray(real)) return listProblems(real, ours as unknown[], free, path);
  if (realKind !== 'object') return [];
  if (path.endsWith('.results'))
    return listProblems(Object.values(real as object), Object.values(ours as object), free, path);
  return keyProblems(real as Record<string, unknown>, ours as Record<string, unknown>, free, path);
}

function keyProblems(
  real: Record<string, unknown>,
  ours: Record<string, unknown>,
  free: ReadonlySet<string>,
  path: string,
): string[] {
  const names = new Set([...Object.keys(real), ...Object.keys(ours)]);
  return [...names].flatMap((name) => {
    const at = `${path}.${name}`;
    if (!(name in real)) return free.has(name) ? [] : [`${at}: only ours has it`];
    if (!(name in ours)) return free.has(name) ? [] : [`${at}: only the real one has it`];
    return shapeProblems(real[name], ours[name], free, at);
  });
}

function listProblems(real: unknown[], ours: unknown[], free: ReadonlySet<string>, path: string): string[] {
  if (real.length === 0) return ours.length === 0 ? [] : [`${path}: real is empty, ours has ${ours.length}`];
  if (ours.length === 0) return [`${path}: ours is empty, real has ${real.length}`];
  if (kindOf(real[0]) !== 'object') return shapeProblems(real[0], ours[0], free, `${path}[]`);
  const [realKinds, ourKinds] = [byType(real), byType(ours)];
  return [...realKinds].flatMap(([type, rows]) => {
    const found = ourKinds.get(type);
    if (free.has(`type:${type}`)) return [];
    return found
      ? shapeProblems(merge(rows), merge(found), free, `${path}[${type}]`)
      : [`${path}: ours has no row of type ${type}`];
  });
}

function byType(rows: unknown[]): Map<string, Record<string, unknown>[]> {
  const out = new Map<string, Record<string, unknown>[]>();
  for (const row of rows as Record<string, unknown>[]) {
    const type = 'upid' in row ? 'task' : String(row.type ?? row.key ?? 'row');
    out.set(type, [...(out.get(type) ?? []), row]);
  }
  return out;
}

const merge = (rows: Record<string, unknown>[]): Record<string, unknown> => Object.assign({}, ...rows);

/** Keys whose value depends on the moment or the machine. */
const volatile = new Set([
  'digest',
  'ssl_fingerprint',
  'pid',
  'pstart',
  'starttime',
  'endtime',
  'upid',
  'timestamp',
  'snaptime',
  'ctime',
]);

/** The same with moments taken out and lists in one order, for answers that must be equal word for word. */
export function settled(value: unknown): Json {
  if (Array.isArray(value)) return value.map(settled).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value === 'string') {
    return value
      .replace(/UPID:[^\s]+:/g, 'UPID')
      .replace(/\.conf\.tmp\.\d+/g, '.conf.tmp.PID')
      .replace(/hwaddr=[0-9A-F:]+/g, 'hwaddr=MAC')
      .replace(/[0-9A-F]{2}(:[0-9A-F]{2}){5}/g, 'MAC');
  }
  if (value === null || typeof value !== 'object') return value as Json;
  const entries = Object.entries(value).filter(([key]) => !volatile.has(key));
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, privileges(key, settled(each))]),
  );
}

/** Comma lists whose order Proxmox does not keep. */
const privileges = (key: string, value: Json): Json =>
  (key === 'privs' || key === 'content') && typeof value === 'string' ? value.split(',').sort().join(',') : value;
