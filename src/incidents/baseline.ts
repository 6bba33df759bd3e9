import { z } from 'zod';
import type { Card } from '../contracts/card.ts';
import type { Incident } from '../contracts/incident.ts';
import { stoodBefore } from './families.ts';

/**
 * The first look at a cluster finds what has been so for days. That is one card, not one each; from then on only changes
 * are told. What happens while the first look lasts is told by itself all the same.
 */
export const baselineSchema = z.strictObject({ since: z.number(), until: z.number() });
export type Baseline = z.infer<typeof baselineSchema>;

/** Every endpoint was asked twice by then. */
export const FIRST_LOOK = 150_000;
export const AS_FOUND = 'as found at the first look';

const ROWS = 30;

export function isAsFound({ news }: Incident, baseline: Baseline, at: number): boolean {
  return at < baseline.until && news.every((one) => stoodBefore(one, baseline.since));
}

export function baselineCard(cluster: string, incidents: readonly Incident[], root: string): Card {
  const found = incidents.filter(({ held }) => held === AS_FOUND);
  return {
    title: `WATCHING ${cluster}: ${found.length === 0 ? 'nothing wrong found' : `${found.length} found at the first look`}`,
    tone: found.length === 0 ? 'good' : 'warning',
    lines: [
      'From now on only changes are told here',
      ...(found.length > 0 ? [`${root}alert show id:${found[0]!.id} tells more about one`] : []),
    ],
    ...(found.length > 0
      ? {
          table: {
            columns: ['Id', 'Severity', 'What'],
            rows: found
              .slice(0, ROWS)
              .map(({ id, severity, news }) => [id, severity, news.at(-1)!.text.split('\n')[0]!])
              .concat(found.length > ROWS ? [[`… ${found.length - ROWS} more`, '', '']] : []),
          },
        }
      : {}),
  };
}
