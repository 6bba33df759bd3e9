import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import { Failed } from '../../src/contracts/failure.ts';
import type { Json, NodeCall } from '../../src/contracts/plan.ts';
import type { Shell } from '../../src/contracts/shell.ts';

/** Milliseconds between two looks at how far a restore has come. */
const LOOK = 2000;

const weight = z.object({ entries: z.number(), bytes: z.number(), complete: z.boolean() });

/**
 * Tells how a restore gets on until `signal` aborts: the helper copies into a folder of its own beside the target
 * first (node/parts/86-restore.pl), whose growing size can be looked at. Never throws: a restore does not fail
 * because nobody can watch it.
 */
export async function restoreProgress(
  shell: Shell,
  call: NodeCall,
  run: string,
  clock: Clock,
  onLog: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const folder = temporaryFolder(call.args);
  if (!folder) return;
  const args = { vmid: call.args['vmid'] ?? null, ...folder, from: 'live' };
  let last = '';
  for (;;) {
    await clock.wait(LOOK, signal);
    if (signal.aborted) return;
    try {
      const seen = weight.safeParse(
        await shell.ask(call.node, { verb: 'file.stat', mode: 'run', id: run, args }, { looks: true, seconds: 30 }),
      );
      if (signal.aborted) return;
      const line = seen.success ? told(seen.data) : '';
      if (line !== '' && line !== last) onLog(line);
      last = line;
    } catch (error) {
      if (signal.aborted) return;
      // Not begun yet, or just put in its place.
      if (error instanceof Failed && error.failure.kind === 'not-found') continue;
      onLog(`how far it has come cannot be told: ${error instanceof Failed ? error.failure.why : String(error)}`);
      return;
    }
  }
}

/** As the helper names it; undefined for arguments it would refuse anyway. */
export function temporaryFolder(args: NodeCall['args']): Record<string, Json> | undefined {
  const { path, pathBase64, run, stamp } = args;
  const bytes =
    typeof path === 'string'
      ? Buffer.from(path)
      : Buffer.from(typeof pathBase64 === 'string' ? pathBase64 : '', 'base64');
  const slash = bytes.lastIndexOf('/');
  if (slash < 0 || typeof run !== 'string' || typeof stamp !== 'string') return undefined;
  const token = createHash('sha256').update(`${run} ${stamp}`).digest('hex').slice(0, 8);
  const folder = Buffer.concat([bytes.subarray(0, slash + 1), Buffer.from(`.restore-${stamp}-${token}`)]);
  return { pathBase64: folder.toString('base64') };
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const MiB = 1024 * 1024;

function told({ entries, bytes, complete }: z.output<typeof weight>): string {
  return `${complete ? '' : 'more than '}${whole.format(entries)} entries, ${whole.format(bytes / MiB)} MiB so far`;
}
