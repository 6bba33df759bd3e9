import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DateTime, IANAZone } from 'luxon';
import { z } from 'zod';
import { Failed, fail } from './contracts/failure.ts';
import type { News, Observation } from './contracts/watch.ts';
import { blankMemory, pass, type Watched, watch } from './watch/index.ts';
import { rows } from './watch/read.ts';

/**
 * `bascule replay FILE… [--json]`: recorded answers through the very code that watches, and what it would post in
 * the end. Formats: `{meta, timeline}`, `{meta, requests}` and `{meta, request}` (a webhook).
 */

export interface Recording {
  readonly cluster: string;
  /** IANA name; UTC when the recording does not say. */
  readonly zone: string;
  readonly observations: readonly Observation[];
  /** By one that looks all the time: when it saw nothing there was nothing. Else what lies between is not recorded. */
  readonly polled: boolean;
}

const meta = z
  .looseObject({
    cluster: z.string().min(1).optional().catch(undefined),
    tz: z.string().optional().catch(undefined),
    t0: z.number().optional().catch(undefined),
    now: z.number().optional().catch(undefined),
    product: z.string().optional().catch(undefined),
  })
  .optional()
  .catch(undefined);

const answer = z.looseObject({
  endpoint: z.string(),
  method: z.string().optional(),
  via: z.string().optional(),
  status: z.number().catch(200),
  t: z.number().optional(),
  at: z.number().optional(),
  body: z.unknown().optional(),
  reason: z.string().nullish(),
  error: z.unknown().optional(),
});

const recording = z.union([
  z.object({ meta, timeline: z.array(z.unknown()) }),
  z.object({ meta, requests: z.array(z.unknown()) }),
  z.object({
    meta,
    request: z.looseObject({ headers: z.record(z.string(), z.unknown()).default({}), body: z.unknown().optional() }),
    parsed: z.looseObject({ timestamp: z.number().optional().catch(undefined) }).optional(),
  }),
]);

/** What a recording holds, in the order it was seen. Throws Failed when it is none. */
export function readRecording(text: string, name: string): Recording {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return unreadable(name, `it is no JSON: ${(error as Error).message}`);
  }
  const read = recording.safeParse(json);
  if (!read.success) return unreadable(name, 'it has neither timeline nor requests nor request');
  const { data } = read;
  const cluster = data.meta?.cluster ?? 'replay';
  const zone = data.meta?.tz && IANAZone.isValidZone(data.meta.tz) ? data.meta.tz : 'UTC';
  const start = data.meta?.t0 ?? data.meta?.now ?? 0;
  if ('request' in data) {
    const product = data.meta?.product === 'pbs' ? 'pbs' : 'pve';
    const at = data.parsed?.timestamp ?? start;
    const hook = { cluster, at, via: 'webhook', endpoint: `/hooks/${product}/${cluster}`, status: 200 };
    return { cluster, zone, observations: [{ ...hook, data: data.request.body }], polled: false };
  }
  const answers = 'timeline' in data ? data.timeline : data.requests;
  const observations: Observation[] = [];
  let at = start;
  for (const one of rows(answer, answers)) {
    at = one.at ?? (one.t === undefined ? at : start + one.t);
    if (one.endpoint.startsWith('ssh ') || (one.method ?? 'GET') !== 'GET') continue;
    const said = errorOf(one.error) ?? one.reason ?? undefined;
    observations.push({
      cluster,
      at,
      via: one.via ?? 'replay',
      endpoint: one.endpoint,
      status: one.status,
      ...(isObject(one.body) && 'data' in one.body ? { data: one.body.data } : {}),
      ...(said ? { error: said } : {}),
    });
  }
  return { cluster, zone, observations, polled: 'timeline' in data };
}

function unreadable(name: string, why: string): never {
  return fail('bad-input', {
    what: `${name} was not replayed`,
    why,
    next: 'a recording as events/README.md describes it, or a folder of them',
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function errorOf(error: unknown): string | undefined {
  if (typeof error === 'string') return error;
  return isObject(error) && typeof error.message === 'string' ? error.message : undefined;
}

/** Everything that would be said of a recording, as it would be said. */
export function replay({ cluster, observations, polled }: Recording): News[] {
  let memory = blankMemory(cluster);
  const news: News[] = [];
  const take = (seen: Watched) => {
    memory = seen.memory;
    news.push(...seen.news);
  };
  for (const observation of observations) {
    take(watch(memory, observation));
    if (polled) take(pass(memory, observation.at));
  }
  return news;
}

/** Each thing once, in its last state, where it first was said; what turned out to be something else is withdrawn. */
export function finalNews(news: readonly News[]): News[] {
  const last = new Map<string, News>();
  const times = new Map<string, { count: number; over: boolean }>();
  for (const one of news) {
    const time = times.get(one.incident) ?? { count: 0, over: false };
    times.set(one.incident, time);
    // What opens after its end has happened again.
    if (one.phase === 'opens' && time.over) time.count += 1;
    if (one.phase === 'opens' || one.phase === 'ends') time.over = one.phase === 'ends';
    const instead = one.facts?.instead;
    if (Array.isArray(instead))
      for (const kind of instead) last.delete(keyOf({ ...one, kind: kind as News['kind'] }, time.count));
    last.set(keyOf(one, time.count), one);
  }
  return [...last.values()];
}

function keyOf({ kind, incident, phase, guest, node, jobId, from, to, startedAt }: News, time: number): string {
  const about = [incident, time, kind, guest?.vmid ?? node ?? '', jobId ?? ''];
  // Notes have no end: a guest moves there and back, a job runs every night.
  if (phase === 'note') about.push(from ?? '', to ?? '');
  if (/^(backup|datastore)-/.test(kind)) about.push(startedAt ?? '');
  return JSON.stringify(about);
}

/** One JSON line: the facts are at the top level, the news' own words win. */
export function jsonLine({ facts, ...news }: News): string {
  const { instead: _instead, ...shown } = facts ?? {};
  const said = { ...news, guests: news.guests ?? [] };
  return JSON.stringify({ ...said, ...shown, ...said });
}

/** `11-12 10:38:40  critical  ha-failover  103 robotoff: ovh2 → ovh3, …`, in the servers' own time. */
export function textLine(news: News, zone: string): string {
  const at = news.startedAt ?? news.at;
  const when = at === undefined ? '              ' : DateTime.fromSeconds(at, { zone }).toFormat('MM-dd HH:mm:ss');
  return `${when}  ${news.severity.padEnd(8)}  ${news.kind}\n    ${news.text.replaceAll('\n', '\n    ')}`;
}

export interface ReplayOut {
  line(text: string): void;
  complain(text: string): void;
}

/** Replays files, folders and `-` (stdin). The exit code: 0, or 2 when something could not be read. */
export function runReplay(paths: readonly string[], { json }: { json: boolean }, out: ReplayOut): 0 | 2 {
  if (paths.length === 0)
    fail('bad-input', {
      what: 'Nothing was replayed',
      why: 'no file was named',
      next: 'bascule replay FILE… [--json], or - for what comes in',
    });
  let code: 0 | 2 = 0;
  const tell = (path: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Failed) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      code = 2;
      out.complain(describe(path, error));
    }
  };
  for (const path of paths)
    tell(path, () => {
      for (const file of filesIn(path))
        tell(file, () => {
          const read = readRecording(file === '-' ? readFileSync(0, 'utf8') : readFileSync(file, 'utf8'), file);
          for (const one of finalNews(replay(read))) out.line(json ? jsonLine(one) : textLine(one, read.zone));
        });
    });
  return code;
}

function describe(path: string, error: unknown): string {
  if (error instanceof Failed) return `${error.failure.what}: ${error.failure.why}. Try ${error.failure.next}`;
  return `${path} was not replayed: ${(error as Error).message}. Try a file that can be read`;
}

/** A folder's recordings in the order of their names; what is expected of them is no recording. */
function filesIn(path: string): string[] {
  if (path === '-' || !statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name.endsWith('.json') && !name.endsWith('.expected.json'))
    .sort()
    .map((name) => join(path, name));
}
