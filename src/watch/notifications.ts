import { createHash } from 'node:crypto';
import type { News, Observation, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { isHook, labelled, type Notification, readNotification } from './notification.ts';

/**
 * Webhooks that no other watcher reads: fencing, forwarded mail, tests, and what cannot be read at all: it is told as
 * it came. Backups, replication, updates and the backup server's own work are told by their watchers.
 */

export interface NotificationsMemory {
  /** What was told lately: several matchers send the same thing. */
  heard: string[];
  /** Nodes that a mail alone said are being fenced, and when. */
  fenced: Record<string, number>;
}

const HEARD = 100;
/** Seconds after which a fencing that nobody sees did not happen. */
const UNSEEN = 600;
const SHOWN = 1500;

/** Types that other watchers tell, and what they need to do so. */
function elsewhere({ type, hostname, jobId, title }: Notification): boolean {
  if (type === 'vzdump') return hostname !== undefined;
  if (type === 'replication') return /^\d+-\d+$/.test(jobId ?? /'(\d+-\d+)'/.exec(title)?.[1] ?? '');
  return ['package-updates', 'gc', 'verify', 'prune', 'sync', 'tape-backup'].includes(type);
}

export const notificationsWatcher: Watcher<NotificationsMemory> = {
  name: 'notifications',
  blank: { heard: [], fenced: {} },
  wants: isHook,
  see(before, observation, world): Step<NotificationsMemory> {
    const { data, at } = observation;
    const read = readNotification(data);
    if (read && elsewhere(read)) return { memory: before, news: [] };
    // A backup of no node, a replication of no job: nobody can make anything of it.
    const notification = read && !['vzdump', 'replication'].includes(read.type) ? read : undefined;
    const key = keyOf(notification ?? data);
    if (before.heard.includes(key)) return { memory: before, news: [] };
    const memory = structuredClone(before);
    memory.heard = [...memory.heard.slice(1 - HEARD), key];
    const news = notification ? told(memory, notification, at, world) : unreadable(observation, world);
    return { memory, news: [news] };
  },
  pass(before, at, world) {
    const over = Object.entries(before.fenced).filter(
      ([node, since]) => at - since >= UNSEEN && world.nodes[node]?.online === true && !(node in world.trouble),
    );
    if (over.length === 0) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const news = over.map(([node, since]): News => {
      delete memory.fenced[node];
      const text = `${node} is online; the fencing that a mail told of was not seen`;
      return {
        kind: 'node-back',
        severity: 'info',
        cluster: world.cluster,
        incident: `node/${node}`,
        phase: 'ends',
        node,
        startedAt: since,
        endedAt: at,
        at,
        text,
      };
    });
    return { memory, news };
  },
};

/** Stable for the same message; short, for it is kept. */
function keyOf(data: unknown): string {
  const text = typeof data === 'string' ? data : (JSON.stringify(data) ?? 'undefined');
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

function unreadable({ data, at, endpoint }: Observation, { cluster }: WatchWorld): News {
  const text = (typeof data === 'string' ? data : (JSON.stringify(data) ?? '')).trim();
  return {
    kind: 'unparseable-notification',
    severity: 'warning',
    cluster,
    incident: `notification/${keyOf(data)}`,
    phase: 'note',
    at,
    text: `A notification could not be read; it said:\n${text ? text.slice(0, SHOWN) : '(nothing)'}`,
    facts: { raw: text.slice(0, 4000), endpoint },
  };
}

function told(memory: NotificationsMemory, notification: Notification, at: number, world: WatchWorld): News {
  const { type, title, message, hostname, timestamp } = notification;
  const common = { cluster: world.cluster, at: timestamp ?? at, ...(hostname ? { node: hostname } : {}) };
  const text = [title, message.trim().slice(0, SHOWN)].filter(Boolean).join('\n');
  if (type === 'fencing') return fencing(memory, notification, at, world);
  if (type === 'test')
    return {
      kind: 'test',
      severity: 'info',
      incident: 'notification/test',
      phase: 'note',
      ...common,
      text: `Test notification: ${message.trim().split('\n')[0] || title}`,
    };
  if (type === 'acme')
    // Sent as info, though it means that a renewal failed (ODDITIES 88).
    return {
      kind: 'certificate-expiring',
      severity: 'warning',
      incident: `certificate/${hostname ?? 'acme'}/acme`,
      phase: 'note',
      ...common,
      text,
    };
  return {
    kind: 'system-mail',
    severity: mailSeverity(notification),
    incident: `mail/${hostname ?? type}`,
    phase: 'note',
    ...common,
    text,
    facts: { title, type, message: message.slice(0, 4000), saidSeverity: notification.severity },
  };
}

const ALARMING =
  /\b(SMART|smartd|ZFS|zed|mdadm|DegradedArray|degraded|faulted|fail(ed|ure|ing)?|errors?|critical|emerg)\b/i;

/** Forwarded mail has no severity of its own; SMART and ZED say `unknown`, too (ODDITIES 84). */
function mailSeverity({ severity, title, type }: Notification): News['severity'] {
  if (severity === 'error' || severity === 'warning' || severity === 'notice') return severity;
  if (type !== 'system-mail') return severity === 'info' ? 'info' : 'notice';
  return ALARMING.test(title) ? 'warning' : 'notice';
}

/** `hostname` is the node that failed, not the one that sends (ODDITIES 66); success is sent as an error as well. */
function fencing(memory: NotificationsMemory, notification: Notification, at: number, world: WatchWorld): News {
  const { title, message, hostname, fields } = notification;
  const node = hostname ?? /node '([^']+)'/.exec(title)?.[1] ?? 'unknown';
  const done = /^success/i.test(title) || /successfully fenced|acknowledged/i.test(fields['fence-status'] ?? message);
  const when = notification.timestamp ?? at;
  const mine = message.split(/^The other HA resources/m)[0] ?? message;
  const affected = [...mine.matchAll(/^- ((?:ct|vm):\d+) \[/gm)].map(([, sid]) => sid!);
  const known = node in world.trouble || node in memory.fenced;
  if (!(node in world.trouble)) memory.fenced[node] ??= when;
  if (done && node in world.trouble) delete memory.fenced[node];
  const status = labelled(notification, 'Status');
  return {
    kind: done ? 'node-fenced' : 'node-fencing-started',
    severity: 'critical',
    cluster: world.cluster,
    incident: `node/${node}`,
    phase: known ? 'goes-on' : 'opens',
    node,
    at: when,
    guests: affected.map((sid) => {
      const vmid = Number(sid.slice(3));
      const called = world.guests[vmid]?.name;
      return {
        vmid,
        sid,
        type: sid.startsWith('vm:') ? ('qemu' as const) : ('lxc' as const),
        ...(called ? { name: called } : {}),
      };
    }),
    text: [
      done ? `${node} was fenced: HA starts its guests elsewhere` : `HA fences ${node}: it is gone for a minute`,
      ...(affected.length > 0 ? [`HA guests there: ${affected.join(', ')}`] : []),
    ].join('\n'),
    facts: { affected, ...(status ? { status } : {}), source: 'notification' },
  };
}
