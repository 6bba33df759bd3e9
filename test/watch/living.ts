import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { News, Observation } from '../../src/contracts/watch.ts';
import { finalNews, jsonLine, readRecording, replay } from '../../src/replay.ts';
import { blankMemory, pass, type WatchMemory, watch } from '../../src/watch/index.ts';

/** One watch that lives on, answer by answer; after each it is written down and read back, as over a restart. */
export class Living {
  memory: WatchMemory = blankMemory('off');
  readonly news: News[] = [];

  sees(endpoint: string, data: unknown, at: number, more: Partial<Observation> = {}): News[] {
    return this.#take(watch(this.memory, { cluster: 'off', at, via: 'ovh1', endpoint, status: 200, data, ...more }));
  }

  waits(at: number): News[] {
    return this.#take(pass(this.memory, at));
  }

  #take({ memory, news }: { memory: WatchMemory; news: readonly News[] }): News[] {
    this.memory = JSON.parse(JSON.stringify(memory)) as WatchMemory;
    this.news.push(...news);
    return [...news];
  }
}

/** `backup-partial error opens`. */
export function gistOf(news: readonly News[]): string[] {
  return news.map(({ kind, severity, phase }) => `${kind} ${severity} ${phase}`);
}

const events = fileURLToPath(new URL('../../../shared/events', import.meta.url));
export const recorded = existsSync(events);
if (!recorded) console.log('skipped: the recorded events (../shared/events) are not here');

export interface Recorded {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: expected files are free in form
  readonly expected: any;
  // biome-ignore lint/suspicious/noExplicitAny: as printed by `replay --json`
  readonly lines: any[];
  readonly text: string;
}

/** The recordings of a folder with what they mean and what replaying them prints. */
export function recordings(folder: string): Recorded[] {
  if (!recorded) return [];
  return readdirSync(`${events}/${folder}`)
    .filter((file) => file.endsWith('.json') && !file.endsWith('.expected.json'))
    .map((file) => {
      const text = readFileSync(`${events}/${folder}/${file}`, 'utf8');
      const lines = finalNews(replay(readRecording(text, file))).map((one) => JSON.parse(jsonLine(one)));
      const expected = JSON.parse(
        readFileSync(`${events}/${folder}/${file.replace('.json', '.expected.json')}`, 'utf8'),
      );
      return { name: file.replace('.json', ''), expected, lines, text };
    });
}

/** Answers of a recording by endpoint. */
// biome-ignore lint/suspicious/noExplicitAny: recorded answers
export function answers(text: string): { endpoint: string; data: any; at?: number }[] {
  return JSON.parse(text).requests.map((one: { endpoint: string; body?: { data?: unknown }; at?: number }) => ({
    endpoint: one.endpoint,
    data: one.body?.data,
    ...(one.at === undefined ? {} : { at: one.at }),
  }));
}
