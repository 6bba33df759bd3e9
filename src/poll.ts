import type { ClusterConnection } from './contracts/cluster.ts';
import { LostLead } from './contracts/store.ts';
import type { News, Observation } from './contracts/watch.ts';
import {
  Calendar,
  hasQuorum,
  type Known,
  learn,
  MANAGER,
  nothingKnown,
  type Question,
  questions,
  STATUS,
} from './poll-plan.ts';
import type { PollerParts } from './poller.ts';
import { blankMemory, pass, readMemory, type Watched, type WatchMemory, watch } from './watch/index.ts';
import { alsoLook } from './watch/rest.ts';
import { limitsOf } from './watch-limits.ts';

/** While all is calm memory is written this often, and at once with news; for so long after news with every look. */
const KEPT_EVERY = 60_000;
const RESTLESS = 600_000;
/** What was seen may make something else worth a look, and that again. */
const DEPTH = 3;
const WIDTH = 20;
/** What got no answer is asked again after this. */
const AGAIN = 60_000;

export interface PollCounts {
  /** Looks, and those that got no answer at all. */
  looks: number;
  missed: number;
  /** Epoch milliseconds of the last look that got an answer. */
  seenAt: number;
  /** Milliseconds that the last look came late. */
  lag: number;
  /** Answers that broke a watcher: a defect of ours. */
  broken: number;
  news: number;
}

/** One cluster's watch: what is due is asked, told to the watch, and its news are stored and handed on. */
export class Watch {
  readonly cluster: string;
  readonly counts: PollCounts = { looks: 0, missed: 0, seenAt: 0, lag: 0, broken: 0, news: 0 };
  /** Looks in a row without an answer. */
  misses = 0;
  readonly #connection: ClusterConnection;
  readonly #parts: PollerParts;
  readonly #calendar = new Calendar();
  readonly #pbsCalendar = new Calendar();
  #known: Known = nothingKnown;
  #memory: WatchMemory | undefined;
  #fresh: News[] = [];
  #keptAt = Number.NEGATIVE_INFINITY;
  #newsAt = Number.NEGATIVE_INFINITY;
  #dirty = false;
  #looked = false;
  #turn: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();

  constructor(cluster: string, connection: ClusterConnection, parts: PollerParts) {
    this.cluster = cluster;
    this.#connection = connection;
    this.#parts = parts;
  }

  get memory(): WatchMemory | undefined {
    return this.#memory;
  }

  /** Seen at once, also while a look is under way; resolves when its news are handed on. */
  async hear(observation: Observation): Promise<void> {
    await this.#recall();
    this.#see(observation);
    this.#calendar.hasten((endpoint) => /^\/cluster\/|\/(replication|tasks)(\?|$)/.test(endpoint));
    await this.#tell();
  }

  /** One after the other, whoever asks. */
  round(): Promise<void> {
    const mine = this.#turn.then(() => this.#round());
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #round(): Promise<void> {
    await this.#recall();
    const { clock } = this.#parts;
    await this.#tell();
    this.counts.looks += 1;
    if (!(await this.#first())) {
      this.misses += 1;
      this.counts.missed += 1;
    } else {
      this.misses = 0;
      this.counts.seenAt = clock.now();
      await this.#rest();
    }
    await this.#lookAtPbs();
    this.#step((memory) => pass(memory, clock.now() / 1000, this.#limits));
    await this.#tell();
    if (clock.now() - this.#keptAt >= KEPT_EVERY || clock.now() - this.#newsAt < RESTLESS) await this.keep();
    if (this.#looked) return;
    this.#looked = true;
    await this.#parts.onNews(this.cluster, []);
  }

  /** Members first: who answers, and whether that node has quorum. False when nobody answers. */
  async #first(): Promise<boolean> {
    const asked = await this.#ask(STATUS);
    return asked.status === 200;
  }

  async #rest(): Promise<void> {
    const due = this.#calendar.take(
      questions(this.#known, this.#parts.config.clusters[this.cluster]!.watch),
      this.#parts.clock.now(),
    );
    const { ha, ended } = this.#known;
    await this.#askAll(due.filter(({ node }) => node === undefined));
    if (ha !== this.#known.ha && !due.some(({ endpoint }) => endpoint === MANAGER)) await this.#ask(MANAGER);
    // What matters most is out before the nodes are asked, one of which may be slow to answer.
    await this.#tell();
    if (ended !== '' && ended !== this.#known.ended) this.#hastenBackups();
    await this.#askAll(due.filter(({ node }) => node !== undefined));
    for (let depth = 0; depth < DEPTH; depth += 1) {
      const also = alsoLook(this.#memory!.parts, this.#parts.clock.now() / 1000).slice(0, WIDTH);
      if (also.length === 0) break;
      await this.#askAll(also.map((endpoint) => ({ endpoint })));
    }
  }

  #hastenBackups(): void {
    this.#calendar.hasten((endpoint) => endpoint.includes('/content?'));
  }

  /** All at once, told in the order they were asked. */
  async #askAll(asked: readonly Pick<Question, 'endpoint'>[]): Promise<void> {
    const answers = await Promise.all(asked.map(({ endpoint }) => this.#connection.look(endpoint)));
    for (const answer of answers) await this.#told(answer);
  }

  async #ask(endpoint: string): Promise<Observation> {
    return this.#told(await this.#connection.look(endpoint));
  }

  /** A node without quorum answers with a frozen past: that is said, and the next one is asked. */
  async #told(answer: Observation): Promise<Observation> {
    this.#see(answer);
    const { endpoint, status } = answer;
    if (status === 0 || status >= 595) this.#calendar.again(endpoint, this.#parts.clock.now() + AGAIN);
    if (hasQuorum(answer)) {
      this.#known = learn(this.#known, answer);
      return answer;
    }
    const not = [answer.via];
    for (let other = answer; not.length <= Object.keys(this.#known.nodes).length + 1; not.push(other.via)) {
      other = await this.#connection.look(answer.endpoint, { not });
      if (other.status === 0 || not.includes(other.via)) break;
      this.#see(other);
      if (!hasQuorum(other)) continue;
      this.#known = learn(this.#known, other);
      return other;
    }
    // Nobody has quorum: this side is all there is to see.
    this.#known = learn(this.#known, answer);
    return answer;
  }

  async #lookAtPbs(): Promise<void> {
    const { config, pbs, clock } = this.#parts;
    const servers = Object.entries(config.pbs).filter(([, { cluster }]) => cluster === this.cluster);
    const due = this.#pbsCalendar.take(
      servers.map(([endpoint, { every }]) => ({ endpoint, every })),
      clock.now(),
    );
    const answers = await Promise.all(due.map(({ endpoint }) => pbs.get(endpoint)?.look() ?? []));
    for (const answer of answers.flat()) this.#see({ ...answer, cluster: this.cluster });
  }

  #see(observation: Observation): void {
    this.#step((memory) => watch(memory, observation, this.#limits), observation);
  }

  /** A watcher that cannot bear an answer is our defect, and must not end the watch. */
  #step(take: (memory: WatchMemory) => Watched, observation?: Observation): void {
    const { log, clock } = this.#parts;
    try {
      const { memory, news } = take(this.#memory!);
      this.#dirty ||= memory !== this.#memory;
      this.#memory = memory;
      this.#fresh.push(...news);
      if (news.length > 0) this.#newsAt = clock.now();
    } catch (error) {
      this.counts.broken += 1;
      const { endpoint, via, status } = observation ?? {};
      log.error(
        { cluster: this.cluster, endpoint, via, status, error: String((error as Error).stack) },
        'a watcher broke',
      );
    }
  }

  /** News are stored with the memory they came of, then handed on, then forgotten. */
  #tell(): Promise<void> {
    return this.#written(async () => {
      if (this.#fresh.length === 0) return;
      const { store, onNews, log } = this.#parts;
      await this.#save();
      const untaken = [...this.#fresh];
      try {
        await onNews(this.cluster, untaken);
      } catch (error) {
        if (error instanceof LostLead) throw error;
        // They stay, and are handed on again at the next look.
        log.error({ cluster: this.cluster, error: String((error as Error).stack) }, 'news could not be told');
        return;
      }
      await store.newsTaken(this.cluster);
      this.#fresh = this.#fresh.slice(untaken.length);
      this.counts.news += untaken.length;
    });
  }

  /** Writes what is remembered. */
  keep(): Promise<void> {
    return this.#written(() => this.#save());
  }

  async #save(): Promise<void> {
    const { store, clock } = this.#parts;
    if (!this.#memory || !this.#dirty) return;
    this.#dirty = false;
    this.#keptAt = clock.now();
    await store.saveWatch(this.cluster, { at: this.#keptAt, memory: this.#memory, untaken: [...this.#fresh] });
  }

  #written(work: () => Promise<void>): Promise<void> {
    const mine = this.#writing.then(work);
    this.#writing = mine.catch(() => undefined);
    return mine;
  }

  /** What the process before knew; news that it stored and could not hand on go out first. */
  async #recall(): Promise<void> {
    if (this.#memory) return;
    const kept = await this.#parts.store.watchMemory(this.cluster);
    if (this.#memory) return;
    this.#memory = kept ? readMemory(kept.memory, this.cluster) : blankMemory(this.cluster);
    this.#fresh = [...(kept?.untaken ?? []), ...this.#fresh];
  }

  get #limits() {
    return limitsOf(this.#parts.config.clusters[this.cluster]!.watch);
  }
}
