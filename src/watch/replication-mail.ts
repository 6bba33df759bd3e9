import type { Observation, WatchWorld } from '../contracts/watch.ts';
import { called, span } from './ha-memory.ts';
import { labelled, readNotification } from './notification.ts';
import { rootCause } from './replication-job.ts';
import { guestOf, incidentOf, type Known, type Untold } from './replication-news.ts';

/** The mail that PVE sends of a failing replication, at failure 1, 2, 3, then 48, 96 …; never of a recovery. */

interface Mail {
  readonly jobId: string;
  readonly failCount: number;
  readonly at: number;
  readonly from?: string;
  readonly to?: string;
  readonly lastSync?: number;
  /** It says 1970: the job was just taken over, its state is lost (ODDITIES 70). */
  readonly neverSynced: boolean;
  readonly rootCause?: string;
}

export function readReplicationMail(data: unknown, at: number, world: Pick<WatchWorld, 'syncs'>): Mail | undefined {
  const notification = readNotification(data);
  if (notification?.type !== 'replication') return undefined;
  const { message, title, hostname } = notification;
  const jobId = notification.jobId ?? /'(\d+-\d+)'/.exec(title)?.[1];
  if (!jobId || !/^\d+-\d+$/.test(jobId)) return undefined;
  const to = /with target '([^']+)'/.exec(message)?.[1];
  const told = labelled(notification, 'Last successful sync') ?? '';
  const neverSynced = /^(1970-01-01|1969-12-31|never|-|0$)/i.test(told);
  // The text is local time of an unknown zone; the base snapshot of the command is the very epoch.
  const base = Number(/-base __replicate_\d+-\d+_(\d+)__/.exec(message)?.[1]) || undefined;
  const lastSync = neverSynced ? undefined : (base ?? world.syncs[jobId]?.lastSync);
  const error = message.split(/^Error:\s*$/m)[1]?.trim();
  const cause = to ? rootCause([], { source: hostname, target: to, error }) : undefined;
  return {
    jobId,
    failCount: Number(labelled(notification, 'Failure count')) || 1,
    at: notification.timestamp ?? at,
    neverSynced,
    ...(hostname ? { from: hostname } : {}),
    ...(to ? { to } : {}),
    ...(lastSync === undefined ? {} : { lastSync }),
    ...(cause ? { rootCause: cause } : {}),
  };
}

export interface MailMemory {
  jobs: Record<string, Known>;
  /** Incidents a mail opened, of jobs not yet seen. */
  mailed: Record<string, NonNullable<Known['open']>>;
  heard: string[];
}

/** The polled row is the truth, where it is known. */
export function mailed(memory: MailMemory, { data, at }: Observation, world: WatchWorld): Untold[] {
  const mail = readReplicationMail(data, at, world);
  if (!mail) return [];
  const key = `${mail.jobId}/${mail.failCount}/${mail.at}`;
  const known = memory.jobs[mail.jobId];
  if (memory.heard.includes(key) || known?.open?.kind === 'replication-failed') return [];
  memory.heard = [...memory.heard.slice(-49), key];
  const guest = guestOf({ id: mail.jobId, guest: undefined }, world);
  const fact = {
    jobId: mail.jobId,
    guest,
    ...(mail.from ? { from: mail.from } : {}),
    ...(mail.to ? { to: mail.to } : {}),
    at: mail.at,
    facts: {
      failCount: mail.failCount,
      ...(mail.lastSync === undefined ? {} : { lastSync: mail.lastSync, exposureSeconds: mail.at - mail.lastSync }),
      ...(mail.rootCause ? { rootCause: mail.rootCause } : {}),
      source: 'notification',
    },
  };
  const words = `Replication ${mail.jobId} of ${called(guest)}${mail.to ? ` → ${mail.to}` : ''}`;
  if (mail.neverSynced || (mail.to !== undefined && mail.to in world.trouble))
    return [
      {
        kind: 'replication-followup-of-failover',
        severity: 'info',
        incident: mail.to && mail.to in world.trouble ? `node/${mail.to}` : incidentOf(mail.jobId),
        phase: mail.to && mail.to in world.trouble ? 'goes-on' : 'note',
        ...fact,
        text: `${words} cannot reach its new target yet`,
      },
    ];
  const grave =
    mail.failCount >= world.limits.replicationMisses ||
    (mail.lastSync !== undefined && mail.at - mail.lastSync >= world.limits.replicationSeconds);
  const open: Known['open'] = {
    kind: 'replication-failed',
    at: mail.at,
    ...(mail.rootCause ? { cause: mail.rootCause } : {}),
  };
  if (grave && known) known.open = open;
  else if (grave) memory.mailed[mail.jobId] = open;
  return [
    {
      kind: 'replication-failed',
      severity: 'error',
      incident: incidentOf(mail.jobId),
      phase: grave ? 'opens' : 'note',
      ...fact,
      text: [
        `${words} fails, ${mail.failCount} in a row`,
        ...(mail.rootCause ? [mail.rootCause] : []),
        ...(mail.lastSync === undefined ? [] : [`Last good run ${span(mail.at - mail.lastSync)} ago`]),
      ].join('\n'),
    },
  ];
}
