import { decideButton } from './buttons.ts';
import { brokenCard, failureCard, refusalCard } from './cards.ts';
import { type Completer, makeCompleter } from './complete.ts';
import { Contexts, nameOne } from './contexts.ts';
import type { Card } from './contracts/card.ts';
import type {
  Actor,
  Ask,
  Choice,
  Click,
  CompletionQuery,
  Desk,
  Form,
  MenuEntry,
  Place,
  Platform,
} from './contracts/chat.ts';
import type { ChangeCommand, Command, ControlCommand, ReadCommand } from './contracts/command.ts';
import { Failed, fail } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import type { NewAudit } from './contracts/store.ts';
import type { DeskParts } from './desk-parts.ts';
import { checkOptions, missingOptions, type Parsed, parseStructured, parseText } from './parse.ts';
import { rootOf } from './planning.ts';
import { question, requestResource } from './questions.ts';
import { CLUSTER_OPTION, menuEntry } from './registry.ts';
import { newId } from './requests.ts';
import { Turnstile } from './turnstile.ts';

/** Who asked, where, and about which cluster; everything after parsing needs these. */
interface Asked {
  readonly ask: Ask;
  readonly person: Person;
  readonly doubt?: string;
  readonly parsed: Parsed;
  readonly cluster: string | undefined;
}

/** The one door: every command and every click of every platform comes in here. */
export class FrontDesk implements Desk {
  readonly menu: readonly MenuEntry[];
  readonly #parts: DeskParts;
  readonly #completer: Completer;
  readonly #contexts: Contexts;
  readonly #door = new Turnstile();

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.menu = parts.registry.menu;
    this.#contexts = new Contexts(parts);
    this.#completer = makeCompleter(parts, this.#contexts);
  }

  async command(ask: Ask): Promise<void> {
    await this.#guarded(ask.reply, async () => {
      if (!(await this.#first(ask.actor, ask.delivery))) return;
      const root = rootOf(ask.place, this.#parts.config);
      const { person, doubt } = await this.#parts.people.identify(ask.actor);
      const parsed = this.#parse(ask, root);
      const cluster = this.#cluster(parsed, person, ask.place);
      await this.#dispatch({ ask, person, ...(doubt ? { doubt } : {}), parsed, cluster }, root);
    });
  }

  async click(click: Click): Promise<void> {
    await this.#guarded(click.reply, async () => {
      if (!(await this.#first(click.actor, click.delivery))) return;
      const { person, doubt } = await this.#parts.people.identify(click.actor);
      const card = await decideButton(click, person, doubt, this.#parts);
      if (card) await click.reply({ ...card, private: true });
    });
  }

  async prompt(ref: string) {
    const button = await this.#parts.store.button(ref);
    if (!button?.typed) return undefined;
    const request = await this.#parts.store.request(button.request);
    return {
      title: 'Type it to confirm',
      label: `Type ${button.typed} to confirm`,
      ...(request ? { hint: request.plan.title.slice(0, 100) } : {}),
    };
  }

  form(text: string): Form | undefined {
    try {
      const parsed = parseText(text, this.#parts.registry, this.#parts.habit, '');
      if (missingOptions(parsed).length === 0) return undefined;
      const entry = menuEntry(parsed.command);
      return {
        command: entry.name,
        title: entry.name,
        fields: entry.options.map((option) => ({
          ...option,
          ...(parsed.options[option.name] === undefined ? {} : { value: parsed.options[option.name] }),
        })),
      };
    } catch (error) {
      // What cannot be read at all is answered by `command`, which says why.
      if (error instanceof Failed) return undefined;
      throw error;
    }
  }

  async complete(query: CompletionQuery): Promise<readonly Choice[]> {
    try {
      return await this.#completer(query);
    } catch (error) {
      this.#parts.log.warn(
        { error: error instanceof Failed ? error.failure : String(error), option: query.option },
        'no completion',
      );
      return [];
    }
  }

  async home(actor: Actor): Promise<readonly Card[]> {
    const place: Place = { platform: platformOf(actor), channel: 'home' };
    const { person } = await this.#parts.people.identify(actor);
    const cards: Card[] = [];
    for (const name of ['whoami', 'approval list', 'help']) {
      const command = this.#parts.registry.commands.get(name);
      if (!command || !('answer' in command)) continue;
      await this.#guarded(
        async (card) => {
          cards.push(card);
          return undefined;
        },
        async () => {
          const values = checkOptions({ command, options: {} }, '');
          cards.push(await command.answer(values as never, this.#contexts.read(command, person, place, undefined)));
        },
      );
    }
    return cards;
  }

  /** The same delivery twice is one request: platforms retry and replay. */
  async #first(actor: Actor, delivery: string): Promise<boolean> {
    await this.#door.enter();
    return this.#parts.store.firstSeen(`${platformOf(actor)}:${delivery}`, this.#parts.clock.now());
  }

  /** Whatever goes wrong ends as a card; what is not an expected failure also goes to the log under a reference. */
  async #guarded(reply: Ask['reply'], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      let card: Card;
      if (error instanceof Failed) card = failureCard(error.failure);
      else {
        const reference = newId();
        this.#parts.log.error({ reference, error: String((error as Error)?.stack ?? error) }, 'a request broke');
        card = brokenCard(reference);
      }
      await reply(card).catch((failed: unknown) =>
        this.#parts.log.warn({ error: String(failed) }, 'an answer could not be delivered'),
      );
    }
  }

  #parse(ask: Ask, root: string): Parsed {
    const { registry, habit } = this.#parts;
    return 'text' in ask.input
      ? parseText(ask.input.text, registry, habit, root)
      : parseStructured(ask.input.command, ask.input.options, registry, root);
  }

  /** The named cluster, else the channel's, else the only one. */
  #cluster(parsed: Parsed, person: Person, place: Place): string | undefined {
    const { clusters, config } = this.#parts;
    const bound = Object.entries(config.clusters).find(([, entry]) => entry.channels.includes(place.channel))?.[0];
    const named = parsed.options[CLUSTER_OPTION]?.toLowerCase();
    if (named !== undefined && !clusters.has(named)) {
      fail('not-found', {
        what: `${parsed.command.name} was not run`,
        why: `there is no cluster ${named}`,
        next: nameOne(this.#contexts.clusters(person, place)),
      });
    }
    if (named !== undefined && bound !== undefined && named !== bound && 'plan' in parsed.command) {
      fail('bad-input', {
        what: `${parsed.command.name} was not run`,
        why: `this channel belongs to ${bound}, the command names ${named}`,
        next: `ask in a channel of ${named}`,
      });
    }
    const chosen = named ?? bound ?? (clusters.size === 1 ? [...clusters.keys()][0] : undefined);
    if (chosen === undefined && parsed.command.needsCluster !== false) {
      fail('bad-input', {
        what: `${parsed.command.name} was not run`,
        why: 'there are several clusters',
        next: nameOne(this.#contexts.clusters(person, place)),
      });
    }
    return chosen;
  }

  async #dispatch(asked: Asked, root: string): Promise<void> {
    const { command } = asked.parsed;
    if ('plan' in command) return this.#change(command, asked, root);
    if ('act' in command) return this.#control(command, asked, root);
    return this.#read(command, asked, root);
  }

  #early(command: Command, asked: Asked): Card | undefined {
    const { judge, planning } = this.#parts;
    const scene = planning.scene(asked.person, asked.ask.place, asked.cluster ?? '');
    const resource =
      asked.cluster === undefined || command.needsCluster === false
        ? ({ type: 'Bot' } as const)
        : ({ type: 'Cluster', cluster: asked.cluster } as const);
    const verdict = judge.decide(
      question(scene, command.action, command.risk, resource, { early: command.risk !== 'read' }),
    );
    return verdict.answer === 'denied' ? refusalCard(command.name, verdict, asked.doubt) : undefined;
  }

  async #refuse(asked: Asked, card: Card): Promise<void> {
    await this.#audit(asked, 'refused', {
      command: asked.parsed.command.name,
      options: asked.parsed.options,
      why: card.lines?.[0] ?? '',
      by: card.footer ?? '',
    });
    await asked.ask.reply(card);
  }

  async #audit(asked: Asked, kind: string, body: NewAudit['body']): Promise<void> {
    const { actor, place } = asked.ask;
    await this.#parts.store.audit([
      {
        at: this.#parts.clock.now(),
        id: `${actor.platform}:${asked.ask.delivery}`,
        kind,
        who: asked.person.id,
        body: { ...body, actor: { ...actor }, place: { ...place } },
      },
    ]);
  }

  async #read(command: ReadCommand, asked: Asked, root: string): Promise<void> {
    const refusal = this.#early(command, asked);
    if (refusal) return this.#refuse(asked, refusal);
    const body = { command: command.name, options: asked.parsed.options, cluster: asked.cluster ?? null };
    let card: Card;
    try {
      const values = checkOptions(asked.parsed, root);
      card = await command.answer(
        values as never,
        this.#contexts.read(command, asked.person, asked.ask.place, asked.cluster),
      );
    } catch (error) {
      if (error instanceof Failed) await this.#audit(asked, 'read', { ...body, failure: { ...error.failure } });
      throw error;
    }
    // Answered first: a look changes nothing, so nobody waits for its audit line.
    await asked.ask.reply(command.private ? { ...card, private: true } : card);
    await this.#audit(asked, 'read', body);
  }

  async #change(command: ChangeCommand, asked: Asked, root: string): Promise<void> {
    sure(command.name, asked.doubt);
    const refusal = this.#early(command, asked);
    if (refusal) return this.#refuse(asked, refusal);
    const { planning, requests } = this.#parts;
    const values = checkOptions(asked.parsed, root);
    const { ask, person } = asked;
    const options =
      asked.cluster === undefined || this.#parts.clusters.size < 2
        ? asked.parsed.options
        : { ...asked.parsed.options, [CLUSTER_OPTION]: asked.cluster };
    let made: Awaited<ReturnType<typeof requests.submit>>;
    try {
      const plan = await planning.plan(command, values, { person, place: ask.place, cluster: asked.cluster ?? '' });
      made = await requests.submit(command, options, plan, {
        person,
        actor: ask.actor,
        place: ask.place,
        reply: ask.reply,
      });
    } catch (error) {
      if (error instanceof Failed)
        await this.#audit(asked, 'not-planned', { command: command.name, options, failure: { ...error.failure } });
      throw error;
    }
    if (made.refused) await ask.reply(refusalCard(command.name, made.refused, asked.doubt));
  }

  async #control(command: ControlCommand, asked: Asked, root: string): Promise<void> {
    sure(command.name, asked.doubt);
    const { github, planning, requests, store, judge } = this.#parts;
    const values = checkOptions(asked.parsed, root);
    const { person, ask } = asked;
    const records = this.#contexts.records(person, ask.place);
    const id = String(values[command.request] ?? '');
    const request = await records.request(id);
    const scene = planning.scene(person, ask.place, request.cluster);
    const verdict = judge.decide(question(scene, command.action, command.risk, requestResource(request)));
    const entry: NewAudit = {
      at: this.#parts.clock.now(),
      id: request.id,
      kind: verdict.answer === 'allowed' ? 'control' : 'refused',
      who: person.id,
      body: { command: command.name, actor: { ...ask.actor }, policies: verdict.policies },
    };
    await store.audit([entry]);
    if (verdict.answer !== 'allowed') return void (await ask.reply(refusalCard(command.name, verdict, asked.doubt)));
    await ask.reply(
      await command.act(values as never, {
        ...this.#contexts.ask(person, ask.place, asked.cluster),
        records,
        cancel: async (target) => requests.cancel(judgedOnly(request.id, target), person.id),
        prove: async (target) => requests.prove(judgedOnly(request.id, target), person, ask.actor),
        github,
      }),
    );
  }
}

/** A control command was judged for one request and can reach no other. */
function judgedOnly(judged: string, target: string): string {
  if (judged === target) return judged;
  return fail('internal', {
    what: `Nothing was done to ${target}`,
    why: `the policies were asked about ${judged}`,
    next: 'please report this',
  });
}

/** No schedule comes in by the door, and nobody who comes in is one: an adapter that says so is wrong. */
function platformOf({ platform }: Actor): Platform {
  if (platform !== 'bot') return platform;
  return fail('forbidden', {
    what: 'Nothing was done',
    why: 'no chat can speak for a schedule of the bot',
    next: 'please report this',
  });
}

/** A rule that forbids by role cannot fire for a role nobody could look up: while in doubt, nothing is changed. */
function sure(what: string, doubt: string | undefined): void {
  if (doubt)
    fail('unavailable', {
      what: `${what} was not run`,
      why: doubt,
      next: 'try again in a minute; if it stays, an admin checks the app’s scopes',
    });
}
