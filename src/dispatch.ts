import { refusalCard } from './cards.ts';
import type { Contexts } from './contexts.ts';
import type { Card } from './contracts/card.ts';
import type { Ask } from './contracts/chat.ts';
import type { AlertCommand, ChangeCommand, Command, ControlCommand, ReadCommand } from './contracts/command.ts';
import { Failed, fail } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import type { NewAudit } from './contracts/store.ts';
import type { DeskParts } from './desk-parts.ts';
import { checkOptions, type Parsed } from './parse.ts';
import { question, requestResource } from './questions.ts';
import { CLUSTER_OPTION } from './registry.ts';

/** Who asked, where, and about which cluster. */
export interface Asked {
  readonly ask: Ask;
  readonly person: Person;
  readonly doubt?: string;
  readonly parsed: Parsed;
  readonly cluster: string | undefined;
  /** By a button of a notice: what is answered is for them alone, and a request's card is posted by itself. */
  readonly pressed?: true;
}

/** What becomes of a command once it is read: judged, and then answered, planned or done. */
export class Dispatch {
  readonly #parts: DeskParts;
  readonly #contexts: Contexts;

  constructor(parts: DeskParts, contexts: Contexts) {
    this.#parts = parts;
    this.#contexts = contexts;
  }

  async run(asked: Asked, root: string): Promise<void> {
    const { command } = asked.parsed;
    if ('plan' in command) return this.#change(command, asked, root);
    if ('act' in command) return this.#control(command, asked, root);
    if ('tell' in command) return this.#alert(command, asked, root);
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
    await asked.ask.reply(command.private || asked.pressed ? { ...card, private: true } : card);
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
        ...(asked.pressed ? {} : { reply: ask.reply }),
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

  /** One click: it changes only our own incident. Judged on the cluster the incident is of. */
  async #alert(command: AlertCommand, asked: Asked, root: string): Promise<void> {
    sure(command.name, asked.doubt);
    const { clock, incidents, judge, planning, store } = this.#parts;
    const { ask, person } = asked;
    const values = checkOptions(asked.parsed, root);
    const named = command.incident === undefined ? undefined : String(values[command.incident] ?? '');
    const incident = named === undefined ? undefined : await this.#contexts.alerts(person, ask.place).get(named);
    const cluster = incident?.cluster ?? asked.cluster ?? '';
    const scene = planning.scene(person, ask.place, cluster);
    const verdict = judge.decide(question(scene, command.action, command.risk, { type: 'Cluster', cluster }));
    const body = { command: command.name, options: asked.parsed.options, cluster, actor: { ...ask.actor } };
    const entry: NewAudit = {
      at: clock.now(),
      id: incident?.id ?? `${ask.actor.platform}:${ask.delivery}`,
      kind: verdict.answer === 'allowed' ? 'control' : 'refused',
      who: person.id,
      body: { ...body, policies: verdict.policies },
    };
    await store.audit([entry]);
    if (verdict.answer !== 'allowed') return void (await ask.reply(refusalCard(command.name, verdict, asked.doubt)));
    const one = () => incident ?? noIncident(command.name);
    const card = await command.tell(values as never, {
      ...this.#contexts.ask(person, ask.place, cluster),
      cluster,
      get incident() {
        return one();
      },
      hands: {
        acknowledge: async () => incidents.acknowledge(one().id, person.id),
        snooze: async (until, reason) => incidents.snooze(one().id, person.id, until, reason),
      },
      test: (severity) => incidents.test(cluster, severity, person.id),
    });
    // Whoever pressed is told; the incident's own card tells everybody else.
    await ask.reply(asked.pressed ? { ...card, private: true } : card);
  }
}

function noIncident(what: string): never {
  return fail('internal', { what: `${what} was not run`, why: 'it names no incident', next: 'please report this' });
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

/** A rule that forbids by role cannot fire for a role nobody could look up: while in doubt, nothing is changed. */
function sure(what: string, doubt: string | undefined): void {
  if (doubt)
    fail('unavailable', {
      what: `${what} was not run`,
      why: doubt,
      next: 'try again in a minute; if it stays, an admin checks the app’s scopes',
    });
}
