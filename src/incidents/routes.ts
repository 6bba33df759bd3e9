import type { Place } from '../contracts/chat.ts';
import type { Incident } from '../contracts/incident.ts';
import type { Severity } from '../contracts/watch.ts';
import { alertPlace, placeKey, places } from '../places.ts';
import type { Config } from '../settings.ts';
import { atLeast, badGuests } from './families.ts';
import { type QuietHours, quietUntil } from './quiet-hours.ts';

/** Where incidents of a cluster go, from `alerts:` of the config. */
export interface Route {
  readonly place: Place;
  /** The least it must be. */
  readonly severity: Severity;
  /** `backup-failed`, `backup-*`; empty: all. */
  readonly kinds: readonly string[];
  readonly tags: readonly string[];
  readonly pools: readonly string[];
  /** Platform ids, as {@link Card.mentions} has them. */
  readonly mentions: readonly string[];
  readonly quiet?: QuietHours;
  readonly digest: boolean;
}

/** What routes want to know of a guest. */
export interface GuestMarks {
  readonly tags: readonly string[];
  readonly pool?: string;
  readonly node?: string;
}

export function routesOf(config: Pick<Config, 'clusters' | 'slack' | 'discord'>, cluster: string): readonly Route[] {
  const { alerts = [] } = config.clusters[cluster] ?? {};
  const plain = { severity: 'warning', kinds: [], tags: [], pools: [], mentions: [], digest: true } as const;
  if (alerts.length === 0) return places(config, cluster).map((place) => ({ place, ...plain }));
  return alerts.map((alert) => {
    const { severity, kinds, tags, pools, mentions, quiet, digest } = alert;
    return { place: alertPlace(alert), severity, kinds, tags, pools, mentions, digest, ...(quiet ? { quiet } : {}) };
  });
}

/**
 * Those an incident goes to. One that no rule names and that is an error or worse goes to the first place all the same:
 * rules sort alerts, they lose none.
 */
export function routesFor(
  routes: readonly Route[],
  incident: Incident,
  marks: (vmid: number) => GuestMarks | undefined,
): readonly Route[] {
  const named = oncePerPlace(routes.filter((route) => takes(route, incident, marks)));
  if (named.length > 0 || !atLeast(incident.severity, 'error')) return named;
  return routes.slice(0, 1);
}

/** Two rules for one channel make one message; the one that lets more through says when. */
function oncePerPlace(routes: readonly Route[]): readonly Route[] {
  const byPlace = new Map<string, Route>();
  for (const route of routes) {
    const key = placeKey(route.place);
    const other = byPlace.get(key);
    if (!other) byPlace.set(key, route);
    else {
      const { quiet: _, ...open } = other;
      const mentions = [...new Set([...other.mentions, ...route.mentions])];
      byPlace.set(key, { ...(route.quiet ? other : open), mentions });
    }
  }
  return [...byPlace.values()];
}

function takes(route: Route, incident: Incident, marks: (vmid: number) => GuestMarks | undefined): boolean {
  if (!atLeast(incident.severity, route.severity)) return false;
  const kinds = [incident.kind, ...incident.news.map(({ kind }) => kind)];
  if (route.kinds.length > 0 && !kinds.some((kind) => route.kinds.some((pattern) => matches(pattern, kind))))
    return false;
  if (route.tags.length + route.pools.length === 0) return true;
  const guests = incident.news.flatMap((news) => badGuests(news)).map(({ vmid }) => marks(vmid));
  // Of a guest nobody can look up just now the rule may be the right one: better twice than never.
  return guests.some(
    (guest) =>
      guest === undefined ||
      guest.tags.some((tag) => route.tags.includes(tag)) ||
      (guest.pool !== undefined && route.pools.includes(guest.pool)),
  );
}

function matches(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : pattern === kind;
}

/** Until when that place is quiet for that severity; undefined: it may be told. */
export function heldThere({ quiet }: Route, severity: Severity, zone: string, now: number): number | undefined {
  if (!quiet || (severity === 'critical' && quiet.breakThrough)) return undefined;
  return quietUntil(quiet, zone, now);
}
