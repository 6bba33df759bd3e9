import { randomBytes } from 'node:crypto';
import { brokenCard, buttonRef, requestCard, typedWord } from './cards.ts';
import type { Config } from './config.ts';
import type { Card } from './contracts/card.ts';
import type { Actor, Place, Reply } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection, ClusterView } from './contracts/cluster.ts';
import type { ChangeCommand, PlanContext } from './contracts/command.ts';
import { Failed, type Failure, fail, failure } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import { fingerprint, type Plan } from './contracts/plan.ts';
import type { Judge, Verdict } from './contracts/policy.ts';
import type { RequestRecord, StepRecord, Vote } from './contracts/records.ts';
import type { Button, ButtonVerb, NewAudit, Store, StoredStep } from './contracts/store.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import { checkOptions, parseStructured } from './parse.ts';
import type { People } from './people.ts';
import { question, requestResource, type Scene, tally, targetOf } from './questions.ts';
import type { Registry } from './registry.ts';
import type { RunnerSide } from './runner.ts';
import { scopedView } from './scoped-view.ts';

/** Log lines edit the card at most this often, milliseconds; changes of state always do. */
const LOG_EDIT = 1000;

export interface RequestsParts {
  readonly config: Config;
  readonly store: Store;
  readonly judge: Judge;
  readonly people: People;
  readonly registry: Registry;
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
}

/** A change on its way from plan to run: planning, votes, the last check, and the one card that tells about it. */
export class Requests implements RunnerSide {
  readonly #parts: RequestsParts;
  readonly #logEdits = new Map<string, number>();
  /** Set by the bot once there is a runner. */
  onApproved: () => void = () => undefined;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
  }

  scene(person: Person, place: Place, cluster: string): Scene {
    const { clock, config } = this.#parts;
    return {
      person,
      place,
      now: clock.now(),
      zone: config.clusters[cluster]?.zone ?? 'UTC',
      readonly: config.readonly,
    };
  }

  /** What this person may see of a cluster. */
  viewFor(person: Person, place: Place, view: ClusterView): ClusterView {
    const scene = this.scene(person, place, view.name);
    const { judge } = this.#parts;
    return scopedView(
      view,
      (guest) =>
        judge.allows(
          question(scene, 'guest.see', 'read', {
            type: 'Guest',
            cluster: view.name,
            vmid: guest.vmid,
            name: guest.name,
            node: guest.node,
            tags: guest.tags,
            ...(guest.pool ? { pool: guest.pool } : {}),
            protected: false,
          }),
        ),
      (node) => judge.allows(question(scene, 'node.see', 'read', { type: 'Node', cluster: view.name, node })),
    );
  }

  async plan(
    command: ChangeCommand,
    values: Readonly<Record<string, unknown>>,
    who: { person: Person; place: Place; cluster: string; except?: string; previous?: Plan },
  ): Promise<Plan> {
    const { clusters, clock, config, store } = this.#parts;
    const connection = clusters.get(who.cluster);
    const settings = config.clusters[who.cluster];
    if (!connection || !settings)
      return fail('not-found', {
        what: `There is no cluster ${who.cluster}`,
        why: 'it is not in the config',
        next: `name one of ${[...clusters.keys()].join(', ')}`,
      });
    const everything = connection.view();
    const context: PlanContext = {
      asker: who.person,
      clock,
      root: rootOf(who.place, config),
      zone: settings.zone,
      view: this.viewFor(who.person, who.place, everything),
      everything,
      house: settings.house,
      reserved: await store.reserved(who.cluster, who.except),
      ...(who.previous ? { previous: who.previous } : {}),
    };
    return command.plan(values as never, context);
  }

  /** Second judgement: with the plan, and with the votes there are. */
  judge(
    request: Pick<RequestRecord, 'plan' | 'action' | 'risk' | 'requester' | 'fingerprint'>,
    votes: readonly Vote[],
    person: Person,
    place: Place,
  ): Verdict {
    const { plan, action, risk, requester } = request;
    const scene = this.scene(person, place, plan.cluster);
    const reason = votes.find((vote) => vote.person === requester && vote.reason)?.reason ?? '';
    return this.#parts.judge.decide(
      question(scene, action, risk, targetOf(plan), {
        riskCodes: plan.risks.map((r) => r.code),
        ...tally(votes, requester, request.fingerprint),
        reason,
      }),
    );
  }

  /** Stores the request, reserves its names and shows its card. Returns a refusal or failure instead when it may not or cannot be. */
  async submit(
    command: ChangeCommand,
    options: Readonly<Record<string, string>>,
    plan: Plan,
    who: { person: Person; actor: Actor; place: Place; reply?: Reply; replaces?: RequestRecord; note?: string },
  ): Promise<{ readonly request?: RequestRecord; readonly refused?: Verdict }> {
    const { clock, config, store } = this.#parts;
    const id = newId();
    const now = clock.now();
    const print = fingerprint(plan);
    const draft: RequestRecord = {
      id,
      state: 'waiting',
      cluster: plan.cluster,
      command: command.name,
      action: command.action,
      risk: command.risk,
      options,
      requester: who.person.id,
      actor: who.actor,
      place: who.place,
      plan,
      fingerprint: print,
      votes: [],
      createdAt: now,
      expiresAt: now + config.requestHours * 3_600_000,
      left: [],
      note: who.note ?? '',
    };
    const verdict = this.judge(draft, [], who.person, who.place);
    const entry = (kind: string, by: string, body: NewAudit['body']): NewAudit => ({
      at: now,
      id,
      kind,
      who: by,
      body,
    });
    if (verdict.answer === 'denied') {
      await store.audit([entry('refused', who.person.id, { command: command.name, options, verdict: { ...verdict } })]);
      return { refused: verdict };
    }
    const record: RequestRecord =
      verdict.answer === 'allowed' ? { ...draft, state: 'approved', approvedAt: now } : draft;
    const verbs: ButtonVerb[] = ['approve', 'deny', 'confirm', 'withdraw', 'stop'];
    const buttons: Button[] = verbs.map((verb) => ({
      ref: buttonRef(id, verb, print),
      request: id,
      verb,
      fingerprint: print,
      ...(verb === 'confirm' && verdict.needs.some((need) => need.kind === 'typed-confirmation')
        ? { typed: typedWord(draft) }
        : {}),
    }));
    const { taken } = await store.createRequest({
      record,
      buttons,
      ...(who.replaces ? { replaces: who.replaces.id } : {}),
      audit: [
        entry('request', who.person.id, {
          command: command.name,
          version: command.version,
          options,
          actor: { ...who.actor },
          place: { ...who.place },
          ...(who.replaces ? { replaces: who.replaces.id } : {}),
        }),
        entry('plan', 'bot', { fingerprint: print, plan: plan as unknown as Record<string, unknown> }),
        entry('verdict', 'bot', { answer: verdict.answer, needs: verdict.needs, policies: verdict.policies }),
      ],
    });
    if (taken) {
      const [kind = 'it', , value = ''] = taken.slot.split('/');
      fail('conflict', {
        what: `${plan.title}: not planned`,
        why: `${kind} ${value} is part of request ${taken.by}, which is not over yet`,
        next: 'wait for it, withdraw it, or choose another one',
      });
    }
    await this.#show(record, [], undefined, who.reply);
    if (record.state === 'approved') this.onApproved();
    return { request: record };
  }

  /** Counts one vote; the verdict after it decides what the card says next. Resolves what to tell the person who clicked, or nothing. */
  async vote(
    request: RequestRecord,
    person: Person,
    actor: Actor,
    kind: Vote['kind'],
    typed: boolean,
  ): Promise<Failure | undefined> {
    const { store, clock } = this.#parts;
    const now = clock.now();
    const vote: Vote = {
      person: person.id,
      kind,
      actor,
      roles: person.roles,
      fingerprint: request.fingerprint,
      typed,
      at: now,
    };
    const audit: NewAudit = {
      at: now,
      id: request.id,
      kind: 'vote',
      who: person.id,
      body: { vote: kind, fingerprint: request.fingerprint, actor: { ...actor }, roles: person.roles, typed },
    };
    if (!(await store.vote(request.id, vote, [audit]))) {
      const fresh = await store.request(request.id);
      return fresh?.state === 'waiting'
        ? failure('conflict', {
            what: 'Your vote was already counted',
            why: `one ${kind} per person and plan`,
            next: 'nothing to do',
          })
        : overNow(fresh);
    }
    if (kind === 'deny') {
      await store.move(
        request.id,
        ['waiting'],
        'denied',
        { endedAt: now, note: `denied by ${this.#parts.people.nameOf(person.id)}` },
        [{ at: now, id: request.id, kind: 'outcome', who: person.id, body: { state: 'denied' } }],
      );
      await this.changed(request.id);
      return undefined;
    }
    await this.reassess(request.id);
    return undefined;
  }

  /** Asks policy again with the votes there are now; approves the request once nothing is missing. */
  async reassess(id: string): Promise<void> {
    const { store, people, clock } = this.#parts;
    const request = await store.request(id);
    if (request?.state !== 'waiting') return;
    const { person, doubt } = await people.identify(request.actor);
    if (doubt) {
      await store.move(id, ['waiting'], 'waiting', { note: doubt }, []);
      return this.changed(id);
    }
    const verdict = this.judge(request, request.votes, person, request.place);
    const at = clock.now();
    if (verdict.answer === 'allowed') {
      const moved = await store.move(id, ['waiting'], 'approved', { approvedAt: at, note: '' }, [
        {
          at,
          id,
          kind: 'approved',
          who: 'bot',
          body: { fingerprint: request.fingerprint, policies: verdict.policies, votes: request.votes },
        },
      ]);
      if (moved) this.onApproved();
    } else if (verdict.answer === 'denied') {
      await store.move(id, ['waiting'], 'denied', { endedAt: at, note: verdict.why }, [
        {
          at,
          id,
          kind: 'outcome',
          who: 'bot',
          body: { state: 'denied', why: verdict.why, policies: verdict.policies },
        },
      ]);
    }
    await this.changed(id);
  }

  /** Counts again what an earlier process stored but did not act on: it may have died between a vote and its verdict. */
  async resume(): Promise<void> {
    const waiting = await this.#parts.store.requests({ states: ['waiting'], limit: 500 });
    for (const request of waiting) if (request.votes.length > 0) await this.reassess(request.id);
  }

  /** Withdraws, stops, or closes; see ControlContext.cancel. */
  async cancel(id: string, by: string): Promise<'withdrawn' | 'stopping' | 'closed' | 'already-over'> {
    const { store, clock, people } = this.#parts;
    const at = clock.now();
    const entry = (kind: string, state: string): NewAudit => ({ at, id, kind, who: by, body: { state } });
    const name = people.nameOf(by);
    if (
      await store.move(id, ['waiting', 'approved'], 'withdrawn', { endedAt: at, note: `withdrawn by ${name}` }, [
        entry('outcome', 'withdrawn'),
      ])
    ) {
      await this.changed(id);
      return 'withdrawn';
    }
    if (
      await store.move(id, ['in-doubt'], 'failed', { note: `was in doubt; closed by ${name} after a look` }, [
        entry('outcome', 'closed'),
      ])
    ) {
      await this.changed(id);
      this.onApproved();
      return 'closed';
    }
    const request = await store.request(id);
    if (request?.state === 'running') {
      await store.askToStop(id, [entry('stop', 'running')]);
      await this.changed(id);
      return 'stopping';
    }
    return request?.state === 'undoing' ? 'stopping' : 'already-over';
  }

  /** Ends what nobody decided in time, and sends approvals that came too late back to waiting. */
  async expire(): Promise<void> {
    const { store, clock } = this.#parts;
    const at = clock.now();
    for (const request of await store.requests({ states: ['waiting'], limit: 500 })) {
      if (request.expiresAt > at) continue;
      await store.move(
        request.id,
        ['waiting'],
        'expired',
        { endedAt: at, note: 'nobody decided in time; nothing was changed' },
        [{ at, id: request.id, kind: 'outcome', who: 'bot', body: { state: 'expired' } }],
      );
      await this.changed(request.id);
    }
  }

  async lastCheck(request: RequestRecord): ReturnType<RunnerSide['lastCheck']> {
    try {
      return await this.#lastCheck(request);
    } catch (error) {
      if (error instanceof Failed) return { go: false, failure: error.failure };
      throw error;
    }
  }

  /** Plan, guards, votes and roles once more, right before the first intent. */
  async #lastCheck(request: RequestRecord): ReturnType<RunnerSide['lastCheck']> {
    const { people, registry, store, clock } = this.#parts;
    const now = clock.now();
    if (request.approvedAt !== undefined && now - request.approvedAt > APPROVAL_LASTS)
      return this.#askAgain(request, request.votes, 'approved too long ago; it needs its approvals again');
    const command = registry.commands.get(request.command);
    if (!command || !('plan' in command) || command.version !== request.plan.version) {
      return fail('changed', {
        what: `${request.plan.title}: not run`,
        why: 'this Bascule plans the command differently',
        next: 'ask for it again',
      });
    }
    const { person, doubt } = await people.identify(request.actor);
    if (doubt) return this.#askAgain(request, [], doubt);
    const values = checkOptions(parseStructured(request.command, request.options, registry, ''), '');
    const plan = await this.plan(command, values, {
      person,
      place: request.place,
      cluster: request.cluster,
      except: request.id,
      previous: request.plan,
    });
    const had = request.plan.risks.map((risk) => risk.code);
    const news = plan.risks.filter((risk) => !had.includes(risk.code));
    if (news.length > 0 || fingerprint(plan, had) !== request.fingerprint) {
      const note =
        news.length > 0
          ? `new since the last plan: ${news.map((risk) => risk.says).join('; ')}`
          : 'the plan changed, so it must be approved again';
      const made = await this.submit(command, request.options, plan, {
        person,
        actor: request.actor,
        place: request.place,
        replaces: request,
        note,
      });
      if (made.refused)
        return fail('forbidden', { what: `${plan.title}: not run`, why: made.refused.why, next: 'ask an admin' });
      return { go: false, became: 'superseded' };
    }
    const { kept, dropped, doubt: unsure } = await this.#freshVotes(request);
    if (unsure) return this.#askAgain(request, [], unsure);
    const verdict = this.judge(request, kept, person, request.place);
    await store.audit([
      {
        at: now,
        id: request.id,
        kind: 'verdict',
        who: 'bot',
        body: {
          last: true,
          answer: verdict.answer,
          needs: verdict.needs,
          policies: verdict.policies,
          dropped: dropped.map((vote) => vote.person),
        },
      },
    ]);
    if (verdict.answer === 'allowed') return { go: true };
    if (verdict.answer === 'denied')
      return fail('forbidden', { what: `${plan.title}: not run`, why: verdict.why, next: 'ask an admin' });
    return this.#askAgain(
      request,
      dropped,
      `${dropped.map((vote) => people.nameOf(vote.person)).join(', ') || 'somebody'} may no longer approve this`,
    );
  }

  async #askAgain(request: RequestRecord, dropped: readonly Vote[], note: string): ReturnType<RunnerSide['lastCheck']> {
    const { store, clock } = this.#parts;
    const at = clock.now();
    await store.dropVotes(
      request.id,
      [...new Set(dropped.map((vote) => vote.person))],
      [
        {
          at,
          id: request.id,
          kind: 'votes-dropped',
          who: 'bot',
          body: { persons: dropped.map((vote) => vote.person), why: note },
        },
      ],
    );
    await store.move(request.id, ['approved'], 'waiting', { note }, []);
    return { go: false, became: 'waiting' };
  }

  /** Votes with the roles their people hold now; who may not approve any more loses the vote. */
  async #freshVotes(
    request: RequestRecord,
  ): Promise<{ readonly kept: readonly Vote[]; readonly dropped: readonly Vote[]; readonly doubt?: string }> {
    const kept: Vote[] = [];
    const dropped: Vote[] = [];
    for (const vote of request.votes) {
      const { person, doubt } = await this.#parts.people.identify(vote.actor);
      if (doubt) return { kept, dropped, doubt };
      const may =
        vote.kind !== 'approve' || this.mayDecide('approve', request, person, request.place).answer === 'allowed';
      if (may && person.id === vote.person) kept.push({ ...vote, roles: person.roles });
      else dropped.push(vote);
    }
    return { kept, dropped };
  }

  /** May this person approve, deny, withdraw or stop this request? */
  mayDecide(action: string, request: RequestRecord, person: Person, place: Place): Verdict {
    return this.#parts.judge.decide(
      question(this.scene(person, place, request.cluster), action, 'control', requestResource(request)),
    );
  }

  /** Draws the card anew from what the store holds. */
  async changed(id: string, log?: string): Promise<void> {
    const now = this.#parts.clock.now();
    if (log !== undefined) {
      if (now - (this.#logEdits.get(id) ?? 0) < LOG_EDIT) return;
      this.#logEdits.set(id, now);
    }
    const request = await this.#parts.store.request(id);
    if (!request) return;
    await this.#show(request, await this.#parts.store.steps(id), log);
  }

  async #show(request: RequestRecord, steps: readonly StepRecord[], log?: string, reply?: Reply): Promise<void> {
    await this.#parts.outbox.show(`card/${request.id}`, request.place, await this.card(request, steps, log), reply);
  }

  async card(request: RequestRecord, steps: readonly StepRecord[], log?: string): Promise<Card> {
    const { people, registry, config } = this.#parts;
    const command = registry.commands.get(request.command);
    const asker = request.state === 'waiting' ? (await people.identify(request.actor)).person : undefined;
    const needs = asker ? this.judge(request, request.votes, asker, request.place).needs : [];
    try {
      return requestCard(request, {
        command: command && 'plan' in command ? command : undefined,
        requester: request.requester,
        nameOf: (id) => people.nameOf(id),
        zone: config.clusters[request.cluster]?.zone ?? 'UTC',
        root: rootOf(request.place, config),
        needs,
        steps,
        ...(log ? { log } : {}),
      });
    } catch (error) {
      this.#parts.log.error({ run: request.id, error: String((error as Error).stack) }, 'a card could not be drawn');
      return brokenCard(request.id);
    }
  }

  async stepEnded(request: RequestRecord, step: StoredStep, log: readonly string[]): Promise<void> {
    const posted = (await this.#parts.store.message(`card/${request.id}`))?.posted;
    if (!posted || step.upid === undefined) return;
    const card: Card = {
      title: `${step.says}: ${step.state}`,
      tone: step.state === 'done' ? 'plain' : 'bad',
      lines: step.note.split('\n').slice(0, 5),
      ...(log.length > 0 ? { code: [log.slice(-15).join('\n')] } : {}),
      footer: step.upid,
    };
    const place: Place = {
      platform: posted.platform,
      channel: posted.channel,
      thread: posted.thread ?? posted.message,
    };
    await this.#parts.outbox.show(`thread/${request.id}/${step.n}`, place, card);
  }
}

/** An approved run starts within five minutes of its last vote or asks again (DESIGN.md). */
const APPROVAL_LASTS = 5 * 60_000;

/** Eight letters and digits without look-alikes: 40 random bits. */
export function newId(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return [...randomBytes(8)].map((byte) => alphabet[byte & 31]).join('');
}

export function rootOf(place: Pick<Place, 'platform'>, config: Pick<Config, 'slack'>): string {
  return place.platform === 'discord' ? '/' : `${config.slack?.command ?? '/pve'} `;
}

function overNow(request: RequestRecord | undefined): Failure {
  return failure('conflict', {
    what: 'Nothing was done',
    why: request ? `request ${request.id} is ${request.state} by now` : 'the request is gone',
    next: 'look at its card',
  });
}
