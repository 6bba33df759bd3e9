import { createHash } from 'node:crypto';
import type { Card } from '../contracts/card.ts';
import type { Place } from '../contracts/chat.ts';
import type { Incident } from '../contracts/incident.ts';
import { canonical } from '../contracts/plan.ts';
import type { Store, StoredOffer } from '../contracts/store.ts';
import type { News } from '../contracts/watch.ts';
import { storedOffer } from '../notices.ts';
import type { Outbox } from '../outbox.ts';
import { placeKey } from '../places.ts';
import type { Config } from '../settings.ts';
import { type CardScene, incidentCard, offersFor, toneOf } from './card.ts';
import { rescueJobs } from './failover-card.ts';
import { groupOf } from './families.ts';
import { remindersLeft } from './reminders.ts';
import { type GuestMarks, heldThere, type Route, routesFor, routesOf } from './routes.ts';
import { lasted } from './times.ts';

export interface ShowingParts {
  readonly config: Pick<Config, 'clusters' | 'slack' | 'discord'>;
  readonly store: Pick<Store, 'message' | 'saveOffers' | 'requests'>;
  readonly outbox: Pick<Outbox, 'show'>;
  readonly clock: { now(): number };
  /** Whether there is such a command. */
  readonly known: (command: string) => boolean;
  readonly nameOf: (person: string) => string;
  /** Of a guest, as last seen. */
  readonly marks?: (cluster: string, vmid: number) => GuestMarks | undefined;
}

/** An incident where it belongs: one message at each place, edited in place, and its thread. */
export class Showing {
  readonly #parts: ShowingParts;
  /** What each message was last wished to show, so that a tick asks nothing of the store for what stands still. */
  readonly #shows = new Map<string, string>();
  /** News whose message was not there yet when they came. */
  readonly #behind = new Map<string, News[]>();

  constructor(parts: ShowingParts) {
    this.#parts = parts;
  }

  zone(cluster: string): string {
    return this.#parts.config.clusters[cluster]?.zone ?? 'UTC';
  }

  /** What a card of the incident has to know besides. */
  async scene(incident: Incident): Promise<CardScene> {
    const { clock, nameOf } = this.#parts;
    const disabled = rescueJobs(incident).length > 0 ? await this.#disabled(incident) : new Set<string>();
    return { zone: this.zone(incident.cluster), nameOf, now: clock.now(), disabled };
  }

  /** Jobs that a run of ours disabled since it opened, and none enabled again. */
  async #disabled({ cluster, openedAt }: Incident): Promise<ReadonlySet<string>> {
    const done = await this.#parts.store.requests({ states: ['done'], cluster, since: openedAt });
    const newest = new Map<string, string>();
    for (const { command, plan } of done.toReversed())
      if (/^replication (disable|enable)$/.test(command)) newest.set(plan.target.id, command);
    return new Set([...newest].filter(([, command]) => command === 'replication disable').map(([job]) => job));
  }

  /** Posts it where it may be told by now, and edits it wherever it was posted. */
  async show(incident: Incident): Promise<void> {
    const scene = await this.scene(incident);
    const { now } = scene;
    const routed = new Set(this.routes(incident).map(({ place }) => placeKey(place)));
    for (const route of this.#all(incident.cluster)) {
      const key = messageKey(incident.id, route.place);
      const { card, offers } = this.#withOffers(incident, scene, {
        ...incidentCard(incident, scene),
        ...mentioned(route),
      });
      const text = JSON.stringify(card);
      if (this.#shows.get(key) === text) continue;
      const there = (await this.#parts.store.message(key)) !== undefined;
      if (!there && !(routed.has(placeKey(route.place)) && this.mayPost(incident, route, now))) continue;
      await this.#parts.store.saveOffers(offers);
      await this.#parts.outbox.show(key, route.place, card);
      this.#shows.set(key, text);
      for (let n = 1; n <= incident.reminders; n += 1) await this.#reminder(incident, route, n, true);
    }
    if (incident.state === 'resolved') this.#forget(incident.id);
  }

  async card(incident: Incident): Promise<Card> {
    return incidentCard(incident, await this.scene(incident));
  }

  /** Where it belongs, quiet or not. */
  routes(incident: Incident): readonly Route[] {
    const { config, marks } = this.#parts;
    return routesFor(routesOf(config, incident.cluster), incident, (vmid) => marks?.(incident.cluster, vmid));
  }

  mayPost(incident: Incident, route: Route, now: number): boolean {
    const { state, held, snoozed, severity, cluster } = incident;
    if (state === 'resolved' || held !== undefined || (snoozed && snoozed.until > now)) return false;
    return heldThere(route, severity, this.zone(cluster), now) === undefined;
  }

  /** What came after the first word goes below the card; what comes and goes in numbers stands in its table instead. */
  async thread(incident: Incident, news: readonly News[]): Promise<void> {
    const lines = groupOf(incident.kind) === undefined ? news.filter((one) => one !== incident.news[0]) : [];
    const all = [...(this.#behind.get(incident.id) ?? []), ...lines];
    this.#behind.delete(incident.id);
    if (all.length === 0) return;
    let late = false;
    for (const { place } of this.routes(incident)) {
      const message = await this.#parts.store.message(messageKey(incident.id, place));
      const { posted } = message ?? {};
      if (message && !posted) late = true;
      if (!posted) continue;
      const below: Place = { ...place, thread: posted.thread ?? posted.message };
      for (const one of all)
        await this.#parts.outbox.show(
          `${messageKey(incident.id, place)}/${printOf(one)}`,
          below,
          this.#line(incident, one),
        );
    }
    if (late) this.#behind.set(incident.id, all);
  }

  /** Posts what could not be posted below a message that was not there yet. */
  async catchUp(incident: Incident): Promise<void> {
    if (this.#behind.has(incident.id)) await this.thread(incident, []);
  }

  #line(incident: Incident, news: News): Card {
    const [title = '', ...lines] = news.text.split('\n');
    const tone = news.phase === 'ends' ? 'good' : toneOf({ ...incident, state: 'open', severity: news.severity });
    return { title, tone, ...(lines.length > 0 ? { lines } : {}) };
  }

  /** A message of its own, since nobody hears an edit; false: every place is quiet, or was never told. */
  async remind(incident: Incident): Promise<boolean> {
    let said = false;
    for (const route of this.routes(incident)) {
      if (!this.mayPost(incident, route, this.#parts.clock.now())) continue;
      if (!(await this.#parts.store.message(messageKey(incident.id, route.place)))) continue;
      await this.#reminder(incident, route, incident.reminders, false);
      said = true;
    }
    return said;
  }

  async #reminder(incident: Incident, route: Route, n: number, editOnly: boolean): Promise<void> {
    const key = `${messageKey(incident.id, route.place)}/reminder/${n}`;
    if (editOnly && !(await this.#parts.store.message(key))) return;
    const { state, acknowledged, openedAt, remindedAt } = incident;
    const { nameOf } = this.#parts;
    const left = remindersLeft(incident);
    const lines =
      state === 'resolved'
        ? ['It is over']
        : acknowledged
          ? [`Acknowledged by ${nameOf(acknowledged.by)}`]
          : [
              'Nobody has acknowledged it',
              left > 0 ? `${left} more ${left === 1 ? 'reminder' : 'reminders'}` : 'This is the last reminder',
            ];
    const scene = await this.scene(incident);
    const { title } = incidentCard(incident, scene);
    const open = lasted(((remindedAt ?? openedAt) - openedAt) / 1000);
    const quiet = state === 'resolved' || acknowledged !== undefined;
    const card: Card = {
      title: quiet ? title : `STILL OPEN after ${open}: ${title}`,
      tone: toneOf(incident),
      lines,
      footer: incident.id,
      ...mentioned(route),
    };
    const shown = quiet ? { card, offers: [] } : this.#withOffers(incident, scene, card);
    await this.#parts.store.saveOffers(shown.offers);
    await this.#parts.outbox.show(key, route.place, shown.card);
  }

  #withOffers(
    incident: Incident,
    scene: CardScene,
    card: Card,
  ): { readonly card: Card; readonly offers: readonly StoredOffer[] } {
    const at = scene.now;
    const wanted = offersFor(incident, scene, this.#parts.known);
    const offers = wanted.map((offer) => ({ ...storedOffer(incident.cluster, noticeOf(incident.id), offer), at }));
    const actions = wanted.map(({ label, style }, n) => ({ ref: offers[n]!.ref, label, ...(style ? { style } : {}) }));
    return { card: actions.length > 0 ? { ...card, actions } : card, offers };
  }

  /** Whether a message of the incident still shows this button. */
  async stands({ cluster, notice, ref }: StoredOffer): Promise<boolean> {
    const id = notice.slice(noticeOf('').length);
    for (const { place } of this.#all(cluster)) {
      const key = messageKey(id, place);
      for (const one of [key, ...[1, 2, 3].map((n) => `${key}/reminder/${n}`)]) {
        const message = await this.#parts.store.message(one);
        if (message?.card.actions?.some((action) => action.ref === ref)) return true;
      }
    }
    return false;
  }

  /** Each place once. */
  #all(cluster: string): readonly Route[] {
    const all = routesOf(this.#parts.config, cluster);
    return [...new Map(all.map((route) => [placeKey(route.place), route])).values()];
  }

  #forget(id: string): void {
    for (const key of this.#shows.keys()) if (key.startsWith(`${noticeOf(id)}/`)) this.#shows.delete(key);
  }
}

export const noticeOf = (id: string): string => `incident/${id}`;
export const messageKey = (id: string, place: Place): string => `${noticeOf(id)}/${placeKey(place)}`;

const mentioned = ({ mentions }: Route): Pick<Card, 'mentions'> => (mentions.length > 0 ? { mentions } : {});

const printOf = (news: News): string => createHash('sha256').update(canonical(news)).digest('hex').slice(0, 12);
