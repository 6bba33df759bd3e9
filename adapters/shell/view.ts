import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import { fail } from '../../src/contracts/failure.ts';
import { fillHoles, type Json } from '../../src/contracts/plan.ts';
import type { FilePath, NodeView, Shell } from '../../src/contracts/shell.ts';
import { fileFacts, fileShown, fileVersions, quorumFacts, users, zfsSnapshots } from './schema.ts';

// biome-ignore format: this is a table
const gains: Readonly<Record<string, string>> = {
  'zfs.snapshots': 'snapshots that Proxmox does not know',
  'ct.users':      'the accounts and keys inside containers',
  'quorum.facts':  'the votes as a node counts them',
  'file.versions': 'the versions of files in snapshots',
  'file.stat':     'files of containers',
  'file.show':     'the contents of files of containers',
};

const MiB = 1024 * 1024;
/** Bytes of an answer: thousands of snapshots or keys. */
const bytes = 16 * MiB;
/** Hashing the versions of a large file takes its time; everything else is quick. */
const seconds = 120;

/** Looks at the nodes of one cluster. Without a shell, or for a node that it does not reach, every look throws. */
export function nodeView(shell: Shell | undefined, cluster: string, clock: Clock): NodeView {
  const reach = (node: string, gain: string): Shell => (shell?.has(node) ? shell : noAccess(cluster, node, gain));
  async function look<S extends z.ZodType>(node: string, verb: string, args: Json, schema: S): Promise<z.output<S>> {
    const there = reach(node, gains[verb] ?? verb);
    const request = { verb, mode: 'run', id: madeUp('look'), args } as const;
    const answer = schema.safeParse(await there.ask(node, request, { looks: true, seconds, bytes }));
    if (answer.success) return answer.data;
    const [issue] = answer.error.issues;
    return fail('unavailable', {
      what: `${verb} got no usable answer from ${node}`,
      why: `${issue?.path.join('.')}: ${issue?.message}`,
      next: 'install the helper that `bascule setup node` prints on that node',
      sent: 'refused',
    });
  }
  return {
    has: (node) => shell?.has(node) ?? false,
    zfsSnapshots: (node, vmid) => look(node, 'zfs.snapshots', { vmid }, zfsSnapshots),
    users: async (node, vmid) => (await look(node, 'ct.users', { vmid }, users)).users,
    quorumFacts: (node) => look(node, 'quorum.facts', {}, quorumFacts),
    versions: (node, vmid, path, volume) => look(node, 'file.versions', at(vmid, path, volume), fileVersions),
    stat: (node, vmid, path, from, volume) => look(node, 'file.stat', { ...at(vmid, path, volume), from }, fileFacts),
    show: (node, vmid, path, from, volume) => look(node, 'file.show', { ...at(vmid, path, volume), from }, fileShown),
    async dryRun(call) {
      const { node, verb } = call;
      const there = reach(node, `what ${verb} would do`);
      const id = madeUp('dry');
      const { args } = fillHoles(call as unknown as Json, { run: id, approvedAt: clock.now() }) as { args: Json };
      return there.ask(node, { verb, mode: 'dry-run', id, args }, { seconds, bytes });
    },
  };
}

const madeUp = (what: string): string => `${what}-${randomBytes(6).toString('hex')}`;

const at = (vmid: number, path: FilePath, volume: string | undefined) => ({
  vmid,
  ...path,
  ...(volume === undefined ? {} : { volume }),
});

function noAccess(cluster: string, node: string, gain: string): never {
  return fail('unavailable', {
    what: `${node} was not asked`,
    why: `there is no SSH access to it in ${cluster}; with it this command would see ${gain}`,
    next: 'an admin runs what `bascule setup node` prints on that node and names it under shell: in the config',
    sent: 'no',
  });
}
