import { fail } from './contracts/failure.ts';
import type { NodeView } from './contracts/shell.ts';

/** The nodes of a cluster without `shell:` in the config: nothing can be asked there. */
export function noNodes(cluster: string): NodeView {
  const lacks = (gives: string) => async () =>
    fail('unavailable', {
      what: 'The nodes were not asked',
      why: `${cluster} has no SSH access to its nodes, which ${gives} needs`,
      next: `an admin adds shell: to ${cluster} in the config; bascule setup node prints what a node needs for it`,
      sent: 'no',
    });
  return {
    has: () => false,
    zfsSnapshots: lacks('seeing snapshots that Proxmox does not know'),
    users: lacks('seeing who can log in to a container'),
    quorumFacts: lacks('seeing the votes as a node counts them'),
    versions: lacks('finding a file in snapshots'),
    stat: lacks('finding a file in snapshots'),
    show: lacks('reading a file of a container'),
    dryRun: lacks('changing what is inside a container'),
  };
}
