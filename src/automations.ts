import { type AutomationLife, workOf } from './automation-work.ts';
import type { Automation } from './contracts/automation.ts';
import { fail } from './contracts/failure.ts';
import { nearest } from './parse.ts';
import { places } from './places.ts';
import { badPattern, nextDue } from './schedule.ts';
import type { Config } from './settings.ts';

export interface AutomationsParts extends AutomationLife {
  readonly automations: readonly Automation[];
  /** The store is out of reach, or another process leads. */
  readonly onBroken: (error: unknown) => void;
}

/** Sooner than this nothing is worth a second look, milliseconds. */
const LONG = 3_600_000;

/**
 * The bot's own schedules. When each is due is a row, advanced by compare-and-set, so that a restart neither repeats nor
 * loses a run, and what was missed while the bot was down runs once. One runs at a time.
 */
export class Automations {
  readonly #parts: AutomationsParts;
  #stopped = false;
  #round: Promise<void> | undefined;

  /** Throws Failed bad-input for names or patterns in the config that do not exist or are never due. */
  constructor(parts: AutomationsParts) {
    this.#parts = parts;
    const { automations, config, log } = parts;
    checkNames(config, automations);
    for (const { name, schedule } of automations) {
      const why = badPattern(schedule, 'UTC');
      if (why !== undefined) throw new Error(`automation ${name}: ${why}`);
    }
    for (const cluster of Object.keys(config.clusters))
      if (automations.length > 0 && places(config, cluster).length === 0)
        log.warn({ cluster }, 'no schedule runs here: without alerts: nobody could be told when one fails');
  }

  /** Runs what is due, unless it is at that already. Returns at once. */
  tick(): void {
    this.#round ??= this.#runDue()
      .catch((error: unknown) => this.#parts.onBroken(error))
      .finally(() => {
        this.#round = undefined;
      });
  }

  /** Resolves when none is running. */
  async settled(): Promise<void> {
    await this.#round;
  }

  /** What is running comes to its end; nothing more begins. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#round;
  }

  /** Runs one now, whenever it is due. */
  async run(cluster: string, name: string): Promise<void> {
    const automation = this.#parts.automations.find((one) => one.name === name);
    if (!automation) throw new Error(`there is no automation ${name}`);
    // Two at once would both ask for what is missing.
    while (this.#round) await this.#round;
    const work = workOf(automation, cluster, this.#parts);
    this.#round = work
      .catch(() => undefined)
      .finally(() => {
        this.#round = undefined;
      });
    await work;
  }

  async #runDue(): Promise<void> {
    const { automations, clusters, config } = this.#parts;
    for (const cluster of clusters.keys()) {
      if (places(config, cluster).length === 0) continue;
      for (const automation of automations) {
        if (this.#stopped) return;
        if (config.automations[automation.name]?.enabled === false) continue;
        if (!(await this.#isDue(automation, cluster))) continue;
        await workOf(automation, cluster, this.#parts);
      }
    }
  }

  /** True for one process and once for each time; another pattern or zone is another schedule. */
  async #isDue(automation: Automation, cluster: string): Promise<boolean> {
    const { clock, config, store } = this.#parts;
    const pattern = config.automations[automation.name]?.schedule ?? automation.schedule;
    const zone = config.clusters[cluster]?.zone ?? 'UTC';
    const name = `automation/${cluster}/${automation.name}/${pattern}/${zone}`;
    const now = clock.now();
    const due = await store.due(name);
    if (due !== undefined && due > now && due - now < LONG) return false;
    const next = nextDue(pattern, zone, now);
    if (due === undefined || due <= now) return store.advance(name, due ?? now, next);
    // Further ahead than any next time: our clock was, when this one was last due.
    if (due > next) await store.advance(name, due, next);
    return false;
  }
}

function checkNames(config: Pick<Config, 'automations'>, automations: readonly Automation[]): void {
  const known = automations.map(({ name }) => name);
  const wrong = Object.keys(config.automations).filter((name) => !known.includes(name));
  if (wrong.length === 0) return;
  fail('bad-input', {
    what: 'The config was refused',
    why: wrong
      .map((name) => {
        const near = nearest(name, known);
        return `automations: there is no automation ${name}${near ? `, did you mean ${near}?` : ''}`;
      })
      .join('\n'),
    next: `there are: ${known.join(', ') || 'none'}`,
  });
}
