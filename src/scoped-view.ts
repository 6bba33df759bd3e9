import { distance } from 'fastest-levenshtein';
import type { ClusterView, Guest } from './contracts/cluster.ts';
import { fail } from './contracts/failure.ts';

/** A view that shows only what `sees` and `seesNode` allow; what is hidden looks as if it did not exist. */
export function scopedView(
  view: ClusterView,
  sees: (guest: Guest) => boolean,
  seesNode: (node: string) => boolean,
): ClusterView {
  const guests = async () => (await view.guests()).filter(sees);
  /** As Proxmox spells it, which is how policies know it; nothing else may tell a hidden node from none. */
  const spelled = async (wanted: string): Promise<string> => {
    const asked = wanted.trim().toLowerCase();
    const seen = (await view.nodes()).map((node) => node.name).filter(seesNode);
    const found = seen.find((name) => name.toLowerCase() === asked);
    if (found !== undefined || seen.length === 0) return found ?? hidden(`node ${wanted}`);
    return fail('not-found', {
      what: `there is no node ${JSON.stringify(wanted.slice(0, 80))}`,
      why: `the nodes of ${view.name} are ${seen.join(', ')}`,
      next: 'name one of these: node list',
    });
  };
  const visible = async (vmid: number) => (await guests()).some((guest) => guest.vmid === vmid);
  return {
    name: view.name,
    version: () => view.version(),
    membership: () => view.membership(),
    nodes: async () => (await view.nodes()).filter((node) => seesNode(node.name)),
    node: async (name) => view.node(await spelled(name)),
    guests,
    async findGuest(wanted, type) {
      const all = (await guests()).filter((guest) => type === undefined || guest.type === type);
      return pickGuest(all, wanted, type);
    },
    async guestDetail(guest) {
      return (await visible(guest.vmid)) ? view.guestDetail(guest) : hidden(`guest ${guest.vmid}`);
    },
    storages: async (node) => view.storages(await spelled(node)),
    templates: async (node) => view.templates(await spelled(node)),
    bridges: async (node) => view.bridges(await spelled(node)),
    nextVmid: (skip, range) => view.nextVmid(skip, range),
    vmidFree: (vmid) => view.vmidFree(vmid),
    replicationJobs: async () => {
      const mine = new Set((await guests()).map((guest) => guest.vmid));
      return (await view.replicationJobs()).filter((job) => mine.has(job.guest));
    },
    replicationState: async (node) => {
      const mine = new Set((await guests()).map((guest) => guest.vmid));
      return (await view.replicationState(node)).filter((job) => mine.has(job.guest));
    },
    haServices: async () => {
      const mine = new Set((await guests()).map((guest) => `${guest.type === 'lxc' ? 'ct' : 'vm'}:${guest.vmid}`));
      return (await view.haServices()).filter((service) => mine.has(service.sid));
    },
    backups: async (guest) => ((await visible(guest.vmid)) ? view.backups(guest) : hidden(`guest ${guest.vmid}`)),
    storedBackups: async (node, storage) => {
      const mine = new Set((await guests()).map((guest) => guest.vmid));
      return (await view.storedBackups(await spelled(node), storage)).filter((backup) => mine.has(backup.vmid));
    },
    backupJobs: async () => {
      const mine = new Set((await guests()).map((guest) => guest.vmid));
      const known = (vmids: readonly number[]) => vmids.filter((vmid) => mine.has(vmid));
      return (await view.backupJobs()).map((job) => ({
        ...job,
        vmids: known(job.vmids),
        exclude: known(job.exclude),
      }));
    },
    runningBackups: async (node) => {
      const mine = new Set((await guests()).map((guest) => guest.vmid));
      const all = await view.runningBackups(await spelled(node));
      return all.filter((one) => one.vmid === undefined || mine.has(one.vmid));
    },
    snapshots: async (guest) => ((await visible(guest.vmid)) ? view.snapshots(guest) : hidden(`guest ${guest.vmid}`)),
    canSnapshot: async (guest) =>
      (await visible(guest.vmid)) ? view.canSnapshot(guest) : hidden(`guest ${guest.vmid}`),
    clockAhead: async (node) => view.clockAhead(await spelled(node)),
    async backupFiles(node, storage, volid, path) {
      return (await visible(ownerOf(volid))) ? view.backupFiles(node, storage, volid, path) : hidden(`backup ${volid}`);
    },
    async backupFile(node, storage, volid, path, limit) {
      if (!(await visible(ownerOf(volid)))) return hidden(`backup ${volid}`);
      return view.backupFile(node, storage, volid, path, limit);
    },
    permissions: () => view.permissions(),
  };
}

/** The guest of a backup on PBS: `pbs:backup/ct/103/2026-11-12T01:00:01Z`; NaN for any other volume. */
function ownerOf(volid: string): number {
  return Number(/^[^:/]+:backup\/(?:ct|vm)\/(\d+)\//.exec(volid)?.[1]);
}

function hidden(what: string): never {
  return fail('not-found', {
    what: `There is no ${what}`,
    why: 'nothing by that name is visible to you',
    next: 'check the spelling, or ask an admin for the right to see it',
  });
}

/** By number or name among these; never hints at others. */
export function pickGuest(guests: readonly Guest[], wanted: string, type?: Guest['type']): Guest {
  const kind = type === 'lxc' ? 'CT' : type === 'qemu' ? 'VM' : 'guest';
  const asked = wanted.trim().toLowerCase();
  const found = guests.filter((guest) => String(guest.vmid) === asked || guest.name.toLowerCase() === asked);
  if (found.length === 1 && found[0]) return found[0];
  if (found.length > 1) {
    return fail('conflict', {
      what: `${wanted} is not one ${kind}`,
      why: `${found.map((g) => g.vmid).join(', ')} share the name`,
      next: `use the number: vmid:${found[0]?.vmid}`,
    });
  }
  const near = guests
    .map((guest) => ({
      guest,
      d: Math.min(distance(asked, guest.name.toLowerCase()), distance(asked, String(guest.vmid))),
    }))
    .filter(({ guest, d }) => d <= Math.max(1, Math.floor(guest.name.length / 3)))
    .sort((a, b) => a.d - b.d)
    .slice(0, 3)
    .map(({ guest }) => `${guest.vmid} ${guest.name}`);
  return fail('not-found', {
    what: `There is no ${kind} ${wanted}`,
    why: 'nothing by that number or name is visible to you',
    next:
      near.length > 0 ? `did you mean ${near.join(' or ')}?` : `list them with ${type === 'qemu' ? 'vm' : 'ct'} list`,
  });
}
