import { randomUUID } from 'node:crypto';
import { macAddress, networkText } from './lxc-create.ts';
import { builtInRoles } from './roles.ts';
import type { ClusterState, Guest, NodeState, ReplicationJob, Storage, Volume } from './state.ts';
import type { Clock, GuestSpec, NodeSpec, Pve, TokenSpec, UserSpec, WorldSpec } from './types.ts';
import { World } from './world.ts';

const gib = 1024 ** 3;
const startComplaint = { lxc: 'lxc_start_main: 279 No container config specified', qemu: 'kvm: -id: invalid option' };

const byId = <T extends { id: string }>(items: T[]): Map<string, T> => new Map(items.map((item) => [item.id, item]));

/** Turns a written-down world into a running one. */
export function buildWorld(spec: WorldSpec, pve: Pve, clock: Clock): World {
  const nodes = new Map(spec.nodes.map((node, index) => [node.name, buildNode(node, index, clock)]));
  const storages: Storage[] = spec.storages.map((each) => ({
    ...each,
    shared: each.shared ?? false,
    total: each.total ?? 500 * gib,
    used: each.used ?? 0,
    path: each.path ?? (each.type === 'dir' || each.type === 'nfs' ? `/mnt/pve/${each.id}` : undefined),
  }));
  const volumes: Volume[] = [];
  const state = buildState(spec, pve, storages);
  for (const template of spec.templates ?? []) volumes.push(...templateVolumes(template, storages, [...nodes.keys()]));
  const guests = (spec.guests ?? []).map((each) => buildGuest(each, storages, volumes, clock));
  state.guests = new Map(guests.map((guest) => [guest.vmid, guest]));
  for (const job of state.jobs.values()) seedReplication(job, state, nodes, volumes, clock);
  seedHa(state, nodes, clock);
  for (const each of spec.guests ?? []) if (each.pool !== undefined) state.pools.get(each.pool)?.vms.push(each.vmid);
  const qdevice = spec.qdevice && { ...spec.qdevice, connected: true };
  return new World({
    pve,
    clock,
    cluster: spec.cluster,
    state,
    nodes,
    volumes,
    nextIdFrom: spec.nextIdFrom ?? 100,
    qdevice,
  });
}

/** Jobs have run before the world begins: the target holds a copy and the source remembers when. */
function seedReplication(
  job: ReplicationJob,
  state: ClusterState,
  nodes: Map<string, NodeState>,
  volumes: Volume[],
  clock: Clock,
): void {
  const guest = state.guests.get(job.guest);
  const source = guest && nodes.get(guest.node);
  if (!guest || !source) return;
  job.source = source.name;
  const lastSync = Math.floor(clock.now() / 300_000) * 300 - 300;
  source.replication.set(job.id, {
    lastSync,
    lastTry: lastSync,
    lastNode: source.name,
    failCount: 0,
    duration: 3.2,
    log: [],
  });
  for (const volume of [...volumes]) {
    if (volume.vmid === job.guest && volume.node === source.name) volumes.push({ ...volume, node: job.target });
  }
}

/** HA has settled before the world begins. */
function seedHa(state: ClusterState, nodes: Map<string, NodeState>, clock: Clock): void {
  const { manager, resources } = state.ha;
  if (resources.size === 0) return;
  const timestamp = Math.floor(clock.now() / 1000);
  manager.master = [...nodes.keys()][0];
  manager.timestamp = timestamp;
  for (const resource of resources.values()) {
    const guest = state.guests.get(Number(resource.sid.split(':')[1]));
    if (guest)
      manager.services[resource.sid] = {
        node: guest.node,
        state: guest.running ? 'started' : 'stopped',
        uid: randomUUID().slice(0, 22),
        ...(guest.running && { running: 1 }),
      };
  }
  for (const name of nodes.keys()) {
    const active = Object.values(manager.services).some((service) => service.node === name);
    manager.nodeStatus[name] = 'online';
    manager.lrm[name] = { state: active ? 'active' : 'wait_for_agent_lock', mode: 'active', timestamp };
  }
}

function buildNode(spec: NodeSpec, index: number, clock: Clock): NodeState {
  const nodeid = spec.nodeid ?? index + 1;
  return {
    name: spec.name,
    nodeid,
    ip: spec.ip ?? `10.0.0.${nodeid}`,
    votes: spec.votes ?? 1,
    cores: spec.cores ?? 16,
    memory: spec.memory ?? 64 * gib,
    bridges: spec.bridges ?? [{ iface: 'vmbr0', cidr: `10.1.0.${nodeid}/24` }],
    powered: true,
    bootedAt: clock.now() - (3 + index) * 86_400_000,
    side: 0,
    replication: new Map(),
  };
}

function buildState(spec: WorldSpec, pve: Pve, storages: Storage[]): ClusterState {
  const builtIn = [...builtInRoles(pve)].map(([id, privs]) => [id, { privs, special: true }] as const);
  const own = (spec.roles ?? []).map((role) => [role.id, { privs: role.privs, special: false }] as const);
  const users = [{ userid: 'root@pam' }, ...(spec.users ?? [])];
  return {
    guests: new Map(),
    jobs: new Map(
      (spec.replication ?? []).map((job) => [
        job.id,
        { ...job, guest: Number(job.id.split('-')[0]), jobnum: Number(job.id.split('-')[1]) },
      ]),
    ),
    ha: {
      resources: new Map(
        (spec.ha ?? []).map((each) => [
          each.sid,
          {
            sid: each.sid,
            type: each.sid.startsWith('ct:') ? ('ct' as const) : ('vm' as const),
            state: each.state,
            comment: each.comment,
            max_restart: each.maxRestart,
            max_relocate: each.maxRelocate,
            group: pve === '8.4' ? each.group : undefined,
            failback: each.failback === undefined ? undefined : Number(each.failback),
          },
        ]),
      ),
      rules: new Map(
        pve === '8.4'
          ? []
          : (spec.haRules ?? []).map((each, index) => [
              each.name,
              {
                rule: each.name,
                type: 'node-affinity' as const,
                nodes: each.nodes,
                resources: each.resources,
                strict: each.strict ? 1 : 0,
                order: index + 1,
              },
            ]),
      ),
      groups: new Map(
        pve === '9.2'
          ? []
          : (spec.haRules ?? []).map((each) => [
              each.name,
              { group: each.name, nodes: each.nodes, restricted: each.strict ? 1 : 0 },
            ]),
      ),
      manager: { nodeStatus: {}, unknownSince: {}, services: {}, lrm: {} },
    },
    pools: byId((spec.pools ?? []).map((pool) => ({ ...pool, vms: [] }))),
    users: new Map(
      users.map((user: UserSpec) => [user.userid, { ...user, enable: user.enable ?? true, expire: user.expire ?? 0 }]),
    ),
    tokens: byId((spec.tokens ?? []).map(buildToken)),
    roles: new Map<string, { privs: string[]; special: boolean }>([...builtIn, ...own]),
    acl: (spec.acl ?? []).map((each) => ({ ...each, propagate: each.propagate ?? true })),
    storages: byId(storages),
    backupJobs: byId(
      (spec.backupJobs ?? []).map((job) => ({
        ...job,
        enabled: job.enabled ?? true,
        mode: 'snapshot',
        compress: 'zstd',
        pruneBackups: { 'keep-last': '3' },
      })),
    ),
  };
}

function buildToken(spec: TokenSpec) {
  const [user = '', tokenid = ''] = spec.id.split('!');
  return {
    user,
    tokenid,
    secret: spec.secret ?? randomUUID(),
    privsep: spec.privsep ?? true,
    expire: spec.expire ?? 0,
    comment: spec.comment,
    id: spec.id,
  };
}

function templateVolumes(
  template: { volid: string; size?: number; nodes?: string[] },
  storages: Storage[],
  nodes: string[],
): Volume[] {
  const storage = template.volid.split(':')[0] as string;
  const shared = storages.find((each) => each.id === storage)?.shared;
  const kind = template.volid.includes(':iso/') ? ('iso' as const) : ('vztmpl' as const);
  const format = kind === 'iso' ? 'iso' : template.volid.endsWith('.gz') ? 'tgz' : 'tzst';
  const one = {
    volid: template.volid,
    storage,
    content: kind,
    format,
    size: template.size ?? 47_734_379,
    used: template.size ?? 47_734_379,
    ctime: 1_795_220_634,
  };
  return shared ? [one] : (template.nodes ?? nodes).map((node) => ({ ...one, node }));
}

function buildGuest(spec: GuestSpec, storages: Storage[], volumes: Volume[], clock: Clock): Guest {
  const kind = spec.kind ?? 'lxc';
  const storage =
    storages.find((each) => each.id === (spec.storage ?? 'local-zfs')) ??
    storages.find((each) => each.content.includes(kind === 'lxc' ? 'rootdir' : 'images'));
  if (!storage) throw new Error(`no storage for guest ${spec.vmid}`);
  const size = spec.disk ?? 8;
  const zfs = storage.type === 'zfspool';
  const name = kind === 'lxc' && zfs ? `subvol-${spec.vmid}-disk-0` : `vm-${spec.vmid}-disk-0`;
  const volid =
    zfs || storage.type === 'rbd' || storage.type === 'lvmthin'
      ? `${storage.id}:${name}`
      : `${storage.id}:${spec.vmid}/${name}.raw`;
  volumes.push({
    volid,
    storage: storage.id,
    node: storage.shared ? undefined : spec.node,
    vmid: spec.vmid,
    content: kind === 'lxc' ? 'rootdir' : 'images',
    format: kind === 'lxc' && zfs ? 'subvol' : 'raw',
    size: size * gib,
    used: Math.min(size, 2) * gib,
    ctime: 1_795_000_000,
  });
  const mac = macAddress();
  const common = {
    ...(spec.tags !== undefined && { tags: spec.tags }),
    ...(spec.protection && { protection: 1 }),
    ...(spec.onboot && { onboot: 1 }),
  };
  const config: Guest['config'] =
    kind === 'lxc'
      ? {
          arch: 'amd64',
          ...common,
          hostname: spec.name,
          memory: 1024,
          swap: 256,
          ostype: 'debian',
          unprivileged: 1,
          rootfs: `${volid},size=${size}G`,
          net0: networkText(`name=eth0,bridge=vmbr0,ip=10.1.0.${spec.vmid}/24,gw=10.1.0.254`, mac),
        }
      : {
          boot: 'order=scsi0;net0',
          ...common,
          name: spec.name,
          memory: '4096',
          net0: `virtio=${mac},bridge=vmbr0`,
          scsi0: `${volid},size=${size}G`,
          meta: `creation-qemu=10.0.2,ctime=${Math.floor(clock.now() / 1000)}`,
          smbios1: `uuid=${randomUUID()}`,
          vmgenid: randomUUID(),
        };
  const running = spec.running ?? true;
  return {
    vmid: spec.vmid,
    kind,
    node: spec.node,
    config: { ...config, ...spec.config },
    lock: spec.lock,
    running,
    pid: running ? 2000 + spec.vmid : undefined,
    startedAt: running ? clock.now() - 3_600_000 * (1 + (spec.vmid % 40)) : undefined,
    snapshots: [],
    template: spec.template ?? false,
    startFails: spec.startFails ? startComplaint[kind] : undefined,
  };
}
