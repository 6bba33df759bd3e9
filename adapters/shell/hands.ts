import { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import type { ProbeAnswer } from '../../src/contracts/cluster.ts';
import { Failed, failure } from '../../src/contracts/failure.ts';
import type { NodeCall } from '../../src/contracts/plan.ts';
import type { NodeHands, Shell } from '../../src/contracts/shell.ts';
import { cut, visible } from '../../src/contracts/visible.ts';
import { restoreProgress } from './progress.ts';
import { isChange, isRepeatable, readAnswer, ScriptFailed } from './verbs.ts';

const probed = z.object({
  state: z.enum(['done', 'already', 'absent', 'partial', 'unknown']),
  evidence: z.string().transform((text) => cut(visible(text), 500)),
});

/** The only thing that changes what is on the nodes of a cluster. */
export function nodeHands(shell: Shell, cluster: string, clock: Clock): NodeHands {
  const check = (call: NodeCall): void => {
    const why =
      call.cluster !== cluster
        ? `it is for another cluster (${call.cluster})`
        : isChange(call.verb)
          ? undefined
          : 'this Bascule knows no such change';
    if (why !== undefined) throw notDone(call, why);
  };
  return {
    async send(call, run, onLog) {
      check(call);
      const { node, verb, args, seconds } = call;
      const watching = new AbortController();
      // Nobody waits for its last look: it never throws, and tells nothing any more.
      if (verb === 'file.restore' && onLog) void restoreProgress(shell, call, run, clock, onLog, watching.signal);
      try {
        const answer = await shell.ask(node, { verb, mode: 'run', id: run, args }, { seconds: seconds ?? 60 });
        return readAnswer(answer, call);
      } catch (error) {
        if (error instanceof ScriptFailed) for (const line of error.log) onLog?.(line);
        throw error;
      } finally {
        watching.abort();
      }
    },
    async probe(call, run) {
      check(call);
      const { node, verb, args } = call;
      const told = probed.safeParse(await shell.ask(node, { verb, mode: 'probe', id: run, args }, { looks: true }));
      if (!told.success) return { state: 'unknown', evidence: `${node} does not tell what became of ${verb}` };
      return meant(verb, told.data);
    },
  };
}

/** What a verb's probe means for its step. */
function meant(verb: string, { state, evidence }: z.output<typeof probed>): ProbeAnswer {
  // A copy under way and one that was cut off look alike.
  if (verb === 'file.restore' && state === 'partial') return { state: 'unknown', evidence };
  const again = isRepeatable(verb) && (state === 'already' || state === 'partial');
  return { state, evidence, ...(again ? { again } : {}) };
}

function notDone({ verb, node }: NodeCall, why: string): Failed {
  return new Failed(
    failure('internal', { what: `${verb} was not done on ${node}`, why, next: 'please report this', sent: 'no' }),
  );
}
