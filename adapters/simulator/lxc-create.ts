import { randomBytes } from 'node:crypto';
import {
  badParameters,
  broken,
  type Call,
  forbidden,
  has,
  may,
  need,
  needAny,
  needQuorum,
  on,
  type Route,
} from './call.ts';
import { splitList } from './formats.ts';
import { createRules, networkRule, privilegeFor } from './lxc-rules.ts';
import { startContainer } from './power.ts';
import type { Guest, Storage, Volume } from './state.ts';
import type { TaskRun } from './tasks.ts';
import { parseProperties } from './verify.ts';

const gib = 1024 ** 3;
/** What an unpacked Debian takes. */
const unpackedBytes = 640 * 1024 ** 2;

const notConfiguration = new Set([
  'node',
  'vmid',
  'ostemplate',
  'password',
  'pool',
  'restore',
  'force',
  'unique',
  'ssh-public-keys',
  'start',
  'storage',
  'bwlimit',
  'ha-managed',
  'ignore-unpack-errors',
  'delete',
  'digest',
  'revert',
]);

const numeric = /^(cores|cpuunits|memory|swap|onboot|protection|unprivileged|console|tty|template|debug)$/;

export const macAddress = (): string =>
  ['BC', '24', '11', ...[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())].join(':');

/** Proxmox writes networks back with the keys in its own order, a MAC and a type. */
export function networkText(value: string, known?: string): string {
  const keys = parseProperties(networkRule, value) as Record<string, string>;
  const { name, bridge, ...rest }: Record<string, string> = { type: 'veth', hwaddr: known ?? macAddress(), ...keys };
  const ordered = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  return [['name', name], ...(bridge === undefined ? [] : [['bridge', bridge]]), ...ordered]
    .map((pair) => pair.join('='))
    .join(',');
}

/** One key as it is kept: notes get a final line feed, tags are lower-cased, numbers are numbers. */
export function configValue(key: string, value: string, before?: string | number): string | number {
  if (key === 'description') return value.endsWith('\n') ? value : `${value}\n`;
  if (key === 'tags') return [...new Set(splitList(value.toLowerCase()))].join(';');
  if (/^net\d+$/.test(key)) return networkText(value, /hwaddr=([^,]+)/.exec(String(before ?? ''))?.[1]);
  return numeric.test(key) ? Number(value) : value;
}

/** Checks each configuration key against its privilege; a pool's rights count for a guest made into it. */
export function needConfigRights(call: Call, keys: string[], pool?: string): void {
  const guestPath = `/vms/${call.params.vmid}`;
  for (const key of keys) {
    const priv = privilegeFor(key);
    if (key === 'features') needFeatures(call, guestPath, pool);
    else if (key === 'hookscript' || /^dev\d+$/.test(key))
      throw forbidden(`configuring ${key} is only allowed for root@pam`);
    else if (key === 'unprivileged' && call.world.pve === '9.2' && !on(call, 'unprivileged'))
      need(call, '/', 'Sys.Modify');
    else needHereOrInPool(call, guestPath, pool, priv);
    if (/^net\d+$/.test(key)) needBridge(call, call.params[key] ?? '');
  }
}

function needHereOrInPool(call: Call, guestPath: string, pool: string | undefined, priv: string): void {
  if (pool !== undefined && may(call, `/pool/${pool}`, priv)) return;
  need(call, guestPath, priv);
}

/** An identity check: not even root's own tokens may set anything but nesting. */
function needFeatures(call: Call, guestPath: string, pool: string | undefined): void {
  const others = splitList(call.params.features ?? '').filter((part) => !part.startsWith('nesting='));
  if (others.length > 0 && call.caller.full !== 'root@pam') {
    throw forbidden('changing feature flags (except nesting) is only allowed for root@pam');
  }
  needHereOrInPool(call, guestPath, pool, 'VM.Allocate');
}

function needBridge(call: Call, network: string): void {
  const { bridge, tag } = parseProperties(networkRule, network) as Record<string, string>;
  if (bridge === undefined) return;
  need(call, `/sdn/zones/localnetwork/${bridge}${tag === undefined ? '' : `/${tag}`}`, 'SDN.Use');
}

/** Storage and size of `local-zfs:16`; the size is a number of GiB without unit. */
function rootfsOf(call: Call): { storage: Storage; gib: number } {
  const text = call.params.rootfs;
  const id = text === undefined ? (call.params.storage ?? 'local') : (text.replace(/^volume=/, '').split(':')[0] ?? '');
  const size =
    text === undefined ? 4 : Number(/^(?:volume=)?[^:,]+:(\d+(?:\.\d+)?)(?:,|$)/.exec(text)?.[1] ?? Number.NaN);
  const storage = call.state.storages.get(id);
  if (!storage) throw broken(`storage '${id}' does not exist`);
  if (storage.nodes && !storage.nodes.includes(call.node.name))
    throw broken(`storage '${id}' is not available on node '${call.node.name}'`);
  if (!storage.content.includes('rootdir'))
    throw badParameters({ storage: `storage '${id}' does not support container directories` });
  if (Number.isNaN(size)) throw broken(`unable to parse volume ID '${text}'`);
  need(call, `/storage/${id}`, 'Datastore.AllocateSpace');
  return { storage, gib: size };
}

function checkTemplateAccess(call: Call): void {
  const volid = call.params.ostemplate ?? '';
  const storage = /^([a-z][a-z0-9\-_.]*[a-z0-9]):vztmpl\/[^/\s]+$/i.exec(volid)?.[1];
  if (storage === undefined) throw broken('Only root can pass arbitrary filesystem paths.');
  if (!call.state.storages.has(storage)) throw broken(`storage '${storage}' does not exist`);
  needAny(call, `/storage/${storage}`, 'Datastore.AllocateSpace', 'Datastore.Audit');
}

/** POST /nodes/N/lxc. Synchronous: rights, vmid, lock; the rest happens, and fails, in the task. */
function create(call: Call): string {
  const vmid = Number(call.params.vmid);
  const pool = call.params.pool;
  const existing = call.world.state.guests.get(vmid);
  if (pool !== undefined && !call.state.pools.has(pool)) throw broken(`pool '${pool}' does not exist`);
  const allowed =
    may(call, `/vms/${vmid}`, 'VM.Allocate') || (pool !== undefined && may(call, `/pool/${pool}`, 'VM.Allocate'));
  if (!allowed) throw forbidden();
  for (const key of ['restore', 'force'] as const)
    if (on(call, key)) throw broken(`the simulator does not imitate ${key}=1`);
  const keys = Object.keys(call.params).filter((key) => !notConfiguration.has(key));
  needConfigRights(
    call,
    keys.filter((key) => key !== 'rootfs'),
    pool,
  );
  if (has(call, 'rootfs')) needConfigRights(call, ['rootfs'], pool);
  checkSshKeys(call.params['ssh-public-keys']);
  checkTemplateAccess(call);
  const root = rootfsOf(call);
  needQuorum(call);
  if (existing)
    throw broken(`${existing.kind === 'lxc' ? 'CT' : 'VM'} ${vmid} already exists on node '${existing.node}'`);

  const guest: Guest = {
    vmid,
    kind: 'lxc',
    node: call.node.name,
    config: {},
    lock: 'create',
    running: false,
    snapshots: [],
    template: false,
  };
  call.state.guests.set(vmid, guest);
  const upid = call.tasks.start(
    { node: call.node.name, type: 'vzcreate', id: String(vmid), caller: call.caller },
    (run) => build(call, guest, keys, root, run),
  );
  call.effects.add({
    kind: 'create',
    id: String(vmid),
    node: call.node.name,
    by: call.caller.full,
    at: call.world.clock.now(),
    upid,
  });
  return upid;
}

function checkSshKeys(keys: string | undefined): void {
  const bad = (keys ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .some(
      (line) => !/^(?:\S+\s+)?(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+)\s+[A-Za-z0-9+/=]+(?:\s.*)?$/.test(line),
    );
  if (bad) throw broken('SSH public key validation error');
}

/** The task's timeline as measured: only the lock, then the whole configuration without lock while it still runs. */
async function build(
  call: Call,
  guest: Guest,
  keys: string[],
  root: { storage: Storage; gib: number },
  run: TaskRun,
): Promise<void> {
  const { world, state } = call;
  let volume: Volume | undefined;
  try {
    await run.pass(0.1, 'locked');
    const template = call.params.ostemplate as string;
    if (
      !world.volumes.some((each) => each.volid === template && (each.node === undefined || each.node === guest.node))
    ) {
      throw new Error(`volume '${template}' does not exist`);
    }
    volume = allocate(call, guest.vmid, root);
    await run.pass(0.25, 'unpacking');
    unpack(call, volume, root.storage, template, run);
    if (!world.quorate(guest.node))
      throw new Error(
        `unable to open file '/etc/pve/nodes/${guest.node}/lxc/${guest.vmid}.conf.tmp.${call.tasks.nextPid()}' - Permission denied`,
      );
    guest.config = configuration(call, keys, volume, root.gib);
    guest.lock = undefined;
    await run.pass(0.65, 'complete');
    run.log('Detected container architecture: amd64');
    if (call.params.pool !== undefined) state.pools.get(call.params.pool)?.vms.push(guest.vmid);
  } catch (error) {
    // Without quorum /etc/pve is read-only: the locked configuration stays behind.
    if (world.quorate(guest.node)) state.guests.delete(guest.vmid);
    if (volume) world.dropVolume(volume.volid, volume.node);
    throw new Error(`unable to create CT ${guest.vmid} - ${(error as Error).message}`);
  }
  if (on(call, 'ha-managed'))
    state.ha.resources.set(`ct:${guest.vmid}`, {
      sid: `ct:${guest.vmid}`,
      type: 'ct',
      state: on(call, 'start') ? 'started' : 'stopped',
    });
  if (on(call, 'start')) await startContainer(call, guest, run);
}

function volumeName(storage: Storage, vmid: number, disk: number): { volid: string; format: string } {
  if (storage.type === 'zfspool' || storage.type === 'rbd' || storage.type === 'lvmthin') {
    const subvol = storage.type === 'zfspool';
    return {
      volid: `${storage.id}:${subvol ? 'subvol' : 'vm'}-${vmid}-disk-${disk}`,
      format: subvol ? 'subvol' : 'raw',
    };
  }
  return { volid: `${storage.id}:${vmid}/vm-${vmid}-disk-${disk}.raw`, format: 'raw' };
}

function allocate(call: Call, vmid: number, root: { storage: Storage; gib: number }): Volume {
  const { storage } = root;
  let disk = 0;
  const taken = new Set(call.world.volumesOn(call.node.name, storage.id).map((each) => each.volid));
  while (taken.has(volumeName(storage, vmid, disk).volid)) disk++;
  const volume: Volume = {
    ...volumeName(storage, vmid, disk),
    storage: storage.id,
    node: storage.shared ? undefined : call.node.name,
    vmid,
    content: 'rootdir',
    size: Math.round(root.gib * gib),
    used: 0,
    ctime: Math.floor(call.world.clock.now() / 1000),
  };
  call.world.volumes.push(volume);
  return volume;
}

function unpack(call: Call, volume: Volume, storage: Storage, template: string, run: TaskRun): void {
  const file = template.split('/')[1] as string;
  run.log(`extracting archive '${storage.path ?? '/var/lib/vz'}/template/cache/${file}'`);
  const free = storage.total - call.world.used(call.node.name, storage);
  if (free < unpackedBytes || volume.size < unpackedBytes) {
    run.log(
      `tar: ./usr/lib/x86_64-linux-gnu/libicudata.so.76.1: Cannot write: ${storage.type === 'zfspool' ? 'Disk quota exceeded' : 'No space left on device'}`,
    );
    run.log('tar: Exiting with failure status due to previous errors');
    throw new Error(
      `command 'lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- tar xpf - --zstd --totals' failed: exit code 2`,
    );
  }
  volume.used = unpackedBytes;
  run.log(`Total bytes read: ${unpackedBytes} (${unpackedBytes / 1024 ** 2}MiB, 237MiB/s)`);
}

function configuration(call: Call, keys: string[], volume: Volume, size: number): Guest['config'] {
  const given = Object.fromEntries(keys.map((key) => [key, configValue(key, call.params[key] as string)]));
  const mountOptions = (call.params.rootfs ?? '')
    .split(',')
    .slice(1)
    .filter((part) => !part.startsWith('size='));
  const unprivileged = call.params.unprivileged ?? (call.world.pve === '9.2' ? '1' : '0');
  const config: Guest['config'] = {
    arch: 'amd64',
    hostname: `CT${call.params.vmid}`,
    memory: 512,
    swap: 512,
    ostype: 'debian',
    ...given,
    rootfs: [volume.volid, ...mountOptions, `size=${size}G`].join(','),
  };
  if (unprivileged === '1') config.unprivileged = 1;
  else delete config.unprivileged;
  return config;
}

export const createRoutes: Route[] = [{ method: 'POST', path: '/nodes/{node}/lxc', rules: createRules, run: create }];
