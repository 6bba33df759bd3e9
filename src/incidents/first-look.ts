import { placeKey } from '../places.ts';
import { type Baseline, baselineCard, baselineSchema, FIRST_LOOK } from './baseline.ts';
import type { IncidentParts } from './incidents.ts';
import { routesOf } from './routes.ts';

/** The one card of a cluster that is looked at for the first time. */
export class FirstLook {
  readonly #parts: IncidentParts;
  readonly #known = new Map<string, Baseline>();

  constructor(parts: IncidentParts) {
    this.#parts = parts;
  }

  /** When it began and ends; it begins with the first question. */
  async of(cluster: string, at: number): Promise<Baseline> {
    const known = this.#known.get(cluster);
    if (known) return known;
    const { store } = this.#parts;
    const text = await store.setting(`incidents/${cluster}/baseline`);
    const kept = baselineSchema.safeParse(text === undefined ? undefined : JSON.parse(text)).data;
    const baseline = kept ?? { since: at, until: at + FIRST_LOOK };
    if (!kept) await store.saveSetting(`incidents/${cluster}/baseline`, JSON.stringify(baseline));
    this.#known.set(cluster, baseline);
    return baseline;
  }

  /** While it lasts; from then on the card stands as it is. */
  async show(cluster: string, at: number): Promise<void> {
    const baseline = this.#known.get(cluster);
    if (!baseline || at >= baseline.until) return;
    const { config, outbox, rootOf, store } = this.#parts;
    const open = await store.incidents({ cluster, states: ['open'] });
    for (const { place } of new Map(routesOf(config, cluster).map((one) => [placeKey(one.place), one])).values())
      await outbox.show(`baseline/${cluster}/${placeKey(place)}`, place, baselineCard(cluster, open, rootOf(place)));
  }
}
