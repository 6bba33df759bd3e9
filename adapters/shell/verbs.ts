import { z } from 'zod';
import type { Answer } from '../../src/contracts/cluster.ts';
import { Failed, failure } from '../../src/contracts/failure.ts';
import type { Json, NodeCall } from '../../src/contracts/plan.ts';
import { Masker } from '../../src/contracts/secrets.ts';
import { cut, visible, visibleBlock } from '../../src/contracts/visible.ts';

/** What the helper answers to each verb that changes something (node/README.md), in the words of a step. */

/** Of a text in an answer that people see on one line. */
const LINE = 1000;
/** Of what a script printed; the helper sends 16 KiB of it. */
const LINES = 1000;
const text = z.string().transform((value) => cut(visible(value), LINE));
const count = z.number().int().nonnegative();
const changed = z.boolean();
/** Epoch seconds that a calendar knows. */
const time = z.number().nonnegative().max(253_402_300_799);

type Reader = (answer: Json, call: NodeCall) => Answer;

const reader =
  <S extends z.ZodType>(schema: S, tell: (told: z.output<S>, call: NodeCall) => Answer): Reader =>
  (answer, call) =>
    tell(schema.parse(answer), call);

const output = z.object({ text: z.string(), bytes: count, cut: z.boolean() });
const keys = reader(z.object({ changed, lines: count, troubles: z.array(text).default([]) }), (told) => ({
  says: [`${told.lines} ${told.lines === 1 ? 'key line' : 'key lines'} in place`, ...told.troubles].join('; '),
  ...alreadyUnless(told.changed),
}));

const readers: Readonly<Record<string, Reader>> = {
  'ct.user.ensure': reader(z.object({ made: z.boolean(), sudo: z.boolean(), changed }), (told) => ({
    says: `account ${told.made ? 'made' : 'there'}, ${told.sudo ? 'with' : 'without'} sudo`,
    ...alreadyUnless(told.changed),
  })),
  'ct.user.remove': reader(z.object({ removed: z.boolean(), home: z.string(), changed }), (told) => ({
    says: told.removed ? `account removed, home ${told.home === 'remove' ? 'removed' : 'kept'}` : 'no such account',
    ...alreadyUnless(told.changed),
  })),
  'ct.keys.set': keys,
  'jump.keys.set': keys,
  'ct.features': reader(z.object({ features: text, restart: z.boolean(), changed }), (told) => ({
    says: `features: ${told.features || '(none)'}${told.restart ? ', from its next start on' : ''}`,
    result: { features: told.features, restart: told.restart },
    ...alreadyUnless(told.changed),
  })),
  'ct.unlock': reader(z.object({ evidence: text, changed }), (told) => ({
    says: told.evidence,
    ...alreadyUnless(told.changed),
  })),
  'ct.script': reader(z.object({ sha256: text, exit: z.number().int(), stdout: output, stderr: output }), scriptEnded),
  // Not changed means: this very run restored it before.
  'file.restore': reader(
    z.object({ restored: text, kept: text.nullish(), undoUntil: time, left: text.nullish() }),
    ({ restored, kept, undoUntil, left }) => ({
      says: `restored as ${restored}${kept ? `; what stood there is ${kept} now` : ''}${left ? `; the empty folder ${left} stayed` : ''}`,
      result: { restored, kept: kept ?? null, undoUntil },
    }),
  ),
  'file.undo': reader(
    z.object({ changed, back: text.nullish(), aside: text.nullish() }),
    ({ changed: moved, back, aside }) => ({
      says: moved ? `what was restored is ${aside} now${back ? `, and ${back} is back` : ''}` : 'it was undone before',
      result: { back: back ?? null, aside: aside ?? null },
      ...alreadyUnless(moved),
    }),
  ),
};

/** Verbs that change nothing when they are repeated, and bring to its end what was half done. */
const REPEATABLE: ReadonlySet<string> = new Set([
  'ct.user.ensure',
  'ct.user.remove',
  'ct.keys.set',
  'jump.keys.set',
  'ct.features',
  'ct.unlock',
]);

export const isChange = (verb: string): boolean => Object.hasOwn(readers, verb);
export const isRepeatable = (verb: string): boolean => REPEATABLE.has(verb);

function alreadyUnless(changed: boolean): Pick<Answer, 'already'> {
  return changed ? {} : { already: true };
}

/** Throws Failed in-doubt for an answer that cannot be read: something was done, but what? */
export function readAnswer(answer: Json, call: NodeCall): Answer {
  const { verb, node } = call;
  try {
    return readers[verb]!(answer, call);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new Failed(
      failure('in-doubt', {
        what: `${verb} was done on ${node}, but how is not known`,
        why: `its answer cannot be read: ${issue?.path.join('.')}: ${issue?.message}`,
        next: 'install the helper that `bascule setup node` prints, and look at what became of it',
        sent: 'unknown',
      }),
      { cause: error },
    );
  }
}

interface ScriptEnd {
  readonly sha256: string;
  readonly exit: number;
  readonly stdout: z.output<typeof output>;
  readonly stderr: z.output<typeof output>;
}

/** A script that ended badly, with what it printed. */
export class ScriptFailed extends Failed {
  readonly log: readonly string[];
  constructor({ node, args }: NodeCall, exit: number, log: readonly string[]) {
    const last = log.slice(-3).join('\n');
    super(
      failure('refused', {
        what: `the script failed in CT ${args['vmid']} on ${node}`,
        why: `it ended with exit code ${exit}${last && `:\n${last}`}`,
        next: 'read its output in the thread, and look inside the container',
        sent: 'refused',
      }),
    );
    this.log = log;
  }
}

function scriptEnded({ sha256, exit, stdout, stderr }: ScriptEnd, call: NodeCall): Answer {
  const masker = new Masker();
  const log = [...lines(stdout, masker), ...lines(stderr, masker, 'on standard error:')];
  if (exit !== 0) throw new ScriptFailed(call, exit, log);
  return { says: 'the script ended well', log, result: { sha256, exit } };
}

/** Masked here, before anything is kept: from here they go into journal, audit, card and thread. */
function lines(
  { text: printed, bytes, cut: short }: z.output<typeof output>,
  masker: Masker,
  head?: string,
): readonly string[] {
  if (printed === '') return [];
  const all = visibleBlock(masker.mask(printed)).trimEnd().split('\n');
  return [
    ...(head ? [head] : []),
    ...(short || all.length > LINES ? [`… only the end of ${bytes} bytes`] : []),
    ...all.slice(-LINES).map((line) => cut(line, LINE)),
  ];
}
