import { DateTime } from 'luxon';
import type { Notice, Offer } from '../../src/contracts/automation.ts';
import type { Grant } from '../../src/contracts/books.ts';
import { type Change, diffLines, type Look, placesOf } from './drift.ts';

/** What key drift tells (CARDS.md, KEYS CHANGED). */

export interface Who {
  readonly id: string;
  readonly name: string;
  readonly login?: string;
  /** When it was first seen, epoch milliseconds. */
  readonly at: number;
  readonly zone: string;
}

type NoticeCard = Notice['card'];

const title = (words: string, { id, login, at, zone }: Who): string =>
  `${words} @${id}${login ? ` (github ${login})` : ''} ${DateTime.fromMillis(at, { zone }).toFormat('HH:mm')}`;

/** Accounts made by hand may have had fewer keys from the start: that is no change on GitHub. */
const neverHad = (changes: readonly Change[]): boolean =>
  changes.every(({ grant, removed }) => grant.adopted === true && removed.length === 0);

export function changedCard(who: Who, changes: readonly Change[], note?: string): NoticeCard {
  const fewer = note === undefined && neverHad(changes);
  return {
    title: title(fewer ? 'NOT ALL KEYS' : 'KEYS CHANGED', who),
    tone: 'warning',
    lines: [
      ...diffLines(changes),
      `On: ${placesOf(changes.map(({ grant }) => grant))}`,
      ...(fewer ? ['On GitHub and not there: new, or never given when the account was made by hand'] : []),
      ...(note === undefined ? [`Nothing changed yet. Ask ${who.name} outside chat first`] : [note]),
      ...(note !== undefined && changes.some(({ added }) => added.length > 0)
        ? [`New keys were not added. Ask ${who.name} outside chat first`]
        : []),
    ],
  };
}

export function strangerCard(
  who: Who,
  grants: readonly Grant[],
  { why, next }: Extract<Look, { state: 'stranger' }>,
): NoticeCard {
  return {
    title: title('NOT THEIR ACCOUNT ANY MORE?', who),
    tone: 'bad',
    lines: [
      why,
      `On: ${placesOf(grants)}`,
      'The granted keys still open; none was added',
      `Ask ${who.name} outside chat. Next: ${next}`,
    ],
  };
}

export function settledCard(who: Who, why: string): NoticeCard {
  return { title: title('KEYS SETTLED', who), tone: 'good', lines: [why] };
}

const OFFERS = {
  apply: { label: 'Apply', style: 'primary', command: 'ssh sync' },
  keep: { label: 'Keep', command: 'ssh keep' },
  revoke: { label: 'Revoke everywhere', style: 'danger', command: 'ssh revoke' },
} as const;

export const offersFor = (person: string, which: readonly (keyof typeof OFFERS)[]): readonly Offer[] =>
  which.map((name) => ({ ...OFFERS[name], options: { person } }));
