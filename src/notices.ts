import { createHash } from 'node:crypto';
import type { Notice, Offer } from './contracts/automation.ts';
import type { Card } from './contracts/card.ts';
import type { Clock } from './contracts/clock.ts';
import { canonical } from './contracts/plan.ts';
import type { Store, StoredOffer } from './contracts/store.ts';
import type { Outbox } from './outbox.ts';
import { places } from './places.ts';
import type { Config } from './settings.ts';

export interface NoticeParts {
  readonly config: Config;
  readonly store: Store;
  readonly outbox: Outbox;
  readonly clock: Clock;
}

/** Messages of the bot's own accord, at every place where a cluster's alerts go. */
export class Notices {
  readonly #parts: NoticeParts;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  /** Posts the notice, or edits it where it was posted under its key; the same one again changes nothing. */
  async tell(cluster: string, { key, card, offers = [] }: Notice): Promise<void> {
    const { clock, config, outbox, store } = this.#parts;
    const at = clock.now();
    const stored = offers.map((offer) => ({ ...storedOffer(cluster, key, offer), at }));
    await store.saveOffers(stored);
    const actions = offers.map(({ label, style }, n) => ({
      ref: stored[n]!.ref,
      label,
      ...(style ? { style } : {}),
    }));
    // A message of a channel has no asker who alone could see it.
    const { private: _, ...open } = card;
    const shown: Card = { ...open, ...(actions.length > 0 ? { actions } : {}) };
    for (const [n, place] of places(config, cluster).entries())
      await outbox.show(noticeKey(cluster, key, n), place, shown);
  }

  /** Whether the notice still shows this button: an older state of it offered what nobody would offer now. */
  async stands({ cluster, notice, ref }: StoredOffer): Promise<boolean> {
    for (const n of places(this.#parts.config, cluster).keys()) {
      const message = await this.#parts.store.message(noticeKey(cluster, notice, n));
      if (message?.card.actions?.some((action) => action.ref === ref)) return true;
    }
    return false;
  }
}

const noticeKey = (cluster: string, key: string, n: number): string => `notice/${cluster}/${key}/${n}`;

/** The same for the same button of the same notice, so that a restart makes no second one. */
export function storedOffer(cluster: string, notice: string, { command, options }: Offer): Omit<StoredOffer, 'at'> {
  const print = createHash('sha256')
    .update(canonical([cluster, notice, command, options]))
    .digest('hex');
  return { ref: `offer.${print.slice(0, 20)}`, notice, cluster, command, options };
}
