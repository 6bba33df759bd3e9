import { fail } from '../contracts/failure.ts';
import { type Alerts, type Incident, type Silence, silencesOf, type TestSent } from '../contracts/incident.ts';
import type { Resource } from '../contracts/policy.ts';
import { LostLead, type Store, type StoredOffer } from '../contracts/store.ts';
import type { News, Severity } from '../contracts/watch.ts';
import type { Log } from '../log.ts';
import { placeKey } from '../places.ts';
import { AS_FOUND, type Baseline, isAsFound } from './baseline.ts';
import { Daily } from './daily.ts';
import type { Vitals } from './digest.ts';
import { badGuests, stoodBefore } from './families.ts';
import { FirstLook } from './first-look.ts';
import { FLAPPING, fold, settle } from './fold.ts';
import { isReminderDue } from './reminders.ts';
import { heldThere } from './routes.ts';
import { messageKey, noticeOf, Showing, type ShowingParts } from './showing.ts';
import { silencedBy } from './silenced.ts';

export interface IncidentParts extends ShowingParts {
  readonly store: Store;
  readonly log: Log;
  /** `/pve ` or `/` for texts at a place of that platform. */
  readonly rootOf: (place: { readonly platform: 'slack' | 'discord' | 'web' }) => string;
  /** The oldest copies of a cluster, as the watch knows them. */
  readonly vitals?: (cluster: string) => Vitals | undefined;
}

/**
 * News in, threads out. Everything that must hold is a row: what is open, who acknowledged, what was reminded, when the
 * next digest is due. Each cluster's work is done one after the other, by the leader alone.
 */
export class Incidents implements Alerts {
  readonly #parts: IncidentParts;
  readonly #showing: Showing;
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #firstLook: FirstLook;
  readonly #daily: Daily;

  constructor(parts: IncidentParts) {
    this.#parts = parts;
    this.#showing = new Showing(parts);
    this.#firstLook = new FirstLook(parts);
    this.#daily = new Daily(parts);
  }

  /**
   * What was seen, in order; resolves when it is stored and wished for. The same news again change nothing, so it is
   * told before what it was seen by is remembered. Without news: the cluster was looked at.
   */
  take(cluster: string, news: readonly News[]): Promise<void> {
    return this.#turn(cluster, async () => {
      const { clock, store } = this.#parts;
      const at = clock.now();
      const baseline = await this.#firstLook.of(cluster, at);
      if (news.length > 0) {
        const open = await store.incidents({ cluster, states: ['open'] });
        const over = await store.incidents({ cluster, states: ['resolved'], since: at - FLAPPING });
        const { changed, told, notes } = fold([...open, ...over], news, at);
        const silences = changed.length > 0 ? await this.silences(cluster) : [];
        for (const incident of changed) {
          const before = [...open, ...over].find(({ id }) => id === incident.id);
          const held = heldNow(incident, before, baseline, at) ?? silencedBy(incident, silences);
          await this.#save(withHeld(incident, held));
        }
        await this.#daily.note(cluster, notes, at);
        for (const { id } of changed) {
          const incident = await store.incident(id);
          if (!incident) continue;
          await this.#showing.show(incident);
          await this.#showing.thread(incident, told.get(id) ?? []);
        }
      }
      await this.#firstLook.show(cluster, at);
    });
  }

  /** Deadlines: silences and snoozes that end, quiet hours, reminders, flapping, digests. */
  async tick(): Promise<void> {
    const { config, store } = this.#parts;
    const open = Map.groupBy(await store.incidents({ states: ['open'], limit: 5000 }), ({ cluster }) => cluster);
    for (const cluster of Object.keys(config.clusters)) {
      const ids = (open.get(cluster) ?? []).map(({ id }) => id);
      await this.#turn(cluster, () => this.#pass(cluster, ids));
    }
  }

  async #pass(cluster: string, ids: readonly string[]): Promise<void> {
    const at = this.#parts.clock.now();
    const silences = ids.length > 0 ? await this.silences(cluster) : [];
    for (const id of ids) await this.#alone(id, () => this.#look(id, silences, at));
    await this.#alone('the first look', () => this.#firstLook.show(cluster, at));
    await this.#alone('the digest', () => this.#daily.pass(cluster, at));
  }

  async #look(id: string, silences: readonly Silence[], at: number): Promise<void> {
    const before = await this.#parts.store.incident(id);
    if (before?.state !== 'open') return;
    const held = before.held === AS_FOUND ? AS_FOUND : silencedBy(before, silences);
    let incident = withHeld(settle(before, at), held);
    if (incident.state !== before.state || incident.held !== before.held) await this.#save(incident);
    incident = await this.#remind(incident, at);
    await this.#showing.show(incident);
    await this.#showing.catchUp(incident);
  }

  /** One incident that breaks something of ours must not silence the others, nor end the bot again and again. */
  async #alone(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof LostLead) throw error;
      this.#parts.log.error(
        { what, error: String((error as Error)?.stack ?? error) },
        'an incident could not be looked after',
      );
    }
  }

  async #remind(incident: Incident, at: number): Promise<Incident> {
    if (!isReminderDue(incident, at)) return incident;
    const next = { ...incident, reminders: incident.reminders + 1, remindedAt: at };
    if (!(await this.#showing.remind(next))) return incident;
    await this.#save(next);
    return next;
  }

  acknowledge(id: string, person: string): Promise<Incident> {
    return this.#act(id, 'acknowledged', (incident, at) => {
      if (incident.acknowledged)
        refuse('acknowledged', `${this.#parts.nameOf(incident.acknowledged.by)} did so already`);
      return { ...incident, acknowledged: { by: person, at } };
    });
  }

  snooze(id: string, person: string, until: number, reason: string): Promise<Incident> {
    return this.#act(id, 'snoozed', (incident, at) => ({ ...incident, snoozed: { by: person, at, until, reason } }));
  }

  async #act(id: string, what: string, change: (incident: Incident, at: number) => Incident): Promise<Incident> {
    const { cluster } = await this.get(id);
    return this.#turn(cluster, async () => {
      const incident = await this.get(id);
      if (incident.state === 'resolved') refuse(what, 'it is resolved');
      const next = change(incident, this.#parts.clock.now());
      await this.#save(next);
      await this.#showing.show(next);
      return next;
    });
  }

  /** Posts an alert of that severity wherever a real one would go. */
  async test(cluster: string, severity: Severity, person: string): Promise<readonly TestSent[]> {
    const { clock, outbox, nameOf, store } = this.#parts;
    const now = clock.now();
    const text = `TEST ALERT, ${severity}\nAsked for by ${nameOf(person)}: nothing is wrong`;
    const news: News = { kind: 'test', severity, cluster, incident: 'test', phase: 'opens', at: now / 1000, text };
    const id = `test-${now.toString(36)}`;
    const [incident] = fold([], [news], now).changed.map((one) => ({ ...one, id }));
    if (!incident) throw new Error('a test alert became no incident');
    const sent: TestSent[] = [];
    for (const route of this.#showing.routes(incident)) {
      const quietUntil = heldThere(route, severity, this.#showing.zone(cluster), now);
      sent.push({ place: placeKey(route.place), ...(quietUntil === undefined ? {} : { quietUntil }) });
      if (quietUntil !== undefined || (await store.message(messageKey(id, route.place)))) continue;
      const mentions = route.mentions.length > 0 ? { mentions: route.mentions } : {};
      await outbox.show(messageKey(id, route.place), route.place, { ...(await this.card(incident)), ...mentions });
    }
    return sent;
  }

  list(filter: Parameters<Alerts['list']>[0]): Promise<readonly Incident[]> {
    return this.#parts.store.incidents(filter);
  }

  async get(id: string): Promise<Incident> {
    const found = await this.#parts.store.incident(id.toLowerCase());
    return found ?? this.unknown(id);
  }

  unknown(id: string): never {
    return fail('not-found', {
      what: 'Nothing was done',
      why: `there is no incident ${id}`,
      next: 'alert list shows those that are open',
    });
  }

  /** The guests it is about, as policy sees them. */
  guestsOf({ cluster, news }: Incident): readonly Extract<Resource, { type: 'Guest' }>[] {
    const guests = new Map(news.flatMap((one) => badGuests(one)).map((guest) => [guest.vmid, guest]));
    return [...guests.values()].map(({ vmid, name = '' }) => {
      const { tags = [], pool, node = '' } = this.#parts.marks?.(cluster, vmid) ?? {};
      return { type: 'Guest', cluster, vmid, name, node, tags, ...(pool ? { pool } : {}), protected: false };
    });
  }

  card(incident: Incident) {
    return this.#showing.card(incident);
  }

  silences(cluster: string) {
    const { clock, store } = this.#parts;
    return silencesOf({ entries: (shelf) => store.bookEntries(shelf) }, cluster, clock.now());
  }

  /** Whether a button is one of ours, and its message still shows it. */
  async stands(offer: StoredOffer): Promise<boolean> {
    return offer.notice.startsWith(noticeOf('')) && (await this.#showing.stands(offer));
  }

  /** After a start: threads that had fallen behind when the process before ended. */
  async resume(): Promise<void> {
    for (const incident of await this.#parts.store.incidents({ states: ['open'], limit: 5000 })) {
      await this.#showing.show(incident);
      await this.#showing.thread(incident, incident.news);
    }
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#turns.values());
  }

  #save(incident: Incident): Promise<void> {
    return this.#parts.store.saveIncident(incident);
  }

  async #turn<T>(cluster: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(cluster) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#turns.set(cluster, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(cluster) === mine) this.#turns.delete(cluster);
    }
  }
}

/** As found, until it gets worse or something happens to it. */
function heldNow(now: Incident, before: Incident | undefined, baseline: Baseline, at: number): string | undefined {
  if (!before) return isAsFound(now, baseline, at) ? AS_FOUND : undefined;
  if (before.held !== AS_FOUND || before.severity !== now.severity) return undefined;
  const happened = now.news.some((one) => !before.news.includes(one) && !stoodBefore(one, baseline.since));
  return happened && now.state === 'open' ? undefined : AS_FOUND;
}

function withHeld(incident: Incident, held: string | undefined): Incident {
  const { held: _, ...open } = incident;
  return held === undefined ? open : { ...open, held };
}

function refuse(what: string, why: string): never {
  fail('conflict', { what: `the incident was not ${what}`, why, next: 'nothing to do' });
}
