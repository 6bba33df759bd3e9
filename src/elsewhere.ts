import type { Place } from './contracts/chat.ts';
import { alertPlace, placeKey } from './places.ts';
import type { Config } from './settings.ts';

export interface Elsewhere {
  readonly place: Place;
  /** The message that tells the same there already, if it exists. */
  readonly twin: string;
}

/**
 * Where an incident is told when its own platform is away: the first alert channel on another platform of a cluster whose
 * alerts go there. Lines of threads stay: the card holds what they say.
 */
export function elsewhere(config: Pick<Config, 'clusters'>): (key: string, place: Place) => Elsewhere | undefined {
  const clusters = Object.values(config.clusters).map(({ alerts }) => alerts.map(alertPlace));
  return (key, own) => {
    if (!key.startsWith('incident/') || own.thread !== undefined) return undefined;
    const places = clusters.find((alerts) => alerts.some((place) => placeKey(place) === placeKey(own)));
    const place = places?.find(({ platform }) => platform !== own.platform);
    return place && { place, twin: key.replace(placeKey(own), placeKey(place)) };
  };
}
