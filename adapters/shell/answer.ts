import { z } from 'zod';
import { Failed, failure } from '../../src/contracts/failure.ts';
import type { Json } from '../../src/contracts/plan.ts';
import { HELPER } from './command.ts';
import type { Told } from './exchange.ts';
import { type Errand, lost, refused, words } from './failures.ts';

/** Levels of lists and objects in an answer. */
export const DEPTH = 32;

const setup = 'run what `bascule setup node` prints on that node';

/**
 * What sudo 1.9.13 and the shell say, in English as the command asks for, when the program was never started.
 * Only these words make it certain that nothing was done; anything else leaves a doubt. sudo also prints warnings
 * (`unable to resolve host`) before it goes on, so its name alone proves nothing.
 */
// biome-ignore format: this is a table
const neverStarted: readonly (readonly [RegExp, 'missing' | 'refused'])[] = [
  [/^sudo: \S+: command not found$/m,                              'missing'],
  [/^sudo: unable to execute \S+: No such file or directory$/m,    'missing'],
  [/^sudo: unable to execute \S+: Permission denied$/m,            'missing'],
  [/\b(timeout|env|sudo)\b.*: No such file or directory$/m,        'missing'],
  [/(^|: )(sudo|timeout|env): (command )?not found$/m,             'missing'],
  [/^sudo: a (terminal|password) is required\b/m,                  'refused'],
  [/^sudo: sorry, you must have a tty to run sudo$/m,              'refused'],
  [/^Sorry, user \S+ is not allowed to execute\b/m,                'refused'],
  [/^Sorry, user \S+ may not run sudo on\b/m,                      'refused'],
  [/^\S+ is not (allowed to run sudo on|in the sudoers file)\b/m,  'refused'],
  [/^sudo: .*account validation failure\b/m,                       'refused'],
];

/** What the helper writes: its kinds of failure are ours, and each has an exit code of its own (node/README.md). */
const kinds = [
  'bad-input',
  'not-found',
  'forbidden',
  'conflict',
  'unavailable',
  'refused',
  'changed',
  'in-doubt',
  'internal',
] as const;
const text = z.string().transform(words);
const envelope = z.discriminatedUnion('ok', [
  z.object({
    v: z.literal(1),
    ok: z.literal(true),
    id: z.string(),
    result: z.unknown().refine((value) => value !== undefined),
  }),
  z.object({
    v: z.literal(1),
    ok: z.literal(false),
    /** Absent when the request could not be read so far. */
    id: z.string().optional(),
    error: z.object({ kind: z.enum(kinds), what: text, why: text, next: text }),
  }),
]);
type Envelope = z.infer<typeof envelope>;

/** The result in the answer of a node. Throws Failed. */
export function read(told: Told, errand: Errand): Json {
  const { node } = errand;
  if (told.end === 'late') throw new Failed(lost(errand, `${node} did not answer in time`));
  if (told.end === 'flood') throw new Failed(lost(errand, `${node} answered with more than was allowed`));
  const answer = parsed(told.stdout);
  if (typeof answer === 'string') throw new Failed(unanswered(told, errand, answer));
  if (answer.id !== errand.id && !(answer.id === undefined && !answer.ok))
    throw new Failed(lost(errand, `${node} answered another request`));
  if (answer.ok !== (told.code === 0))
    throw new Failed(unanswered(told, errand, 'an answer that does not fit its exit code'));
  if (!answer.ok) throw new Failed(faulty(answer, errand));
  return answer.result as Json; // it came out of JSON.parse
}

/** The helper itself said no. It died half way when it calls a failure internal. */
function faulty({ error }: Extract<Envelope, { ok: false }>, errand: Errand) {
  const { what, why, next } = error;
  const doubt = error.kind === 'in-doubt' || (error.kind === 'internal' && errand.changes);
  return doubt
    ? { ...lost(errand, `${errand.node}: ${what}: ${why}`), next }
    : failure(error.kind, { what: `${errand.node}: ${what}`, why, next, sent: 'refused' });
}

/** No answer that can be read; `instead` says what there was. */
function unanswered(told: Told, errand: Errand, instead: string) {
  const { node } = errand;
  const said = told.stderr.trim() === '' ? '' : `: ${words(told.stderr)}`;
  if (told.signal !== undefined) return lost(errand, `${node} killed the command with ${words(told.signal)}`);
  if (told.code === undefined) return lost(errand, `the connection to ${node} died under the command`);
  const found = told.stdout.length === 0 ? neverStarted.find(([sign]) => sign.test(told.stderr))?.[1] : undefined;
  if (found === 'missing')
    return refused(errand, `${HELPER} cannot be started on ${node}${said}`, setup, 'unavailable');
  if (found === 'refused')
    return refused(errand, `sudo on ${node} does not allow ${HELPER}${said}`, setup, 'no-privilege');
  // `timeout` answers 124, or 137 when TERM was not enough.
  if (told.code === 124 || told.code === 137) return lost(errand, `${node} ended the command by its time limit`);
  const ended = told.code === 0 ? 'answered with' : `ended with code ${told.code} and`;
  return lost(errand, `${node} ${ended} ${instead}${said}`);
}

/** The answer, or what it is instead. */
function parsed(stdout: Buffer): Envelope | string {
  if (stdout.length === 0) return 'no answer';
  const value = decode(stdout);
  if (value === undefined) return 'something that is not JSON';
  if (tooDeep(value, DEPTH)) return `JSON of more than ${DEPTH} levels`;
  const answer = envelope.safeParse(value);
  return answer.success ? answer.data : 'JSON that is not an answer';
}

/** Undefined for what is not one JSON value in UTF-8. */
function decode(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined; // told by the caller as an answer that is not JSON
  }
}

function tooDeep(value: unknown, levels: number): boolean {
  if (value === null || typeof value !== 'object') return false;
  return levels === 0 || Object.values(value).some((inner) => tooDeep(inner, levels - 1));
}
