import { decideButton } from './buttons.ts';
import { brokenCard, failureCard } from './cards.ts';
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
import { Failed, fail } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import type { StoredOffer } from './contracts/store.ts';
import type { DeskParts } from './desk-parts.ts';
import { Dispatch } from './dispatch.ts';
import type { Notices } from './notices.ts';
import { checkOptions, missingOptions, type Parsed, parseStructured, parseText } from './parse.ts';
import { rootOf } from './planning.ts';
import { CLUSTER_OPTION, menuEntry } from './registry.ts';
import { newId } from './requests.ts';
import { Turnstile } from './turnstile.ts';

export interface FrontDeskParts extends DeskParts {
  readonly notices: Pick<Notices, 'stands'>;
}

/** The one door: every command and every click of every platform comes in here. */
export class FrontDesk implements Desk {
  readonly menu: readonly MenuEntry[];
  readonly #parts: FrontDeskParts;
  readonly #completer: Completer;
  readonly #contexts: Contexts;
  readonly #dispatch: Dispatch;
  readonly #door = new Turnstile();

  constructor(parts: FrontDeskParts) {
    this.#parts = parts;
    this.menu = parts.registry.menu;
    this.#contexts = new Contexts(parts);
    this.#dispatch = new Dispatch(parts, this.#contexts);
    this.#completer = makeCompleter(parts, this.#contexts);
  }

  async command(ask: Ask): Promise<void> {
    await this.#guarded(ask.reply, async () => {
      if (!(await this.#first(ask.actor, ask.delivery))) return;
      const root = rootOf(ask.place, this.#parts.config);
      const { person, doubt } = await this.#parts.people.identify(ask.actor);
      const parsed = this.#parse(ask, root);
      const cluster = this.#cluster(parsed, person, ask.place);
      await this.#dispatch.run({ ask, person, ...(doubt ? { doubt } : {}), parsed, cluster }, root);
    });
  }

  async click(click: Click): Promise<void> {
    await this.#guarded(click.reply, async () => {
      if (!(await this.#first(click.actor, click.delivery))) return;
      const { person, doubt } = await this.#parts.people.identify(click.actor);
      const offer = await this.#parts.store.offer(click.ref);
      if (offer) return this.#offered(click, offer, person, doubt);
      const card = await decideButton(click, person, doubt, this.#parts);
      if (card) await click.reply({ ...card, private: true });
    });
  }

  /** As if the person who pressed had typed the command there: judged for them, and planned for them. */
  async #offered(click: Click, offer: StoredOffer, person: Person, doubt: string | undefined): Promise<void> {
    const { config, clusters, notices, registry } = this.#parts;
    const { actor, delivery, place, reply } = click;
    const { cluster, command, options } = offer;
    if (!clusters.has(cluster) || !(await notices.stands(offer)))
      fail('changed', {
        what: 'Nothing was done',
        why: 'this button belongs to an older state of its message',
        next: 'look at the message as it stands now',
      });
    const root = rootOf(place, config);
    const input = { command, options: clusters.size < 2 ? options : { ...options, [CLUSTER_OPTION]: cluster } };
    const parsed = parseStructured(command, input.options, registry, root);
    const ask: Ask = { delivery, actor, place, input, reply };
    const chosen = this.#cluster(parsed, person, place);
    await this.#dispatch.run(
      { ask, person, ...(doubt ? { doubt } : {}), parsed, cluster: chosen, pressed: true },
      root,
    );
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
      platformOf(query.actor);
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
    if (actor.platform === 'bot') return [];
    const place: Place = { platform: actor.platform, channel: 'home' };
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
