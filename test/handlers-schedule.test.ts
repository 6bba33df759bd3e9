import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSchedule } from '../adapters/simulator/schedule.ts';
import { readSchedule } from '../handlers/parts/schedule.ts';

const problem = (text: string): string => {
  const reading = readSchedule(text);
  return 'problem' in reading ? reading.problem : 'accepted';
};

describe('replication schedules', () => {
  test.each([
    '*/5',
    '*/1',
    '*',
    '30/10',
    '45',
    '0/15',
    '5,50',
    '22:00',
    '*:22',
    'mon..fri 22:00',
    'mon..fri 8..18:00',
    'Mon,wed,Friday 6:30',
    'sat..mon 3:00',
    'sun',
    '2027-02-28',
    '12-24 18:00',
    '2,4..6-1 0:0',
    '*-1 0:00',
    '1:00:00',
    '22:00 UTC',
    'mon..fri */10',
    'daily',
    'hourly',
    'minutely',
    'weekly',
    'semi-annually',
    '0/2:30',
    '8,12:0/20',
  ])('%s is accepted', (text) => {
    expect(readSchedule(text)).toEqual({ value: text });
  });

  test.each([
    [
      'mon..fri 22',
      /"mon..fri 22" is minute 22 of every hour .* write mon..fri 22:00 for the hour or mon..fri \*:22 for the minute/,
    ],
    ['22', /write 22:00 for the hour or \*:22 for the minute/],
    ['8..18', /write 8..18:00/],
    ['8,20', /write 8,20:00/],
    ['24:00', /"24" is not an hour/],
    ['12:60', /"60" is not a minute/],
    ['*/0', /not a minute/],
    ['*/90', /not a minute/],
    ['18..8:00', /not an hour/],
    ['8..18/2:00', /not an hour/],
    ['mo 22:00', /neither weekdays nor a named schedule/],
    ['montag 22:00', /neither weekdays/],
    ['every day', /neither weekdays/],
    ['02-30 1:00', /not a date/],
    ['13-01', /not a date/],
    ['~', /not a minute/],
    ['22:00 Europe/Paris', /too much/],
    ['22:00 utc', /too much/],
    ['1:02:03', /cannot be timed to the second/],
    ['1:2:3:4', /not a time/],
    ['22:00\n*/1', /./],
    ['', /./],
    ['UTC', /names no time/],
    [`${'mon,'.repeat(40)}tue 1:00`, /longer than 128/],
  ])('%s is refused', (text, expected) => {
    expect(problem(text)).not.toBe('accepted');
    expect(problem(text)).toMatch(expected);
  });

  test('whatever the grammar makes is accepted, and means the same to Proxmox', () => {
    const number = (least: number, most: number) => fc.integer({ min: least, max: most }).map(String);
    const part = (least: number, most: number) =>
      fc.oneof(
        number(least, most),
        fc
          .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
          .map(([a, b]) => `${Math.min(a, b)}..${Math.max(a, b)}`),
        fc.tuple(number(least, most), number(1, most)).map(([start, step]) => `${start}/${step}`),
        number(1, most).map((step) => `*/${step}`),
      );
    const list = (least: number, most: number) =>
      fc.array(part(least, most), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(','));
    const day = fc.constantFrom('mon', 'Tue', 'wed', 'Thursday', 'fri', 'sat', 'sunday');
    const days = fc
      .array(
        fc.oneof(
          day,
          fc.tuple(day, day).map(([a, b]) => `${a}..${b}`),
        ),
        { minLength: 1, maxLength: 3 },
      )
      .map((all) => all.join(','));
    const schedule = fc
      .tuple(fc.option(days), list(0, 23), list(0, 59), fc.boolean())
      .map(([weekdays, hours, minutes, utc]) =>
        [weekdays, `${hours}:${minutes}`, utc ? 'UTC' : null].filter((word) => word !== null).join(' '),
      );
    fc.assert(
      fc.property(schedule, (text) => {
        fc.pre(text.length <= 128);
        expect(readSchedule(text)).toEqual({ value: text });
        expect(parseSchedule(text)).toBeDefined();
      }),
    );
  });

  test('nothing is accepted that Proxmox would not take', () => {
    const alphabet = fc.constantFrom(...'0123456789*/.,:- monUTCadily~'.split(''));
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 16 }).map((all) => all.join('')),
        (text) => {
          const reading = readSchedule(text);
          if ('value' in reading) expect(parseSchedule(reading.value)).toBeDefined();
        },
      ),
      { numRuns: 5000 },
    );
  });
});
