import type { ProbeAnswer } from '../../src/contracts/cluster.ts';
import { fillHoles, MARKER, type Probe } from '../../src/contracts/plan.ts';
import { guestWord, reads } from './calls.ts';
import type { Asker } from './client.ts';
import { hasMarker } from './guest-config.ts';
import { answer, configOf, ourTask, type Timed, wherever } from './probe-look.ts';
import { Content, readAs } from './schema.ts';
import { succeeded, wasKilled } from './tasks.ts';

/** A backup that carries the mark is whole: notes are there only once the archive is (PROBES.md, POST vzdump). */
export async function backupMade(
  client: Asker,
  wanted: Extract<Probe, { readonly kind: 'backup-made' }>,
  trace: Timed,
): Promise<ProbeAnswer> {
  const task = await ourTask(client, wanted, ['vzdump'], trace);
  if (task?.running) return answer('running', `task ${task.upid} still runs`, task.upid);
  const guest = guestWord(wanted.type, wanted.vmid);
  const also = task ? `; task ${task.upid} ended: ${task.exit}` : '';
  const made = await marked(client, wanted, fillHoles(MARKER, trace));
  if (made !== undefined) return answer('done', `${made} carries our mark`, task?.upid);
  if (task && succeeded(task.exit)) return answer('done', `the backup of ${guest} was made${also}`, task.upid);
  if (task && wasKilled(task.exit)) {
    const found = await wherever(client, wanted, configOf);
    if (found?.seen['lock'] === 'backup')
      return answer(
        'partial',
        `${guest} is locked (backup) and ${wanted.storage} holds no backup of ours${also}`,
        task.upid,
      );
  }
  return answer('absent', `${wanted.storage} holds no backup of ${guest} of ours${also}`, task?.upid);
}

async function marked(
  client: Asker,
  { node, storage, vmid }: Extract<Probe, { readonly kind: 'backup-made' }>,
  marker: string,
): Promise<string | undefined> {
  const read = reads.backups(node, storage, vmid);
  const rows = readAs(Content, (await client.get(read)).data, client.attempt(read));
  return rows.find(({ notes }) => hasMarker(notes, marker))?.volid;
}
