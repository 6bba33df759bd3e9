import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Incident } from '../src/contracts/incident.ts';
import { incidentCard } from '../src/incidents/card.ts';
import { fold } from '../src/incidents/fold.ts';
import { oldestBackup } from '../src/incidents/known.ts';
import { readRecording } from '../src/replay.ts';
import { coverageWatcher } from '../src/watch/coverage.ts';
import { blankMemory, watch } from '../src/watch/index.ts';

/** Recorded answers of real HA code through the watch and into incidents: what the channel would show. */

const events = fileURLToPath(new URL('../../shared/events/ha', import.meta.url));
const here = existsSync(events);
if (!here) console.log('skipped: the recorded events (../shared/events) are not here');

function lived(file: string) {
  const { cluster, observations } = readRecording(readFileSync(`${events}/${file}.json`, 'utf8'), file);
  let memory = blankMemory(cluster);
  const all = new Map<string, Incident>();
  const titles: string[] = [];
  const take = (news: Parameters<typeof fold>[1], at: number) => {
    for (const incident of fold([...all.values()], news, at * 1000).changed) {
      all.set(incident.id, incident);
      const { title } = incidentCard(incident, {
        zone: 'Europe/Paris',
        nameOf: String,
        now: at * 1000,
        disabled: new Set(),
      });
      if (titles.at(-1) !== title) titles.push(title);
    }
  };
  for (const observation of observations) {
    const seen = watch(memory, observation);
    memory = seen.memory;
    take(seen.news, observation.at);
    // Told once more, as after a crash between taking and noting that it was taken.
    take(seen.news, observation.at);
  }
  const at = observations.at(-1)!.at;
  const cards = [...all.values()].map((incident) =>
    incidentCard(incident, { zone: 'Europe/Paris', nameOf: String, now: at * 1000, disabled: new Set() }),
  );
  return { incidents: [...all.values()], cards, titles, memory };
}

describe.skipIf(!here)('recorded', () => {
  test('a power loss is one thread that ends with who moved where and how much was lost', () => {
    const { incidents, cards, titles, memory } = lived('ha-01-node-power-loss');
    expect(incidents.map(({ key }) => key)).toEqual(['node/ovh2']);
    expect(cards[0]!.title).toMatch(/^FAILOVER ovh2 → ovh3, silent since \d\d:\d\d:\d\d$/);
    const text = cards[0]!.lines!.join('\n');
    expect(text).toMatch(/103 robotoff: down 2m0\d, lost 3m3\d–3m4\d/);
    expect(text).toMatch(/110 metabase: down 2m0\d, lost 3m\d\d–3m4\d/);
    expect(text).toContain('disable 103-0, 110-0 before ovh2 is back');
    expect(titles.length).toBeGreaterThan(1);
    expect(oldestBackup(memory)).toEqual({});
    const coverage = { ...coverageWatcher.blank, good: { 110: 50, 103: 100, 999: 1 } };
    expect(oldestBackup({ ...memory, parts: { ...memory.parts, coverage } })).toEqual({
      backup: { vmid: 110, at: 50, name: 'metabase' },
    });
  });

  test.each([
    'ha-02-planned-migration',
    'ha-03-reboot-frozen',
    'ha-06-shutdown-policy-migrate',
    'ha-07-node-maintenance',
  ])('%s alarms nobody', (file) => {
    const { incidents } = lived(file);
    expect(incidents.filter(({ severity }) => severity !== 'notice').map(({ kind }) => kind)).toEqual([]);
  });

  test('no recording makes a card that contradicts itself, or two threads of one node', () => {
    for (const file of readdirSync(events).filter((name) => /^ha-\d+-[^.]+\.json$/.test(name))) {
      const { incidents, cards } = lived(file.replace(/\.json$/, ''));
      const keys = incidents.map(({ key }) => key);
      expect(keys, file).toEqual([...new Set(keys)]);
      for (const { title, lines = [] } of cards) {
        expect(title, file).not.toMatch(/undefined|NaN|Infinity/);
        expect(lines.join('\n'), file).not.toMatch(/undefined|NaN|Infinity/);
        expect(lines, file).toEqual([...new Set(lines)]);
      }
    }
  });
});
