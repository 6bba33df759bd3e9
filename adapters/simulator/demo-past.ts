import type { SeedPerson } from './disk-seed.ts';
import type { SimulatedGithub } from './github.ts';
import type { Volume } from './state.ts';
import { guestName, type World } from './world.ts';

/** What a demo world may have behind it, so that there is something to find: only on request, for tests count things. */

const hour = 3600;

const stamp = (at: number): string => new Date(at * 1000).toISOString().replace(/\D/g, '').slice(2, 14);

/** Snapshots made on the nodes with zfs, which no API shows: six hours, four days, and one of an admin's. */
export function addHiddenSnapshots(world: World): void {
  const now = Math.floor(world.clock.now() / 1000);
  const lastHour = now - (now % hour) + 21;
  const midnight = now - (now % (24 * hour)) + 21;
  const hourly = [0, 1, 2, 3, 4, 5].map((back) => ({ kind: 'hourly', at: lastHour - back * hour }));
  const daily = [0, 1, 2, 3].map((back) => ({ kind: 'daily', at: midnight - back * 24 * hour }));
  const made = [...hourly, ...daily]
    .filter(({ at }) => at < now)
    .map(({ kind, at }) => ({ name: `auto${kind}${stamp(at)}`, at }));
  for (const guest of world.state.guests.values()) {
    if (guest.kind !== 'lxc') continue;
    const byHand = { name: 'manual-by-admin', at: now - 30 * hour };
    guest.onDisk = [...made, byHand].sort((a, b) => a.at - b.at);
  }
}

/** Of no private key: its point is a hash. */
const old = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWdQeIz98dLdWIqVnnApR/o33Ndt0/zPxHIgQg2CJeJ';

/**
 * Accounts that somebody made by hand before there was a bot: alice in CT 102 with a key she has on GitHub, oscar in
 * CT 110 with one that he has and one that he lost, and a robot in CT 102 that nobody knows.
 */
export function handMade(vmid: number, github: SimulatedGithub | undefined): readonly SeedPerson[] {
  const keys = (login: string) => (github?.keys(login) ?? []).slice(0, 1).map((key) => `${key} ${login}@laptop`);
  if (vmid === 102)
    return [
      { name: 'alice', about: 'Alice,,,', sudo: true, keys: keys('alice') },
      { name: 'deploy', about: '', keys: [`from="10.1.0.0/24" ${old} deploy@ci`] },
    ];
  if (vmid === 110) return [{ name: 'oscar', about: 'Oscar,,,', keys: [...keys('oscar'), `${old} oscar@old-laptop`] }];
  return [];
}

const gib = 1024 ** 3;

/** A Proxmox Backup Server with the backups of two nights, of every container in the first backup job. */
export function addPbs(world: World): void {
  world.state.storages.set('pbs', {
    id: 'pbs',
    type: 'pbs',
    content: ['backup'],
    shared: true,
    total: 16_000 * gib,
    used: 5_200 * gib,
  });
  const now = Math.floor(world.clock.now() / 1000);
  const nightly = now - ((now - hour) % (24 * hour));
  const covered = new Set([...world.state.backupJobs.values()].flatMap(({ vmid }) => vmid.split(',').map(Number)));
  for (const guest of world.state.guests.values()) {
    if (guest.kind !== 'lxc' || !covered.has(guest.vmid)) continue;
    for (const night of [1, 0]) {
      const at = nightly - night * 24 * hour + (guest.vmid % 60);
      const time = new Date(at * 1000).toISOString().replace('.000', '');
      const size = (1 + (guest.vmid % 7)) * gib;
      const volume: Volume = {
        volid: `pbs:backup/ct/${guest.vmid}/${time}`,
        storage: 'pbs',
        vmid: guest.vmid,
        content: 'backup',
        format: 'pbs-ct',
        size,
        // Deduplicated: what a night adds is little.
        used: size / 64,
        ctime: at,
        notes: guestName(guest),
      };
      world.volumes.push(volume);
    }
  }
}
