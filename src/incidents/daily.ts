import { DateTime } from 'luxon';
import { silencesOf } from '../contracts/incident.ts';
import type { News } from '../contracts/watch.ts';
import { placeKey } from '../places.ts';
import { afterDigest, blankNotes, type DigestScene, digestCard, type Notes, noted, notesSchema } from './digest.ts';
import type { IncidentParts } from './incidents.ts';
import { nextTime } from './quiet-hours.ts';
import { routesOf } from './routes.ts';

/** What is noted for the digest, and the digest when it is due: rows, both of them. */
export class Daily {
  readonly #parts: IncidentParts;
  /** When each cluster's next one is due, so that a tick asks the store for nothing. */
  readonly #next = new Map<string, number>();

  constructor(parts: IncidentParts) {
    this.#parts = parts;
  }

  async note(cluster: string, news: readonly News[], at: number): Promise<void> {
    if (news.length > 0) await this.#keep(cluster, noted(await this.#notes(cluster, at), news));
  }

  /** Posts the digest if it is due; what was missed while the bot was down comes once. */
  async pass(cluster: string, now: number): Promise<void> {
    const { config, store } = this.#parts;
    const settings = config.clusters[cluster];
    if (!settings || (this.#next.get(cluster) ?? 0) > now) return;
    const name = `digest/${cluster}/${settings.digest.at}/${settings.zone}`;
    const due = await store.due(name);
    const later = due !== undefined && due > now;
    const next = later ? due : nextTime(settings.digest.at, settings.zone, now);
    if (due === undefined) await store.advance(name, now, next);
    else if (!later) {
      const scene = await this.#scene(cluster, settings.zone, now);
      await this.#show(scene);
      // Shown first: its key is the day's, so that after a crash in between it is the same message again.
      await store.advance(name, due, next);
      await this.#keep(cluster, afterDigest(scene));
    }
    this.#next.set(cluster, next);
  }

  async #scene(cluster: string, zone: string, now: number): Promise<DigestScene> {
    const { nameOf, store, vitals } = this.#parts;
    const notes = await this.#notes(cluster, now);
    const open = await store.incidents({ cluster, states: ['open'] });
    const over = await store.incidents({ cluster, states: ['resolved'], since: notes.since });
    const silences = await silencesOf({ entries: (shelf) => store.bookEntries(shelf) }, cluster, now);
    const oldest = vitals?.(cluster);
    const found = { cluster, zone, now, notes, incidents: [...open, ...over], silences, nameOf };
    return { ...found, ...(oldest ? { vitals: oldest } : {}) };
  }

  async #show(scene: DigestScene): Promise<void> {
    const { config, outbox } = this.#parts;
    const { cluster, now, zone } = scene;
    const day = DateTime.fromMillis(now, { zone }).toISODate();
    for (const { place, digest } of routesOf(config, cluster))
      if (digest) await outbox.show(`digest/${cluster}/${day}/${placeKey(place)}`, place, digestCard(scene));
  }

  async #notes(cluster: string, now: number): Promise<Notes> {
    const kept = await this.#parts.store.setting(`incidents/${cluster}/notes`);
    // Another Bascule may have kept them otherwise: a digest is not worth a stop.
    return notesSchema.safeParse(kept === undefined ? undefined : JSON.parse(kept)).data ?? blankNotes(now);
  }

  #keep(cluster: string, notes: Notes): Promise<void> {
    return this.#parts.store.saveSetting(`incidents/${cluster}/notes`, JSON.stringify(notes));
  }
}
