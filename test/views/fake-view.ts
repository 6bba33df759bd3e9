import type {
  Backup,
  BackupJob,
  ClusterView,
  GuestDetail,
  HaService,
  Membership,
  NetworkCard,
  Node,
  ReplicationJob,
  ReplicationState,
  RunningBackup,
  Snapshot,
  Storage,
  StoredBackup,
  Template,
  Volume,
} from '../../src/contracts/cluster.ts';
import { fail } from '../../src/contracts/failure.ts';

/** A guest of the fake world; everything a detail adds has a default. */
export interface FakeGuest extends Partial<GuestDetail> {
  readonly vmid: number;
  readonly name: string;
  readonly node: string;
}

/** A cluster as plain data, changed freely by tests before they ask. */
export interface FakeWorld {
  name: string;
  version: { major: number; minor: number; text: string };
  nodes: Node[];
  membership?: Partial<Membership>;
  guests: FakeGuest[];
  /** By node. */
  storages: Record<string, Storage[]>;
  templates: Record<string, Template[]>;
  bridges: Record<string, string[]>;
  jobs: ReplicationJob[];
  states: ReplicationState[];
  services: HaService[];
  backups: (Backup & { vmid: number } & Partial<StoredBackup>)[];
  backupJobs: BackupJob[];
  /** By node. */
  runningBackups: Record<string, RunningBackup[]>;
  /** Files of backups on PBS: by volid, then by path. */
  backupFiles: Record<string, Record<string, { type?: string; text?: string; mtime?: number }>>;
  /** By vmid, oldest first. */
  snapshots: Record<number, Snapshot[]>;
  /** Guests of which a disk cannot be snapshotted. */
  unable: number[];
  permissions: Record<string, string[]>;
  /** Milliseconds that the nodes' clocks are ahead; undefined: nobody may look. */
  ahead?: number;
  /** Methods that throw, with the reason. */
  broken: Partial<Record<keyof ClusterView, string>>;
  /** Names of the methods that were called. */
  asked: string[];
}

export const GIB = 1024 ** 3;
/** 2026-11-15 14:02:11 in Paris. */
export const NOW = Date.UTC(2026, 10, 15, 13, 2, 11);

const zfs = (free: number): Storage => ({
  id: 'local-zfs',
  type: 'zfspool',
  content: ['images', 'rootdir'],
  shared: false,
  active: true,
  free,
  total: 900 * GIB,
});
const local: Storage = {
  id: 'local',
  type: 'dir',
  content: ['vztmpl', 'iso', 'backup'],
  shared: false,
  active: true,
  free: 40 * GIB,
  total: 90 * GIB,
};
const backups: Storage = {
  id: 'backups',
  type: 'nfs',
  content: ['backup'],
  shared: true,
  active: true,
  free: 5000 * GIB,
  total: 8000 * GIB,
};
const template = (name: string): Template => ({ volid: `local:vztmpl/${name}.tar.zst`, name, storage: 'local' });
const node = (name: string, memoryUsed: number): Node => ({
  name,
  online: true,
  cpu: 0.12,
  cores: 16,
  memoryUsed: memoryUsed * GIB,
  memoryTotal: 64 * GIB,
  uptime: 864_000,
});

/** Four nodes on two sites, three containers, one VM, one replication job. */
export function fourNodes(): FakeWorld {
  const names = ['ovh1', 'ovh2', 'ovh3', 'ovh4'];
  const each = <T>(value: () => T) => Object.fromEntries(names.map((name) => [name, value()]));
  return {
    name: 'off',
    version: { major: 9, minor: 2, text: '9.2.11' },
    nodes: names.map((name, index) => node(name, 20 + index * 5)),
    guests: [
      {
        vmid: 103,
        name: 'robotoff',
        node: 'ovh1',
        status: 'running',
        uptime: 7200,
        mac: 'BC:24:11:00:01:03',
        networks: [card('10.1.0.103/24')],
        memoryUsed: GIB,
        memoryTotal: 4 * GIB,
      },
      {
        vmid: 110,
        name: 'metabase',
        node: 'ovh1',
        status: 'stopped',
        mac: 'BC:24:11:00:01:10',
        networks: [card('10.1.0.110/24')],
      },
      {
        vmid: 117,
        name: 'wiki',
        node: 'ovh2',
        status: 'running',
        tags: ['prod'],
        mac: 'BC:24:11:00:01:17',
        networks: [card('10.1.0.117/24')],
      },
      { vmid: 200, name: 'win', node: 'ovh3', type: 'qemu', status: 'running', networks: [], mac: 'BC:24:11:00:02:00' },
    ],
    storages: each(() => [zfs(412 * GIB), { ...local }, { ...backups }]),
    templates: each(() => [
      template('debian-13-standard_13.1-2_amd64'),
      template('debian-13-standard_13.1-1_amd64'),
      template('debian-12-standard_12.7-1_amd64'),
    ]),
    bridges: each(() => ['vmbr0']),
    jobs: [job('103-0', 'ovh1', 'ovh3')],
    states: [
      {
        id: '103-0',
        guest: 103,
        source: 'ovh1',
        target: 'ovh3',
        lastSync: NOW / 1000 - 180,
        lastTry: NOW / 1000 - 180,
        nextSync: NOW / 1000 + 120,
        failCount: 0,
        duration: 4.2,
        running: false,
      },
    ],
    services: [],
    backups: [
      {
        vmid: 110,
        volid: 'backups:backup/vzdump-lxc-110.tar.zst',
        storage: 'backups',
        at: NOW / 1000 - 36_000,
        size: 2 * GIB,
      },
    ],
    backupJobs: [backupJob('nightly', [103, 117])],
    runningBackups: {},
    backupFiles: {},
    snapshots: {
      103: [
        snapshot('autodaily261114020001', 36),
        snapshot('before-upgrade', 5, { description: 'v2\nbascule:r-0', parent: 'autodaily261114020001' }),
      ],
      200: [snapshot('golden', 240)],
    },
    unable: [],
    permissions: { '/': ['Sys.Audit', 'VM.Audit', 'Datastore.Allocate', 'VM.Replicate', 'VM.Snapshot.Rollback'] },
    broken: {},
    asked: [],
  };
}

export function backupJob(id: string, vmids: readonly number[], more: Partial<BackupJob> = {}): BackupJob {
  return { id, enabled: true, schedule: '02:30', storage: 'backups', all: false, vmids, exclude: [], ...more };
}

/** A good backup of that guest on the storage `backups`, so many hours old. */
export function backup(vmid: number, hours: number, more: Partial<StoredBackup> = {}): StoredBackup {
  const at = NOW / 1000 - hours * 3600;
  const volid = `backups:backup/vzdump-lxc-${vmid}-${at}.tar.zst`;
  return { vmid, volid, storage: 'backups', at, size: 2 * GIB, protected: false, ...more };
}

export function snapshot(name: string, hours: number, more: Partial<Snapshot> = {}): Snapshot {
  return { name, at: NOW / 1000 - hours * 3600, description: '', usable: true, memory: false, ...more };
}

export function card(ip: string): NetworkCard {
  return { name: 'eth0', bridge: 'vmbr0', ip, gateway: '10.1.0.1' };
}

export function job(id: string, source: string, target: string, more: Partial<ReplicationJob> = {}): ReplicationJob {
  return {
    id,
    guest: Number(id.split('-')[0]),
    source,
    target,
    schedule: '*/5',
    disabled: false,
    comment: '',
    removing: false,
    ...more,
  };
}

const rootfs = (vmid: number): Volume => ({
  key: 'rootfs',
  storage: 'local-zfs',
  volid: `local-zfs:subvol-${vmid}-disk-0`,
  size: '8G',
  replicate: true,
  mountpoint: '/',
});

function detailed(guest: FakeGuest): GuestDetail {
  return {
    type: 'lxc',
    status: 'stopped',
    tags: [],
    template: false,
    cores: 2,
    protection: false,
    onboot: true,
    unprivileged: true,
    description: '',
    networks: [card(`10.1.0.${guest.vmid}/24`)],
    volumes: [rootfs(guest.vmid)],
    swap: 256,
    digest: 'd1',
    ...guest,
  };
}

/** Looks at a {@link FakeWorld}. `sees` filters guests, as for an asker who may not see all. */
export function fakeView(world: FakeWorld, sees: (vmid: number) => boolean = () => true): ClusterView {
  const guests = () =>
    world.guests
      .filter((guest) => sees(guest.vmid))
      .map(detailed)
      .sort((a, b) => a.vmid - b.vmid);
  const known = (vmid: number) => guests().find((guest) => guest.vmid === vmid);
  const nodeUp = (name: string) => {
    if (world.nodes.find((candidate) => candidate.name === name)?.online) return;
    fail('unavailable', {
      what: `${name} did not answer`,
      why: 'No route to host',
      next: 'wait',
      sent: 'no',
      status: 595,
    });
  };
  const view: ClusterView = {
    name: world.name,
    version: async () => world.version,
    membership: async () => membershipOf(world),
    nodes: async () => world.nodes,
    async node(name) {
      const found = world.nodes.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
      if (!found) return fail('not-found', { what: `${name} was not found`, why: 'no such node', next: 'node list' });
      nodeUp(found.name);
      return {
        ...found,
        pveVersion: '9.2.11',
        kernel: '6.17.2-1-pve',
        load: [0.5, 0.4, 0.3],
        rootUsed: 9 * GIB,
        rootTotal: 90 * GIB,
      };
    },
    guests: async () => guests(),
    async findGuest(wanted, type) {
      const found = guests().filter(
        (guest) => (String(guest.vmid) === wanted || guest.name === wanted) && (!type || guest.type === type),
      );
      return found[0] ?? fail('not-found', { what: `${wanted} was not found`, why: 'no such guest', next: 'ct list' });
    },
    async guestDetail({ vmid, node }) {
      nodeUp(node);
      return known(vmid) ?? fail('not-found', { what: `${vmid} was not found`, why: 'no such guest', next: 'ct list' });
    },
    async storages(name) {
      nodeUp(name);
      return world.storages[name] ?? [];
    },
    async templates(name) {
      nodeUp(name);
      return world.templates[name] ?? [];
    },
    async bridges(name) {
      nodeUp(name);
      return world.bridges[name] ?? [];
    },
    async nextVmid(skip, range = [100, 999_999_999]) {
      for (let vmid = range[0]; vmid <= range[1]; vmid += 1) {
        if (!skip.has(vmid) && !world.guests.some((guest) => guest.vmid === vmid)) return vmid;
      }
      return fail('conflict', { what: 'no number was found', why: 'the range is full', next: 'widen it' });
    },
    vmidFree: async (vmid) => !world.guests.some((guest) => guest.vmid === vmid),
    replicationJobs: async () => world.jobs.filter((each) => sees(each.guest)),
    async replicationState(name) {
      nodeUp(name);
      return world.states.filter((state) => state.source === name && sees(state.guest));
    },
    haServices: async () => world.services,
    backups: async ({ vmid }) => world.backups.filter((backup) => backup.vmid === vmid),
    async storedBackups(name, storage) {
      nodeUp(name);
      return world.backups
        .filter((backup) => backup.storage === storage && sees(backup.vmid))
        .map((backup) => ({ protected: false, ...backup }));
    },
    backupJobs: async () => world.backupJobs,
    async runningBackups(name) {
      nodeUp(name);
      return world.runningBackups[name] ?? [];
    },
    snapshots: async ({ vmid }) => {
      const all = world.snapshots[vmid] ?? [];
      const base = all.at(-1)?.name;
      return { all, ...(base ? { base } : {}) };
    },
    async backupFiles(name, _storage, volid, path) {
      nodeUp(name);
      const folder = path === '/' ? '/' : `${path}/`;
      const below = Object.entries(world.backupFiles[volid] ?? {}).filter(([file]) => file.startsWith(folder));
      if (below.length === 0)
        fail('not-found', { what: `${path} was not listed`, why: 'not found in catalog', next: 'look elsewhere' });
      return below
        .filter(([file]) => !file.slice(folder.length).includes('/'))
        .map(([file, { type = 'file', text = '', mtime = 0 }]) => ({
          name: file.slice(folder.length),
          type,
          ...(type === 'file' ? { size: Buffer.byteLength(text), mtime } : {}),
        }));
    },
    async backupFile(name, _storage, volid, path, limit) {
      nodeUp(name);
      const found = world.backupFiles[volid]?.[path];
      if (!found)
        return fail('not-found', { what: `${path} was not read`, why: 'no such file', next: 'look elsewhere' });
      return Buffer.from(found.text ?? '').subarray(0, limit);
    },
    clockAhead: async () => world.ahead ?? fail('no-privilege', { what: 'w', why: 'Sys.Audit is missing', next: 'n' }),
    canSnapshot: async ({ vmid }) => !world.unable.includes(vmid),
    permissions: async () =>
      new Map(Object.entries(world.permissions).map(([path, privileges]) => [path, new Set(privileges)])),
  };
  return watched(view, world);
}

/** Notes every call, and breaks those the world says are broken. */
function watched(view: ClusterView, world: FakeWorld): ClusterView {
  return new Proxy(view, {
    get(target, key: keyof ClusterView) {
      const member = target[key];
      if (typeof member !== 'function') return member;
      return (...given: never[]) => {
        world.asked.push(key);
        const why = world.broken[key];
        if (why) return Promise.reject(brokenBecause(key, why));
        return (member as (...given: never[]) => unknown).apply(target, given);
      };
    },
  });
}

function brokenBecause(key: string, why: string): unknown {
  try {
    return fail('unavailable', { what: `${key} was not answered`, why, next: 'try again' });
  } catch (error) {
    return error;
  }
}

function membershipOf(world: FakeWorld): Membership {
  const members = world.nodes.map(({ name, online }) => ({ name, online, votes: 1 }));
  const expected = members.length;
  const present = members.filter((member) => member.online).length;
  const needed = Math.floor(expected / 2) + 1;
  return {
    clusterName: 'off',
    asked: world.nodes.find((each) => each.online)?.name ?? 'nobody',
    at: NOW,
    quorate: present >= needed,
    members,
    expected,
    present,
    needed,
    votesKnown: true,
    cutOff: [],
    ...world.membership,
  };
}
