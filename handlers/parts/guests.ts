import type { Card, Fact } from '../../src/contracts/card.ts';
import type {
  Backup,
  Guest,
  GuestDetail,
  GuestType,
  HaService,
  ReplicationJob,
  ReplicationState,
} from '../../src/contracts/cluster.ts';
import type { ReadContext } from '../../src/contracts/command.ts';
import { Failed } from '../../src/contracts/failure.ts';
import { guestLabel } from '../../src/contracts/steps.ts';
import { haSid } from './risks.ts';
import { count, mebibytes, percent, size, span, usedOf } from './units.ts';

/** Lists and details of containers and VMs, which differ in little. */

export interface GuestFilter {
  readonly node?: string;
  readonly tag?: string;
}

const NOUN = { lxc: 'ct', qemu: 'vm' } as const;
const LABEL = { lxc: 'container', qemu: 'VM' } as const;

export async function listGuests(type: GuestType, filter: GuestFilter, context: ReadContext): Promise<Card> {
  const { view, root } = context;
  const [guests, nodes] = await Promise.all([view.guests(), view.nodes()]);
  const offline = new Set(nodes.filter((node) => !node.online).map((node) => node.name));
  const shown = guests.filter((guest) => guest.type === type && fits(guest, filter));
  const running = shown.filter((guest) => statusOf(guest, offline) === 'running').length;
  const unknown = shown.filter((guest) => statusOf(guest, offline).startsWith('unknown')).length;
  if (shown.length === 0) return { title: `${view.name}: no ${LABEL[type]} that you may see`, tone: 'plain' };
  return {
    title: `${view.name}: ${count(shown.length, LABEL[type])}, ${running} running${unknown ? `, ${unknown} unknown` : ''}`,
    tone: unknown > 0 ? 'warning' : 'plain',
    table: {
      columns: ['ID', 'Name', 'Node', 'Status', 'Memory', 'Notes'],
      rows: shown.map((guest) => [
        String(guest.vmid),
        guest.name || '?',
        guest.node,
        statusOf(guest, offline),
        statusOf(guest, offline) === 'running' ? usedOf(guest.memoryUsed, guest.memoryTotal) : '',
        notesOf(guest),
      ]),
    },
    footer: `${root}${NOUN[type]} show ${shown[0]!.vmid} for more`,
  };
}

function fits(guest: Guest, filter: GuestFilter): boolean {
  if (filter.node !== undefined && guest.node.toLowerCase() !== filter.node.toLowerCase()) return false;
  return filter.tag === undefined || guest.tags.some((tag) => tag.toLowerCase() === filter.tag);
}

/** A dead node's guests keep their last state for minutes; none of it is true (ODDITIES 22). */
export function statusOf(guest: Guest, offline: ReadonlySet<string>): string {
  if (offline.has(guest.node)) return 'unknown (node down)';
  return guest.status;
}

function notesOf(guest: Guest): string {
  const notes = [
    ...(guest.lock ? [`locked: ${guest.lock}`] : []),
    ...(guest.hastate ? [`HA ${guest.hastate}`] : []),
    ...guest.tags,
  ];
  return notes.join(' ');
}

export async function showGuest(type: GuestType, wanted: string, context: ReadContext): Promise<Card> {
  const { view } = context;
  const guest = await view.findGuest(wanted, type);
  const nodes = await view.nodes();
  const offline = new Set(nodes.filter((node) => !node.online).map((node) => node.name));
  const [detail, jobs, states, services, backups] = await Promise.all([
    attempt(() => view.guestDetail(guest)),
    attempt(() => view.replicationJobs()),
    attempt(() => view.replicationState(guest.node)),
    attempt(() => view.haServices()),
    attempt(() => view.backups(guest)),
  ]);
  const now = context.clock.now() / 1000;
  const status = statusOf(guest, offline);
  return {
    title: `${guestLabel(guest)}: ${status} on ${guest.node}`,
    tone: status.startsWith('unknown') || guest.lock ? 'warning' : status === 'running' ? 'good' : 'plain',
    facts: [
      ...usage(guest, status),
      ...configuration(detail),
      { label: 'HA', value: describe(services, (all) => haText(all, guest)) },
      { label: 'Replication', value: describe(jobs, (all) => replicationText(all, states, guest, now)) },
      { label: 'Backup', value: describe(backups, (all) => backupText(all, now)) },
      ...(guest.lock ? [{ label: 'Lock', value: guest.lock }] : []),
      ...(guest.pool ? [{ label: 'Pool', value: guest.pool }] : []),
      ...(guest.tags.length > 0 ? [{ label: 'Tags', value: guest.tags.join(' ') }] : []),
    ],
    private: true,
  };
}

type Attempt<T> = { readonly value: T } | { readonly failed: string };

/** One part of an answer may be missing without taking the rest with it; the card then says why. */
export async function attempt<T>(look: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await look() };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    return { failed: error.failure.why };
  }
}

export function describe<T>(result: Attempt<T>, say: (value: T) => string): string {
  return 'value' in result ? say(result.value) : `cannot be read: ${result.failed}`;
}

function usage(guest: Guest, status: string): readonly Fact[] {
  if (status !== 'running') return [];
  return [
    ...(guest.uptime === undefined ? [] : [{ label: 'Up', value: span(guest.uptime) }]),
    { label: 'Memory', value: usedOf(guest.memoryUsed, guest.memoryTotal) },
    ...(guest.diskTotal && guest.disk !== undefined && guest.disk > 0
      ? [{ label: 'Disk', value: `${usedOf(guest.disk, guest.diskTotal)}, ${percent(guest.disk / guest.diskTotal)}` }]
      : []),
  ];
}

function configuration(detail: Attempt<GuestDetail>): readonly Fact[] {
  if ('failed' in detail) return [{ label: 'Configuration', value: `cannot be read: ${detail.failed}` }];
  const { value } = detail;
  const note = value.description.trim().split('\n')[0];
  return [
    { label: 'Size', value: sizeText(value) },
    ...value.networks.map((card) => ({
      label: card.name,
      value: [card.ip ?? 'no address', card.bridge, card.gateway ? `gw ${card.gateway}` : undefined, card.mac]
        .filter((part) => part !== undefined)
        .join(' '),
    })),
    ...value.volumes.map((volume) => ({
      label: volume.key,
      value: `${volume.volid}${volume.size ? `, ${volume.size}` : ''}${volume.replicate ? '' : ', not replicated'}`,
    })),
    { label: 'Options', value: optionsText(value) },
    ...(note ? [{ label: 'Note', value: note }] : []),
  ];
}

function sizeText(detail: GuestDetail): string {
  return [
    detail.cores === undefined ? undefined : count(detail.cores, 'core'),
    detail.memoryTotal === undefined ? undefined : size(detail.memoryTotal),
    detail.swap === undefined ? undefined : `swap ${mebibytes(detail.swap)}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

function optionsText(detail: GuestDetail): string {
  return [
    `protection ${detail.protection ? 'on' : 'off'}`,
    `onboot ${detail.onboot ? 'on' : 'off'}`,
    ...(detail.type === 'lxc' ? [detail.unprivileged ? 'unprivileged' : 'PRIVILEGED'] : []),
    ...(detail.features ? [detail.features] : []),
  ].join(', ');
}

function haText(services: readonly HaService[], guest: Guest): string {
  const service = services.find((candidate) => candidate.sid === haSid(guest));
  return service ? `${service.state ?? service.crmState ?? 'queued'}, wanted ${service.requested ?? 'started'}` : 'no';
}

function replicationText(
  jobs: readonly ReplicationJob[],
  states: Attempt<readonly ReplicationState[]>,
  guest: Guest,
  now: number,
): string {
  const own = jobs.filter((job) => job.guest === guest.vmid);
  if (own.length === 0) return 'none';
  return own
    .map((job) => {
      const state = 'value' in states ? states.value.find((candidate) => candidate.id === job.id) : undefined;
      const age = state && state.lastSync > 0 ? `synced ${span(now - state.lastSync)} ago` : 'last sync unknown';
      return `${job.id} to ${job.target} ${job.schedule}, ${job.disabled ? 'DISABLED, ' : ''}${age}`;
    })
    .join('; ');
}

export function backupText(backups: readonly Backup[], now: number): string {
  const newest = newestOf(backups);
  return newest ? `${span(now - newest.at)} ago on ${newest.storage}, ${size(newest.size)}` : 'none that we may see';
}

export function newestOf(backups: readonly Backup[]): Backup | undefined {
  return backups.toSorted((a, b) => b.at - a.at)[0];
}
