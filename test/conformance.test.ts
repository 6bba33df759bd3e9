import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startSimulator } from '../adapters/simulator/index.ts';
import { leftOut } from './conformance/left-out.ts';
import { folder, Player, problems, type Recording, readRecordings } from './conformance/replay.ts';
import { exact, free, type Scenario, scenarios, words } from './conformance/scenarios.ts';

const versions = ['8.4', '9.2'] as const;
const recorded = versions.every((pve) => existsSync(folder(pve)));
if (!recorded) console.log('conformance: skipped, the recordings are not beside this repository');

const namesIn = (scenario: Scenario) => scenario.steps.flatMap((step) => (typeof step === 'string' ? words(step) : []));

async function differences(player: Player, recordings: Map<string, Recording>, name: string): Promise<string[]> {
  const recording = recordings.get(name);
  if (!recording) throw new Error(`there is no recording ${name}`);
  const found = problems(recording, await player.play(recording), { exact: exact.has(name), free: free[name] });
  return found.map((problem) => `${name}: ${problem}`);
}

async function replay(scenario: Scenario, recordings: Map<string, Recording>): Promise<string[]> {
  const simulator = await startSimulator({ pve: scenario.pve, world: scenario.world, taskMs: 6, speed: 0 });
  const player = new Player(simulator, scenario.entry);
  const found: string[] = [];
  try {
    for (const step of scenario.steps) {
      if (typeof step !== 'string') {
        await step(simulator, player);
        continue;
      }
      for (const name of words(step)) found.push(...(await differences(player, recordings, name)));
    }
  } finally {
    await player.close();
    await simulator.close();
  }
  return found;
}

describe.skipIf(!recorded)('the simulator answers as the recorded Proxmox VE did', () => {
  for (const scenario of scenarios) {
    test(`${scenario.pve}: ${scenario.name}`, async () => {
      expect(await replay(scenario, readRecordings(scenario.pve))).toEqual([]);
    });
  }

  for (const pve of versions) {
    test(`every recording of ${pve} is replayed or left out for a stated reason`, () => {
      const replayed = new Set(scenarios.filter((scenario) => scenario.pve === pve).flatMap(namesIn));
      const excused = (name: string) =>
        leftOut.some((each) => each.versions.includes(pve) && new RegExp(`^(?:${each.names.source})$`).test(name));
      const names = [...readRecordings(pve).keys()];
      expect(names.filter((name) => !replayed.has(name) && !excused(name))).toEqual([]);
      expect(names.filter((name) => replayed.has(name) && excused(name))).toEqual([]);
    });
  }
});
