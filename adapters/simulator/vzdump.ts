import { badParameters, type Call, label, need, type Route } from './call.ts';
import { splitList } from './formats.ts';
import { canSnapshot } from './snapshot-work.ts';
import type { Guest, Storage } from './state.ts';
import type { Task, TaskRun } from './tasks.ts';
import { flag, format, integer, node, oneOf, optional, text } from './verify.ts';
import { guestName } from './world.ts';

/** POST /nodes/N/vzdump and what its task does and says (FACTS 2.3, 2.4). One at a time on a node; the others wait. */

/** Guests of the list on other nodes are skipped; with none left nothing is done and the answer is `OK`. */
function vzdump(call: Call): string {
  const { vmid, storage = 'local' } = call.params;
  if (vmid === undefined) throw badParameters({ vmid: 'property is missing' });
  const listed = splitList(vmid).map(Number);
  for (const each of listed) need(call, `/vms/${each}`, 'VM.Backup');
  const elsewhere = listed.filter((each) => (call.state.guests.get(each)?.node ?? call.node.name) !== call.node.name);
  const here = listed.filter((each) => !elsewhere.includes(each));
  if (here.length === 0) return 'OK';
  return call.tasks.start(
    { node: call.node.name, type: 'vzdump', id: here.length === 1 ? String(here[0]) : '', caller: call.caller },
    async (run) => {
      run.log(`INFO: starting new backup job: vzdump ${here.join(' ')} ${optionsText(call.params)}`);
      if (elsewhere.length > 0) run.log(`INFO: skip external VMs: ${elsewhere.join(', ')}`);
      await globalLock(call, run);
      const target = storageFor(call, storage);
      let failed = 0;
      for (const each of here) failed += (await backUp(call, each, target, run)) ? 0 : 1;
      run.log(`INFO: Backup job finished ${failed > 0 ? 'with errors' : 'successfully'}`);
      if (failed > 0) throw new Error('job errors');
    },
  );
}

const optionsText = ({ vmid: _vmid, ...options }: Record<string, string>): string =>
  Object.entries(options)
    .map(([key, value]) => `--${key} ${/^[\w./:=-]+$/.test(value) ? value : `'${value}'`}`)
    .join(' ');

/** Older ones of this node come first (/var/run/vzdump.lock). */
async function globalLock(call: Call, run: TaskRun): Promise<void> {
  const mine = call.tasks.find(run.upid) as Task;
  const older = (task: Task) => task !== mine && task.type === 'vzdump' && task.status === 'running';
  const ahead = call.tasks.of(call.node.name).filter(older);
  if (ahead.length === 0) return;
  run.log('INFO: trying to get global lock - waiting...');
  while (ahead.some((task) => task.status === 'running')) await run.pass(0.2, 'waiting');
  run.log('INFO: got global lock');
}

/** Without it no guest is even tried. */
function storageFor(call: Call, id: string): Storage {
  const storage = call.state.storages.get(id);
  if (!storage) throw new Error(`could not get storage information for '${id}': storage '${id}' does not exist`);
  if (!storage.content.includes('backup'))
    throw new Error(
      `could not get storage information for '${id}': can't use storage '${id}' for backups - wrong content type`,
    );
  if (storage.offline) throw new Error(`could not activate storage '${id}': storage '${id}' is not online`);
  return storage;
}

const two = (value: number) => String(value).padStart(2, '0');
const clockText = (seconds: number) =>
  `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
const localTime = (at: number) => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

/** False when it failed; killed, it never comes back and leaves the lock. */
async function backUp(call: Call, vmid: number, storage: Storage, run: TaskRun): Promise<boolean> {
  const began = call.world.clock.now();
  const guest = call.state.guests.get(vmid);
  const kind = guest?.kind ?? 'lxc';
  if (guest) run.log(`INFO: Starting Backup of VM ${vmid} (${kind})`);
  if (guest) run.log(`INFO: Backup started at ${localTime(began)}`);
  let locked = false;
  try {
    if (!guest) throw new Error(`unable to find VM '${vmid}'`);
    run.log(`INFO: status = ${guest.running ? 'running' : 'stopped'}`);
    if (guest.lock !== undefined) throw new Error(`${label(kind)} is locked (${guest.lock})`);
    guest.lock = 'backup';
    locked = true;
    await write(call, guest, storage, run, began);
    guest.lock = undefined;
    const seconds = Math.floor((call.world.clock.now() - began) / 1000);
    run.log(`INFO: Finished Backup of VM ${vmid} (${clockText(seconds)})`);
    run.log(`INFO: Backup finished at ${localTime(call.world.clock.now())}`);
    const by = call.caller.full;
    call.effects.add({
      kind: 'backup',
      id: `${vmid}`,
      node: guest.node,
      by,
      at: call.world.clock.now(),
      upid: run.upid,
    });
    return true;
  } catch (error) {
    if (guest && locked) guest.lock = undefined;
    const { message } = error as Error;
    run.log(`ERROR: Backup of VM ${vmid} failed - ${message}`);
    run.log(`INFO: Failed at ${localTime(call.world.clock.now())}`);
    if (message === 'received interrupt') {
      run.log('ERROR: Backup job failed - interrupted by signal');
      throw error;
    }
    return false;
  }
}

async function write(call: Call, guest: Guest, storage: Storage, run: TaskRun, began: number): Promise<void> {
  const { vmid, kind } = guest;
  run.log(`INFO: ${label(kind)} Name: ${guestName(guest)}`);
  for (const [key, value] of Object.entries(guest.config)) mount(key, String(value), run);
  const wanted = call.params.mode ?? 'snapshot';
  const mode = wanted !== 'snapshot' ? wanted : !guest.running ? 'stop' : backupMode(call, guest, run);
  run.log(`INFO: backup mode: ${mode}`);
  run.log('INFO: ionice priority: 7');
  if (mode === 'snapshot' && kind === 'lxc') run.log(`INFO: create storage snapshot 'vzdump'`);
  const { volid, format: shape, place } = archive(storage, guest, began, call.params.compress);
  run.log(`INFO: creating ${place}`);
  await run.pass(0.6, 'writing');
  const bytes = call.world.volumes
    .filter((volume) => volume.vmid === vmid && volume.node === guest.node && volume.content !== 'backup')
    .reduce((total, volume) => total + volume.used, 0);
  const size = Math.max(1, Math.round(bytes * (call.params.compress === '0' ? 1 : 0.4)));
  if (storage.offline) throw new Error(`unable to open '${place}' at storage '${storage.id}' - Input/output error`);
  if (storage.total - call.world.used(guest.node, storage) < size) {
    run.log('INFO: zstd: error 70 : Write error : cannot write block : No space left on device');
    throw new Error(`command 'set -o pipefail && tar cpf - ... | zstd' failed: exit code 70`);
  }
  run.log(`INFO: Total bytes written: ${bytes} (${sizeText(bytes)})`);
  run.log(`INFO: archive file size: ${sizeText(size)}`);
  const notes = notesOf(call, guest);
  if (notes !== undefined) run.log('INFO: adding notes to backup');
  if (call.params.protected === '1') run.log('INFO: marking backup as protected');
  call.world.volumes.push({
    volid,
    storage: storage.id,
    ...(storage.shared ? {} : { node: guest.node }),
    vmid,
    content: 'backup',
    format: shape,
    size,
    used: size,
    ctime: Math.floor(began / 1000),
    ...(notes === undefined ? {} : { notes }),
    ...(call.params.protected === '1' ? { protected: true } : {}),
  });
  // Listed with its notes a little before the lock is gone and the task ends (PROBES.md 3).
  await run.pass(0.4, 'written');
  if (mode === 'snapshot' && kind === 'lxc') run.log(`INFO: cleanup temporary 'vzdump' snapshot`);
}

function mount(key: string, value: string, run: TaskRun): void {
  const [, name] = /^(rootfs|mp\d+)$/.exec(key) ?? [];
  if (!name) return;
  const path = name === 'rootfs' ? '/' : (/(?:^|,)mp=([^,]+)/.exec(value)?.[1] ?? '?');
  if (value.startsWith('/')) run.log(`INFO: excluding bind mount point ${name} ('${path}') from backup (not a volume)`);
  else if (name === 'rootfs' || /(?:^|,)backup=1/.test(value))
    run.log(`INFO: including mount point ${name} ('${path}') in backup`);
  else run.log(`INFO: excluding volume mount point ${name} ('${path}') from backup (disabled)`);
}

function backupMode(call: Call, guest: Guest, run: TaskRun): string {
  if (guest.kind === 'qemu' || canSnapshot(call, guest)) return 'snapshot';
  run.log('INFO: mode failure - some volumes do not support snapshots');
  run.log(`INFO: trying 'suspend' mode instead`);
  return 'suspend';
}

function archive(storage: Storage, { vmid, kind }: Guest, began: number, compress = '0') {
  const time = new Date(began).toISOString();
  if (storage.type === 'pbs') {
    const group = `${kind === 'lxc' ? 'ct' : 'vm'}/${vmid}/${time.slice(0, 19)}Z`;
    const shape = kind === 'lxc' ? 'pbs-ct' : 'pbs-vm';
    return { volid: `${storage.id}:backup/${group}`, format: shape, place: `Proxmox Backup Server archive '${group}'` };
  }
  const suffix = { zstd: '.zst', gzip: '.gz', '1': '.lzo', lzo: '.lzo' }[compress] ?? '';
  const shape = `${kind === 'lxc' ? 'tar' : 'vma'}${suffix}`;
  const name = `vzdump-${kind}-${vmid}-${time.slice(0, 10).replaceAll('-', '_')}-${time.slice(11, 19).replaceAll(':', '_')}.${shape}`;
  const folder = storage.path ?? `/mnt/pve/${storage.id}`;
  return { volid: `${storage.id}:backup/${name}`, format: shape, place: `vzdump archive '${folder}/dump/${name}'` };
}

/** KB and MB without digits, GB and TB with two, in powers of 1024. */
function sizeText(bytes: number): string {
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)}KB`;
  if (bytes < 1024 ** 3) return `${Math.round(bytes / 1024 ** 2)}MB`;
  if (bytes < 1024 ** 4) return `${(bytes / 1024 ** 3).toFixed(2)}GB`;
  return `${(bytes / 1024 ** 4).toFixed(2)}TB`;
}

function notesOf(call: Call, guest: Guest): string | undefined {
  const known: Record<string, string> = {
    guestname: guestName(guest),
    node: guest.node,
    vmid: String(guest.vmid),
    cluster: call.world.cluster ?? 'standalone node',
  };
  return call.params['notes-template']?.replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) => known[name] ?? whole);
}

export const vzdumpRoutes: Route[] = [
  {
    method: 'POST',
    path: '/nodes/{node}/vzdump',
    run: vzdump,
    may: (call) => {
      const id = call.params.storage;
      if (id !== undefined) need(call, `/storage/${id}`, 'Datastore.AllocateSpace');
    },
    rules: {
      node: optional(node),
      vmid: optional(format('pve-vmid-list')),
      storage: optional(format('pve-storage-id')),
      mode: optional(oneOf('snapshot', 'suspend', 'stop')),
      compress: optional(oneOf('0', '1', 'gzip', 'lzo', 'zstd')),
      remove: flag,
      protected: flag,
      quiet: flag,
      bwlimit: optional(integer(0)),
      'notes-template': optional(text({ maxLength: 1024 })),
      'notification-mode': optional(oneOf('auto', 'legacy-sendmail', 'notification-system')),
    },
  },
];
