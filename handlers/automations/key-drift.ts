import { z } from 'zod';
import { type AutomationContext, defineAutomation, type Notice } from '../../src/contracts/automation.ts';
import { GRANTS, type Grant, grantSchema, KEPT, readShelf } from '../../src/contracts/books.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { KeysSeen } from '../../src/contracts/github.ts';
import { stamp } from '../../src/contracts/plan.ts';
import type { RequestState } from '../../src/contracts/records.ts';
import { type Change, changesOf, holds, isKept, keptSchema, lookAt, seenState, stateOf } from '../parts/drift.ts';
import { changedCard, offersFor, settledCard, strangerCard, type Who } from '../parts/drift-cards.ts';
import { dateTime } from '../parts/units.ts';

export const keyDrift = defineAutomation({
  name: 'key-drift',
  summary: "Compares everybody's keys on GitHub with those that were granted, and tells every change",
  schedule: '*/30 * * * *',
  budget: 20,
  run: (context) => run(context),
});

const noticeSchema = z.strictObject({
  key: z.string(),
  state: z.string(),
  at: z.number(),
  /** For what it has asked by itself, when, as which request, or why it may not. */
  asked: z
    .strictObject({ for: z.string(), at: z.number(), request: z.string().optional(), refused: z.string().optional() })
    .optional(),
});
type Told = z.infer<typeof noticeSchema>;

/** By person: the notice that stands open, and since when GitHub has not confirmed their keys. */
const memorySchema = z.strictObject({
  told: z.record(z.string(), noticeSchema),
  unsure: z.record(z.string(), z.number()),
});
type Memory = z.infer<typeof memorySchema>;

/** After so long without GitHub's word somebody must know that nobody watches. */
const BLIND = 6 * 3_600_000;
/** After so long it asks once more for what it could not take away. */
const AGAIN = 6 * 3_600_000;

async function run(context: AutomationContext): Promise<void> {
  const { books, clock, cluster } = context;
  const memory = memorySchema.safeParse(await context.recall()).data ?? { told: {}, unsure: {} };
  const all = await readShelf(books, GRANTS, grantSchema);
  const here = all.filter((grant) => grant.cluster === cluster && holds(grant, clock.now()));
  const watch = new Watch(context, memory, await context.people());
  for (const [person, grants] of Map.groupBy(here, ({ person }) => person)) await watch.person(person, grants);
  for (const person of Object.keys(memory.told))
    if (!here.some((grant) => grant.person === person)) await watch.settle(person, 'no access of theirs is left here');
  for (const person of Object.keys(memory.unsure))
    if (!here.some((grant) => grant.person === person)) await watch.sure(person);
  refuseBlind(memory, context);
}

/** Nothing is concluded while GitHub does not answer; but not for a day without a word. */
function refuseBlind({ unsure }: Memory, { clock, zone }: AutomationContext): void {
  const long = Object.entries(unsure).filter(([, since]) => clock.now() - since >= BLIND);
  if (long.length === 0) return;
  fail('unavailable', {
    what: 'Changes of keys are not noticed now',
    why: `GitHub has not confirmed the keys of ${long.map(([person]) => person).join(', ')} since ${dateTime(Math.min(...long.map(([, since]) => since)), zone)}`,
    next: 'see whether the bot can reach GitHub; a token in the config raises the rate limit',
  });
}

/** One round. What is told is remembered first, so that a restart edits the same notice. */
class Watch {
  readonly #context: AutomationContext;
  readonly #memory: Memory;
  readonly #people: Awaited<ReturnType<AutomationContext['people']>>;

  constructor(context: AutomationContext, memory: Memory, people: Awaited<ReturnType<AutomationContext['people']>>) {
    this.#context = context;
    this.#memory = memory;
    this.#people = people;
  }

  async person(person: string, grants: readonly Grant[]): Promise<void> {
    const { books, clock, github } = this.#context;
    const look = await lookAt(grants, this.#people.find(({ id }) => id === person)?.github, github);
    if (look.state === 'unsure') {
      this.#memory.unsure[person] ??= clock.now();
      return this.#remember();
    }
    await this.sure(person);
    if (look.state === 'stranger') {
      const told = await this.#open(person, `stranger ${look.why}`);
      return this.#tell(told, strangerCard(this.#who(person, grants[0]!.login, told), grants, look), person, [
        'revoke',
      ]);
    }
    const changes = changesOf(grants, look.seen);
    if (changes.length === 0) return this.settle(person, this.#whySame(person, look.seen));
    const entry = await books.entry(KEPT, person);
    if (isKept(keptSchema.safeParse(entry?.value).data, look.seen))
      return this.settle(person, `the granted keys stay as they are: ${await this.#whoDecided(entry?.run)}`);
    const told = await this.#open(person, seenState(look.seen));
    const note = await this.#takeAway(person, changes, told);
    await this.#tell(told, changedCard(this.#who(person, look.seen.login, told), changes, note), person, [
      'apply',
      'keep',
      'revoke',
    ]);
  }

  /** The notice that stands open says how it ended; nothing where there is none. */
  async settle(person: string, why: string): Promise<void> {
    const told = this.#memory.told[person];
    if (!told) return;
    await this.#context.tell({ key: told.key, card: settledCard(this.#who(person, undefined, told), why) });
    delete this.#memory.told[person];
    await this.#remember();
  }

  async sure(person: string): Promise<void> {
    if (this.#memory.unsure[person] === undefined) return;
    delete this.#memory.unsure[person];
    await this.#remember();
  }

  /** The notice of this change: the one that stands, or a new one, and then an older one says so. */
  async #open(person: string, state: string): Promise<Told> {
    const { clock } = this.#context;
    const known = this.#memory.told[person];
    if (known?.state === state) return known;
    if (known) await this.settle(person, 'the keys changed once more; the newer message counts');
    const told: Told = { key: `key-drift/${person}/${stamp(clock.now())}`, state, at: clock.now() };
    this.#memory.told[person] = told;
    await this.#remember();
    return told;
  }

  /** Asks to end what its owner took away, where the house rule says so: for the same keys and containers not at once again. */
  async #takeAway(person: string, changes: readonly Change[], told: Told): Promise<string | undefined> {
    const { clock, house, view } = this.#context;
    const gone = changes.filter(({ removed }) => removed.some(({ refused }) => refused === undefined));
    if (house.ssh.removedKeys !== 'apply' || gone.length === 0) return this.#noteOf(told);
    const guests = await view.guests();
    const running = gone.filter(({ grant }) =>
      guests.some((one) => one.vmid === grant.vmid && one.status === 'running'),
    );
    const keys = running.flatMap(({ grant, removed }) => removed.map((key) => `${grant.vmid} ${key.fingerprint}`));
    const now = { for: stateOf(running.length, keys), at: clock.now() };
    const lately = told.asked?.for === now.for && now.at - told.asked.at < AGAIN;
    if (lately || (await this.#asking(person))) return this.#noteOf(told);
    told.asked = now;
    await this.#remember();
    const { request, refused } = await this.#context.ask('ssh sync', { person, only: 'removals' });
    told.asked = { ...now, ...(request ? { request: request.id } : { refused: refused ?? 'refused' }) };
    await this.#remember();
    return this.#noteOf(told);
  }

  /** What became of what it asked for by itself, in words. */
  async #noteOf({ asked }: Told): Promise<string | undefined> {
    if (asked?.refused !== undefined) return `Not taken away by itself: ${asked.refused}`;
    if (asked?.request === undefined) return undefined;
    const ended = await this.#context.requests(['failed', 'in-doubt', 'denied', 'withdrawn', 'expired', 'superseded']);
    const stuck = ended.find(({ id }) => id === asked.request);
    return stuck
      ? `Taking it away did not work everywhere (request ${stuck.id}, ${stuck.state}); tried again in some hours`
      : `What was taken away ends at once (house.ssh.removedKeys: apply): request ${asked.request}`;
  }

  async #asking(person: string): Promise<boolean> {
    const open: readonly RequestState[] = ['waiting', 'approved', 'running', 'undoing', 'in-doubt'];
    const requests = await this.#context.requests(open);
    return requests.some(({ command, plan }) => command === 'ssh sync' && plan.target.id === person);
  }

  #whySame(person: string, seen: KeysSeen): string {
    return this.#memory.told[person]?.state === seenState(seen)
      ? 'the granted keys are those on GitHub now'
      : 'GitHub shows the granted keys again';
  }

  async #whoDecided(run: string | undefined): Promise<string> {
    const request = (await this.#context.requests(['done'])).find(({ id }) => id === run);
    return request ? `${request.requester} decided so (run ${request.id})` : `decided in run ${run}`;
  }

  #who(person: string, login: string | undefined, { at }: Told): Who {
    const name = this.#people.find(({ id }) => id === person)?.name ?? person;
    return { id: person, name, ...(login ? { login } : {}), at, zone: this.#context.zone };
  }

  #tell(told: Told, card: Notice['card'], person: string, offers: Parameters<typeof offersFor>[1]): Promise<void> {
    return this.#context.tell({ key: told.key, card, offers: offersFor(person, offers) });
  }

  #remember(): Promise<void> {
    return this.#context.remember(this.#memory);
  }
}
