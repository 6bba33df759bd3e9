import fc from 'fast-check';
import { DateTime } from 'luxon';
import { expect, test } from 'vitest';
import { badPattern, nextDue } from '../src/schedule.ts';

const PARIS = 'Europe/Paris';

/** The next `count` times, as they read on a clock in Paris. */
function times(pattern: string, from: string, count: number): string[] {
  let at = Date.parse(from);
  return Array.from({ length: count }, () => {
    at = nextDue(pattern, PARIS, at);
    return DateTime.fromMillis(at, { zone: PARIS }).toFormat('dd HH:mm ZZ');
  });
}

test('a time of day that spring skips comes after the gap, and every day has one', () => {
  expect(times('30 2 * * *', '2026-03-27T12:00:00Z', 3)).toEqual([
    '28 02:30 +01:00',
    '29 03:30 +02:00',
    '30 02:30 +02:00',
  ]);
});

test('a time of day that autumn has twice comes once', () => {
  expect(times('30 2 * * *', '2026-10-24T12:00:00Z', 2)).toEqual(['25 02:30 +02:00', '26 02:30 +01:00']);
});

test('what is due every hour is due in each of the 25 hours of that day', () => {
  expect(times('7 * * * *', '2026-10-24T23:50:00Z', 4)).toEqual([
    '25 02:07 +02:00',
    '25 02:07 +01:00',
    '25 03:07 +01:00',
    '25 04:07 +01:00',
  ]);
  expect(times('7 * * * *', '2026-03-28T23:50:00Z', 3)).toEqual([
    '29 01:07 +01:00',
    '29 03:07 +02:00',
    '29 04:07 +02:00',
  ]);
});

test('it is always later than now, and never repeats itself', () => {
  const pattern = fc.constantFrom('* * * * *', '*/5 * * * *', '7 * * * *', '30 2 * * *', '0 3 * * 1', '0 0 1 * *');
  const zone = fc.constantFrom(
    'UTC',
    PARIS,
    'America/New_York',
    'Asia/Kolkata',
    'Pacific/Chatham',
    'Australia/Lord_Howe',
  );
  const at = fc.integer({ min: Date.UTC(2025, 0, 1), max: Date.UTC(2030, 0, 1) });
  fc.assert(
    fc.property(pattern, zone, at, (cron, where, now) => {
      const next = nextDue(cron, where, now);
      expect(next).toBeGreaterThan(now);
      expect(nextDue(cron, where, next)).toBeGreaterThan(next);
      // Nothing is due in between.
      expect(nextDue(cron, where, next - 1)).toBe(next);
    }),
    { numRuns: 300 },
  );
});

test('what is no pattern says why', () => {
  expect(badPattern('0 3 * * 1', PARIS)).toBeUndefined();
  expect(badPattern('* * * * * *', PARIS)).toContain('5-part');
  expect(badPattern('61 * * * *', PARIS)).toContain('Invalid value for minute: 61');
  expect(badPattern('0 0 30 2 *', PARIS)).toContain('never due');
});
