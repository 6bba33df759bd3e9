import type { z } from 'zod';
import type { Clock } from '../../src/contracts/clock.ts';
import type {
  Backup,
  BackupFile,
  BackupJob,
  ClusterView,
  Guest,
  GuestDetail,
  HaService,
  Membership,
  Node,
  NodeDetail,
  PveVersion,
  ReplicationJob,
  ReplicationState,
  RunningBackup,
  Snapshots,
  Storage,
  StoredBackup,
  Template,
} from '../../src/contracts/cluster.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import type { GuestType } from '../../src/contracts/plan.ts';
import { archiveOf, filesOf, inArchive } from './backup-files.ts';
import { backupJobsFrom, runningBackupsFrom } from './backup-jobs.ts';
import { type Read, reads } from './calls.ts';
import type { Asker } from './client.ts';
import { nothingVisible } from './failures.ts';
import { detailFrom, guestsFrom, nodesFrom, pickGuest } from './guests.ts';
import { membership } from './membership.ts';
import { holds } from './privileges.ts';
import { jobFrom, stateFrom } from './replication.ts';
import * as schema from './schema.ts';
import { snapshotsFrom } from './snapshots.ts';
import { backupsOf, storageFrom, storedBackupsOf, templatesOf } from './storages.ts';
import { nextVmid } from './vmids.ts';

/** One look at a cluster: each question is asked at most once; a failed one may be asked again. */
export class View implements ClusterView {
  readonly name: string;
  readonly #client: Asker;
  readonly #clock: Clock;
  /** Outlives the view: names of guests whose node is down. */
  readonly #names: Map<number, string>;
  readonly #asked = new Map<string, Promise<unknown>>();

  constructor(client: Asker, clock: Clock, names: Map<number, string>) {
    this.name = client.name;
    this.#client = client;
    this.#clock = clock;
    this.#names = names;
  }

  async version(): Promise<PveVersion> {
    const { version: text } = await this.#get(reads.version(), schema.Version);
    const [major, minor] = text.split(/[.-]/).map(Number);
    return { major: major || 0, minor: minor || 0, text };
  }

  membership(): Promise<Membership> {
    return this.#once('membership', () => membership(this.#client, this.#clock));
  }

  async nodes(): Promise<readonly Node[]> {
    return nodesFrom(await this.#resources());
  }

  async node(name: string): Promise<NodeDetail> {
    const node = await this.#node(name);
    const status = await this.#get(reads.nodeStatus(node.name), schema.NodeStatus);
    return {
      ...node,
      pveVersion: status.pveversion?.split('/')[1] ?? status.pveversion,
      kernel: status['current-kernel']?.release ?? status.kversion,
      load: status.loadavg?.map((value) => schema.count(value)),
      rootUsed: status.rootfs?.used,
      rootTotal: status.rootfs?.total,
    };
  }

  async guests(): Promise<readonly Guest[]> {
    const rows = await this.#resources();
    const guests = guestsFrom(rows, this.#names);
    if (!rows.some((row) => row.vmid !== undefined))
      await this.#visible(reads.resources(), ['VM.Audit'], ['/vms', '/pool']);
    return guests;
  }

  async findGuest(wanted: string, type?: GuestType): Promise<Guest> {
    return pickGuest(await this.guests(), wanted, type);
  }

  async guestDetail(guest: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<GuestDetail> {
    const { node, type, vmid } = guest;
    const [status, config, rows] = await Promise.all([
      this.#get(reads.guestStatus(node, type, vmid), schema.GuestStatus),
      this.#get(reads.guestConfig(node, type, vmid), schema.GuestConfig),
      this.#resources(),
    ]);
    const row = guestsFrom(rows, this.#names).find((one) => one.vmid === vmid);
    return detailFrom(guest, status, config, row);
  }

  async storages(node: string): Promise<readonly Storage[]> {
    const { name } = await this.#node(node);
    const read = reads.storages(name);
    const rows = await this.#get(read, schema.Storages);
    if (rows.length === 0) await this.#visible(read, ['Datastore.Audit', 'Datastore.AllocateSpace'], ['/storage']);
    return rows.map(storageFrom).sort((a, b) => a.id.localeCompare(b.id, 'en'));
  }

  async templates(node: string): Promise<readonly Template[]> {
    const { name } = await this.#node(node);
    const holders = (await this.storages(name)).filter((one) => one.active && one.content.includes('vztmpl'));
    const lists = await Promise.all(
      holders.map(async ({ id }) => {
        const read = reads.content(name, id, 'vztmpl');
        const rows = await this.#get(read, schema.Content);
        // With AllocateSpace alone the list is there and empty (PROBES.md 7).
        if (rows.length === 0) await this.#visible(read, ['Datastore.Audit'], [`/storage/${id}`], false);
        return templatesOf(id, rows);
      }),
    );
    return lists.flat().sort((a, b) => b.name.localeCompare(a.name, 'en', { numeric: true }));
  }

  async bridges(node: string): Promise<readonly string[]> {
    const { name } = await this.#node(node);
    const rows = await this.#get(reads.bridges(name), schema.Bridges);
    return rows
      .filter((row) => row.type === undefined || /bridge/i.test(row.type))
      .map((row) => row.iface)
      .sort();
  }

  async nextVmid(skip: ReadonlySet<number>, range?: readonly [number, number]): Promise<number> {
    const taken = new Set((await this.#resources()).flatMap((row) => (row.vmid === undefined ? [] : [row.vmid])));
    const first = range?.[0] ?? (await this.#get(reads.nextVmid(), schema.NextVmid));
    return nextVmid({ first, last: range?.[1], unwanted: (vmid) => skip.has(vmid) || taken.has(vmid) }, (vmid) =>
      this.vmidFree(vmid),
    );
  }

  async vmidFree(vmid: number): Promise<boolean> {
    try {
      await this.#get(reads.vmidFree(vmid), schema.NextVmid);
      return true;
    } catch (error) {
      if (error instanceof Failed && error.failure.kind === 'conflict') return false;
      throw error;
    }
  }

  async replicationJobs(): Promise<readonly ReplicationJob[]> {
    const read = reads.replicationJobs();
    const rows = await this.#get(read, schema.ReplicationJobs);
    if (rows.length === 0) await this.#visible(read, ['VM.Audit'], ['/vms', '/pool']);
    return rows.map(jobFrom).sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }

  async replicationState(node: string): Promise<readonly ReplicationState[]> {
    const { name } = await this.#node(node);
    const read = reads.replicationState(name);
    const rows = await this.#get(read, schema.ReplicationStates);
    if (rows.length === 0) await this.#visible(read, ['VM.Audit'], ['/vms', '/pool']);
    return rows.map(stateFrom).sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  }

  async haServices(): Promise<readonly HaService[]> {
    const rows = await this.#get(reads.haStatus(), schema.HaRows);
    return rows
      .filter((row) => row.type === 'service' && row.sid !== undefined)
      .map((row) => ({
        sid: row.sid!,
        node: row.node ?? '',
        crmState: row.crm_state,
        state: row.state,
        requested: row.request_state,
      }))
      .sort((a, b) => a.sid.localeCompare(b.sid, 'en', { numeric: true }));
  }

  async backups(guest: Pick<Guest, 'vmid' | 'node'>): Promise<readonly Backup[]> {
    const { name } = await this.#node(guest.node);
    const holders = (await this.storages(name)).filter((one) => one.active && one.content.includes('backup'));
    const lists = await Promise.all(
      holders.map(async ({ id }) => {
        const rows = await this.#readable(reads.backups(name, id, guest.vmid), schema.Content);
        return backupsOf(id, guest.vmid, rows);
      }),
    );
    return lists.flat().sort((a, b) => b.at - a.at);
  }

  async storedBackups(node: string, storage: string): Promise<readonly StoredBackup[]> {
    const { name } = await this.#node(node);
    return storedBackupsOf(storage, await this.#get(reads.storedBackups(name, storage), schema.Content));
  }

  async backupJobs(): Promise<readonly BackupJob[]> {
    return backupJobsFrom(await this.#get(reads.backupJobs(), schema.BackupJobs));
  }

  async runningBackups(node: string): Promise<readonly RunningBackup[]> {
    const { name } = await this.#node(node);
    return runningBackupsFrom(await this.#get(reads.runningBackups(name), schema.Tasks), this.#client.tokenId);
  }

  async snapshots({ node, type, vmid }: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<Snapshots> {
    return snapshotsFrom(await this.#get(reads.snapshots(node, type, vmid), schema.SnapshotRows));
  }

  async canSnapshot({ node, type, vmid }: Pick<Guest, 'vmid' | 'node' | 'type'>): Promise<boolean> {
    return (await this.#get(reads.canSnapshot(node, type, vmid), schema.Feature)).hasFeature;
  }

  async clockAhead(node: string): Promise<number> {
    const { name } = await this.#node(node);
    return this.#once(`clock of ${name}`, async () => {
      const { time } = await this.#get(reads.nodeTime(name), schema.NodeTime);
      return time * 1000 - this.#clock.now();
    });
  }

  async backupFiles(node: string, storage: string, volid: string, path: string): Promise<readonly BackupFile[]> {
    const { name } = await this.#node(node);
    const archive = await this.#archive(name, storage, volid);
    return filesOf(
      await this.#get(reads.backupFiles(name, storage, volid, inArchive(archive, path)), schema.BackupFiles),
    );
  }

  /** Each download is a task of its own in Proxmox's list, and one that is cut short fails there. */
  async backupFile(node: string, storage: string, volid: string, path: string, limit: number): Promise<Uint8Array> {
    const { name } = await this.#node(node);
    const archive = await this.#archive(name, storage, volid);
    return this.#client.download(reads.backupFile(name, storage, volid, inArchive(archive, path)), limit);
  }

  async #archive(node: string, storage: string, volid: string): Promise<string> {
    const read = reads.backupFiles(node, storage, volid, '/');
    return archiveOf(await this.#get(read, schema.BackupFiles), volid);
  }

  async permissions(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const paths = await this.#get(reads.permissions(), schema.Permissions);
    return new Map(Object.entries(paths).map(([path, privileges]) => [path, new Set(Object.keys(privileges))]));
  }

  #resources() {
    return this.#get(reads.resources(), schema.Resources);
  }

  /** As Proxmox spells it; anything else in a path gives a 596 or a failed name lookup (ODDITIES 20, 21). */
  async #node(name: string): Promise<Node> {
    const nodes = await this.nodes();
    const node = nodes.find((one) => one.name.toLowerCase() === name.trim().toLowerCase());
    if (node) return node;
    return fail('not-found', {
      what: `there is no node ${JSON.stringify(name.slice(0, 80))}`,
      why: `the nodes of ${this.name} are ${nodes.map((one) => one.name).join(', ')}`,
      next: 'name one of these: node list',
    });
  }

  /** An empty list with 200 is how Proxmox says that we may not look (ODDITIES 35); asked only when one is empty. */
  async #visible(read: Read, privileges: readonly string[], paths: readonly string[], anywhere = true): Promise<void> {
    const rights = await this.#get(reads.permissions(), schema.Permissions);
    if (privileges.some((privilege) => paths.some((path) => holds(rights, privilege, path, anywhere)))) return;
    throw new Failed(nothingVisible(this.#client.attempt(read), paths[0]!, privileges[0]!));
  }

  /** A storage that we may not look into holds nothing for us. */
  async #readable<S extends z.ZodType>(read: Read, type: S): Promise<z.output<S> | []> {
    try {
      return await this.#get(read, type);
    } catch (error) {
      if (error instanceof Failed && error.failure.kind === 'no-privilege') return [];
      throw error;
    }
  }

  #get<S extends z.ZodType>(read: Read, type: S): Promise<z.output<S>> {
    return this.#once(`${read.path}?${JSON.stringify(read.query)}`, async () =>
      schema.readAs(type, (await this.#client.get(read)).data, this.#client.attempt(read)),
    );
  }

  #once<T>(key: string, question: () => Promise<T>): Promise<T> {
    const known = this.#asked.get(key);
    if (known) return known as Promise<T>;
    const asked = question();
    this.#asked.set(key, asked);
    asked.catch(() => this.#asked.delete(key));
    return asked;
  }
}
