import fc from 'fast-check';
import { DateTime } from 'luxon';
import { describe, expect, test } from 'vitest';
import { nextTime, quietUntil } from '../src/incidents/quiet-hours.ts';

/** Quiet hours and the digest's time, in the cluster's zone, through both changes of the clocks. */

const PARIS = 'Europe/Paris';
const at = (iso: string) => Date.parse(iso);
const night = { from: '22:00', to: '07:00', breakThrough: false };
const until = (hours: Parameters<typeof quietUntil>[0], iso: string) => {
  const end = quietUntil(hours, PARIS, at(iso));
  return end === undefined ? undefined : new Date(end).toISOString();
};

describe('quiet hours', () => {
  test('hold over midnight, from the first minute to the last', () => {
    expect(until(night, '2026-11-20T20:59:59Z')).toBeUndefined();
    expect(until(night, '2026-11-20T21:00:00Z')).toBe('2026-11-21T06:00:00.000Z');
    expect(until(night, '2026-11-21T05:59:59Z')).toBe('2026-11-21T06:00:00.000Z');
    expect(until(night, '2026-11-21T06:00:00Z')).toBeUndefined();
  });

  test('days are those they begin on', () => {
    const friday = { ...night, days: [5] };
    expect(until(friday, '2026-11-20T22:00:00Z')).toBeDefined();
    expect(until(friday, '2026-11-21T03:00:00Z')).toBeDefined();
    expect(until(friday, '2026-11-21T22:00:00Z')).toBeUndefined();
  });

  test('spring: the night is an hour shorter, and ends by the clock', () => {
    expect(until(night, '2026-03-28T21:00:00Z')).toBe('2026-03-29T05:00:00.000Z');
    // 02:30 does not exist: what begins or ends then does so as the clocks jump at 01:00Z.
    const early = { from: '02:30', to: '04:00', breakThrough: false };
    expect(until(early, '2026-03-29T00:59:59Z')).toBeUndefined();
    expect(until(early, '2026-03-29T01:00:00Z')).toBe('2026-03-29T02:00:00.000Z');
    expect(until({ ...early, from: '01:00', to: '02:30' }, '2026-03-29T00:30:00Z')).toBe('2026-03-29T01:00:00.000Z');
  });

  test('autumn: the night is an hour longer; a time that comes twice begins with the first and ends with the second', () => {
    expect(until(night, '2026-10-24T20:00:00Z')).toBe('2026-10-25T06:00:00.000Z');
    const early = { from: '01:00', to: '02:30', breakThrough: false };
    expect(until(early, '2026-10-25T00:45:00Z')).toBe('2026-10-25T01:30:00.000Z');
    expect(until(early, '2026-10-25T01:29:59Z')).toBe('2026-10-25T01:30:00.000Z');
    expect(until({ ...early, from: '02:30', to: '05:00' }, '2026-10-25T00:30:00Z')).toBe('2026-10-25T04:00:00.000Z');
  });

  test('whatever the zone and the day, an end is later than now and not two days off', () => {
    const time = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
      .map(([h, m]) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`);
    const zone = fc.constantFrom(
      PARIS,
      'America/Sao_Paulo',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'America/New_York',
      'UTC',
    );
    fc.assert(
      fc.property(
        time,
        time,
        zone,
        fc.integer({ min: at('2026-01-01'), max: at('2027-12-31') }),
        (from, to, where, now) => {
          const end = quietUntil({ from, to, breakThrough: false }, where, now);
          if (end !== undefined) {
            expect(end).toBeGreaterThan(now);
            expect(end - now).toBeLessThanOrEqual(26 * 3_600_000);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('the digest comes once a day by the clock, also when the clocks change', () => {
  let now = at('2026-03-27T12:00:00Z');
  const days: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    now = nextTime('08:00', PARIS, now);
    days.push(DateTime.fromMillis(now, { zone: PARIS }).toFormat('dd HH:mm'));
  }
  expect(days).toEqual(['28 08:00', '29 08:00', '30 08:00', '31 08:00']);
  expect(new Date(nextTime('02:30', PARIS, at('2026-10-24T12:00:00Z'))).toISOString()).toBe('2026-10-25T00:30:00.000Z');
});
