import { DateTime } from 'luxon';
import { z } from 'zod';
import type { Automation, AutomationContext } from './contracts/automation.ts';
import type { Place } from './contracts/chat.ts';
import { Failed, type Failure, failure } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import { type Json, stamp } from './contracts/plan.ts';
import { LostLead } from './contracts/store.ts';
import type { DeskParts } from './desk-parts.ts';
import { booksOf, everybody } from './links.ts';
import type { Notices } from './notices.ts';
import { checkOptions, parseStructured } from './parse.ts';
import { automationPerson } from './people.ts';
import { places } from './places.ts';
import { rootOf } from './planning.ts';
import { CLUSTER_OPTION } from './registry.ts';
import { newId } from './requests.ts';

export interface AutomationLife extends Omit<DeskParts, 'habit'> {
  readonly notices: Notices;
}

const DAY = 24 * 3_600_000;

/** One run on one cluster. A failure is told once, and again when it works; only what breaks the bot is thrown. */
export async function workOf(automation: Automation, cluster: string, parts: AutomationLife): Promise<void> {
  const work = new Work(automation, cluster, parts);
  try {
    await automation.run(work.context());
  } catch (error) {
    if (error instanceof LostLead) throw error;
    return work.failed(error instanceof Failed ? error.failure : broken(automation, error, parts));
  }
  await work.worked();
}

function broken({ name }: Automation, error: unknown, { log }: AutomationLife): Failure {
  const reference = newId();
  log.error({ reference, automation: name, error: String((error as Error)?.stack ?? error) }, 'a schedule broke');
  return failure('internal', {
    what: `${name} was not finished`,
    why: 'something in Bascule broke',
    next: `an admin finds the cause in the log under ${reference}`,
  });
}

/** Since when it fails, and as what that was told. */
const failing = z.strictObject({ key: z.string(), since: z.number(), why: z.string() });

class Work {
  readonly #automation: Automation;
  readonly #cluster: string;
  readonly #parts: AutomationLife;
  readonly #person: Person;
  readonly #place: Place;

  constructor(automation: Automation, cluster: string, parts: AutomationLife) {
    this.#automation = automation;
    this.#cluster = cluster;
    this.#parts = parts;
    this.#person = automationPerson(automation.name);
    const [place] = places(parts.config, cluster);
    if (!place) throw new Error(`${cluster} has no place where ${automation.name} could speak`);
    this.#place = place;
  }

  context(): AutomationContext {
    const { clock, clusters, config, github, people, planning, store } = this.#parts;
    const cluster = this.#cluster;
    const connection = clusters.get(cluster);
    if (!connection) throw new Error(`there is no cluster ${cluster}`);
    const books = booksOf(store, people);
    return {
      cluster,
      clock,
      zone: config.clusters[cluster]?.zone ?? 'UTC',
      root: rootOf(this.#place, config),
      view: planning.viewFor(this.#person, this.#place, connection.view()),
      nodes: planning.nodes(cluster),
      books,
      github: { keys: (login, options) => github.keys(login, options) },
      house: planning.house(cluster),
      requests: (states) => store.requests({ states, cluster, limit: 500 }),
      people: () => everybody(people, books),
      ask: (command, options) => this.#ask(command, options),
      recall: () => this.#recall('kept'),
      remember: (value) => this.#remember('kept', value),
      tell: (notice) => this.#parts.notices.tell(cluster, notice),
    };
  }

  async #ask(command: string, options: Readonly<Record<string, string>>): ReturnType<AutomationContext['ask']> {
    const { log } = this.#parts;
    try {
      if (await this.#usedUp()) return { refused: 'its budget for today is used up' };
      const { request, refused } = await this.#submit(command, options);
      if (request) return { request };
      const why = refused?.why ?? '';
      log.warn({ automation: this.#person.id, command, why }, 'a schedule may not do this');
      return { refused: why };
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      await this.#audit(command, options, error.failure);
      return { refused: error.failure.why };
    }
  }

  async #submit(name: string, options: Readonly<Record<string, string>>) {
    const { clusters, planning, registry, requests } = this.#parts;
    const parsed = parseStructured(name, options, registry, '');
    const { command } = parsed;
    if (!('plan' in command)) throw new Error(`${this.#automation.name} asks for ${name}, which changes nothing`);
    const values = checkOptions(parsed, '');
    const who = { person: this.#person, place: this.#place, cluster: this.#cluster };
    const plan = await planning.plan(command, values, who);
    const named = clusters.size < 2 ? parsed.options : { ...parsed.options, [CLUSTER_OPTION]: this.#cluster };
    const actor = { platform: 'bot', id: this.#automation.name, name: this.#automation.name } as const;
    return requests.submit(command, named, plan, { person: this.#person, actor, place: this.#place });
  }

  /** Counted from what is stored, so that neither a restart nor a second process gives it more. */
  async #usedUp(): Promise<boolean> {
    const { clock, config, notices, store } = this.#parts;
    const { name, budget: usual } = this.#automation;
    const budget = config.automations[name]?.budget ?? usual;
    const since = clock.now() - DAY;
    const filter = { requester: this.#person.id, cluster: this.#cluster, since };
    const made = budget === 0 ? [] : await store.requests({ ...filter, limit: budget });
    if (made.length < budget) return false;
    const zone = config.clusters[this.#cluster]?.zone ?? 'UTC';
    await notices.tell(this.#cluster, {
      key: `automation/${name}/budget/${DateTime.fromMillis(clock.now(), { zone }).toISODate()}`,
      card: {
        title: `${name} on ${this.#cluster}: nothing more for now`,
        tone: 'warning',
        lines: [
          `Its budget is used up: ${budget} ${budget === 1 ? 'request' : 'requests'} in 24 hours`,
          `Next: look at what it did (${rootOf(this.#place, config)}approval list), or raise automations.${name}.budget in the config`,
        ],
      },
    });
    return true;
  }

  async #audit(command: string, options: Readonly<Record<string, string>>, why: Failure): Promise<void> {
    const { clock, store } = this.#parts;
    const body = { command, options, cluster: this.#cluster, failure: { ...why } };
    await store.audit([{ at: clock.now(), id: this.#person.id, kind: 'not-planned', who: this.#person.id, body }]);
  }

  /** Told when it begins to fail; the same message tells another reason, and in the end that it works again. */
  async failed(why: Failure): Promise<void> {
    const { clock, log, notices } = this.#parts;
    const { name } = this.#automation;
    log.warn({ automation: name, cluster: this.#cluster, failure: why }, 'a schedule could not do its work');
    const now = clock.now();
    const known = await this.#failing();
    const state = { since: now, key: `automation/${name}/${stamp(now)}`, ...known, why: why.why };
    if (known?.why === why.why) return;
    await this.#remember('failing', state);
    await notices.tell(this.#cluster, {
      key: state.key,
      card: {
        title: `${name} on ${this.#cluster} cannot do its work`,
        tone: 'warning',
        lines: [why.what, ...why.why.split('\n'), `Next: ${why.next}`],
        footer: `since ${this.#time(state.since)}; told once, it goes on trying and says here when it works again`,
      },
    });
  }

  async worked(): Promise<void> {
    const known = await this.#failing();
    if (!known) return;
    const { clock, notices } = this.#parts;
    await notices.tell(this.#cluster, {
      key: known.key,
      card: {
        title: `${this.#automation.name} on ${this.#cluster} works again`,
        tone: 'good',
        lines: [`It could not do its work from ${this.#time(known.since)} to ${this.#time(clock.now())}`, known.why],
      },
    });
    await this.#remember('failing', null);
  }

  async #failing(): Promise<z.infer<typeof failing> | undefined> {
    return failing.safeParse(await this.#recall('failing')).data;
  }

  async #recall(what: 'kept' | 'failing'): Promise<Json | undefined> {
    const text = await this.#parts.store.setting(this.#setting(what));
    return text === undefined ? undefined : (JSON.parse(text) as Json);
  }

  #remember(what: 'kept' | 'failing', value: Json): Promise<void> {
    return this.#parts.store.saveSetting(this.#setting(what), JSON.stringify(value));
  }

  readonly #setting = (what: string): string => `automation/${this.#cluster}/${this.#automation.name}/${what}`;

  #time(at: number): string {
    const zone = this.#parts.config.clusters[this.#cluster]?.zone ?? 'UTC';
    return DateTime.fromMillis(at, { zone }).toFormat('yyyy-MM-dd HH:mm ZZZZ');
  }
}
