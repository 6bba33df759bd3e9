import type { GuestDetail, Node, ReplicationJob, Storage } from '../../src/contracts/cluster.ts';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { Guard } from '../../src/contracts/plan.ts';
import { knownNode, online } from './checks.ts';

/** What a replication job needs (FACTS 4.1): another node, and the same ZFS storage id on both sides. */

/** The target as Proxmox spells it, and the guards that it is another node and up. */
export function targetNode(
  nodes: readonly Node[],
  wanted: string,
  source: string,
  what: string,
  option: string,
): { readonly name: string; readonly guard: Guard } {
  const target = knownNode(nodes, wanted, what, option);
  if (target.name === source) {
    const others = nodes.filter((node) => node.name !== source && node.online).map((node) => `${option}:${node.name}`);
    fail('bad-input', {
      what,
      why: `it is on ${source} itself, a copy there would be no copy`,
      next: others.length > 0 ? `choose another node: ${others.join(', ')}` : 'there is no other node to replicate to',
    });
  }
  return { name: target.name, guard: online(target, nodes, what, option) };
}

/** Refuses with the reason where `storage` cannot replicate between the two nodes. */
export function replicates(
  storage: string,
  sides: readonly { readonly node: string; readonly storages: readonly Storage[] }[],
  what: string,
  next: string,
): Guard {
  for (const { node, storages } of sides) {
    const found = storages.find((candidate) => candidate.id === storage);
    if (!found) {
      return fail('conflict', {
        what,
        why: `${node} has no storage ${storage}; both sides need the same storage id`,
        next,
      });
    }
    if (found.type !== 'zfspool') {
      return fail('conflict', {
        what,
        why: `storage ${storage} of ${node} is ${found.type}; only ZFS (zfspool) replicates`,
        next,
      });
    }
    if (!found.active) return fail('unavailable', { what, why: `storage ${storage} is not active on ${node}`, next });
  }
  const names = sides.map(({ node }) => node).join('+');
  return {
    code: `replicates:${names}/${storage}`,
    says: `${storage} is ZFS on ${sides.map(({ node }) => node).join(' and ')}`,
  };
}

/** Storages of the guest's volumes that a job would copy; refuses what makes Proxmox refuse the whole job. */
export function storagesToCopy(detail: GuestDetail, storages: readonly Storage[], what: string): readonly string[] {
  const wanted = new Set<string>();
  for (const volume of detail.volumes) {
    if (!volume.replicate || isMedium(volume.volid)) continue;
    if (volume.storage === undefined) {
      if (detail.type === 'qemu') continue; // a device of the host, which Proxmox passes over for VMs only
      fail('conflict', {
        what,
        why: `${volume.key} is a bind or device mount (${volume.volid}), which cannot be replicated`,
        next: `exclude it first: on ${detail.node}, set replicate=0 on ${volume.key}`,
      });
    }
    const storage = storages.find((candidate) => candidate.id === volume.storage);
    if (storage?.shared) continue; // every node sees it already; Proxmox skips it silently
    wanted.add(volume.storage);
  }
  if (wanted.size > 0) return [...wanted].sort();
  return fail('conflict', {
    what,
    why: 'no volume of it needs a copy: all are on shared storage or excluded',
    next: 'nothing to do',
  });
}

/** CD drives and cloud-init disks are never copied. */
function isMedium(volid: string): boolean {
  return volid === 'none' || volid === 'cdrom' || volid.includes(':iso/') || /[-:/]cloudinit/.test(volid);
}

/** The first free job id of a guest; a job marked for removal still holds its number (ODDITIES 72). */
export function freeJobId(
  vmid: number,
  jobs: readonly ReplicationJob[],
  reserved: ReadonlySet<string>,
  cluster: string,
): string {
  for (let number = 0; ; number += 1) {
    const id = `${vmid}-${number}`;
    if (!jobs.some((job) => job.id === id) && !reserved.has(`replication/${cluster}/${id}`)) return id;
  }
}

/**
 * PVE 9 asks for VM.Replicate on the guest, 8 for Datastore.Allocate on exactly /storage (PROBES.md 7). Returns
 * undefined when our token has it, and the reason when that cannot be read.
 */
export async function mayReplicate(
  context: PlanContext,
  guest: { readonly vmid: number; readonly pool?: string },
  what: string,
): Promise<string | undefined> {
  const [version, permissions] = await Promise.all([context.everything.version(), permissionsOf(context)]);
  if (typeof permissions === 'string') return permissions;
  const modern = version.major >= 9;
  const privilege = modern ? 'VM.Replicate' : 'Datastore.Allocate';
  const path = modern ? `/vms/${guest.vmid}` : '/storage';
  // An entry for the path itself is what counts there; without one it is inherited. A pool adds to its guests.
  const own = permissions.get(path) ?? (modern ? permissions.get('/vms') : undefined) ?? permissions.get('/');
  const pool = modern && guest.pool ? permissions.get(`/pool/${guest.pool}`) : undefined;
  if (own?.has(privilege) || pool?.has(privilege)) return undefined;
  return fail('no-privilege', {
    what,
    why: `the bot's token lacks ${privilege} on ${path} (PVE ${version.major})`,
    next: `on a node: pveum role add BasculeReplicate --privs ${privilege}; pveum acl modify ${path} --roles BasculeReplicate --tokens 'USER@REALM!TOKEN' --users USER@REALM`,
  });
}

async function permissionsOf({ everything }: PlanContext): Promise<ReadonlyMap<string, ReadonlySet<string>> | string> {
  try {
    const permissions = await everything.permissions();
    return permissions.size > 0 ? permissions : 'the token sees none of its own rights';
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return error.failure.why;
  }
}
