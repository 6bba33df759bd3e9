import { randomBytes } from 'node:crypto';
import { buttonRef, typedWord } from './cards.ts';
import type { Actor, Place, Reply } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ChangeCommand } from './contracts/command.ts';
import { Failed, type Failure, fail, failure } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import { fingerprint, type Plan } from './contracts/plan.ts';
import type { Verdict } from './contracts/policy.ts';
import type { RequestRecord, Vote } from './contracts/records.ts';
import type { Button, ButtonVerb, NewAudit, Store } from './contracts/store.ts';
import type { People } from './people.ts';
import { type Planning, provable } from './planning.ts';
import type { Config } from './settings.ts';
import type { Telling } from './telling.ts';

export interface RequestsParts {
  readonly config: Config;
  readonly store: Store;
  readonly people: People;
  readonly planning: Planning;
  readonly telling: Telling;
  readonly clock: Clock;
}

/** An approved run starts within five minutes of the last vote or asks again (DESIGN.md). */
const APPROVAL_LASTS = 5 * 60_000;
export const TOO_LATE = 'approved too long ago; it needs its approvals again';

/** A change on its way from its plan to its approval: stored, voted on, withdrawn, expired. */
export class Requests {
  readonly #parts: RequestsParts;
  /** Set by the bot once there is a runner. */
  onApproved: () => void = () => undefined;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
  }

  /** Stores the request, reserves its names and shows its card. Returns a refusal or failure instead when it may not or cannot be. */
  async submit(
    command: ChangeCommand,
    options: Readonly<Record<string, string>>,
    plan: Plan,
    who: { person: Person; actor: Actor; place: Place; reply?: Reply; replaces?: RequestRecord; note?: string },
  ): Promise<{ readonly request?: RequestRecord; readonly refused?: Verdict }> {
    const { clock, config, store, telling } = this.#parts;
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
    const verdict = this.#parts.planning.judge(draft, [], who.person, who.place);
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
        ...(who.replaces
          ? [{ ...entry('outcome', 'bot', { state: 'superseded', by: id, why: who.note ?? '' }), id: who.replaces.id }]
          : []),
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
    await telling.show(record, [], undefined, who.reply);
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
    policies: readonly string[] = [],
  ): Promise<Failure | undefined> {
    const { store, clock } = this.#parts;
    const now = clock.now();
    if (request.expiresAt <= now) {
      await this.#expireOne(request, now);
      return overNow(await store.request(request.id));
    }
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
      body: { vote: kind, fingerprint: request.fingerprint, actor: { ...actor }, roles: person.roles, typed, policies },
    };
    const denied =
      kind === 'deny' ? { endedAt: now, note: `denied by ${this.#parts.people.nameOf(person.id)}` } : undefined;
    const outcome: NewAudit = { at: now, id: request.id, kind: 'outcome', who: person.id, body: { state: 'denied' } };
    if (!(await store.vote(request.id, vote, denied ? [audit, outcome] : [audit], denied))) {
      const fresh = await store.request(request.id);
      return fresh?.state === 'waiting'
        ? failure('conflict', {
            what: 'Your vote was already counted',
            why: `one ${kind} per person and plan`,
            next: 'nothing to do',
          })
        : overNow(fresh);
    }
    if (!denied) await this.reassess(request.id);
    await this.#parts.telling.changed(request.id);
    return undefined;
  }

  /**
   * Counts the requester's own proof for their request as it waits now. Throws Failed when it is over, somebody else's,
   * not about an account of theirs, or counted already.
   */
  async prove(id: string, person: Person, actor: Actor): Promise<void> {
    const request = await this.#parts.store.request(id);
    const wrong = (kind: 'forbidden' | 'conflict', why: string, next: string) =>
      fail(kind, { what: 'The proof was not counted', why, next });
    if (!request) return wrong('conflict', `there is no request ${id}`, 'ask for it again');
    if (request.requester !== person.id)
      return wrong(
        'forbidden',
        'only who asked can prove it',
        `it waits for ${this.#parts.people.nameOf(request.requester)}`,
      );
    if (!provable(request))
      return wrong(
        'forbidden',
        'a signature shows that an account is yours, and this is about something else',
        'let somebody approve it',
      );
    if (request.state !== 'waiting')
      return wrong('conflict', `request ${id} is ${request.state} by now`, 'ask for it again if it is still needed');
    const failed = await this.vote(request, person, actor, 'proof', false);
    if (failed) throw new Failed({ ...failed, what: 'The proof was not counted' });
  }

  /** Asks policy again with the votes there are now; approves the request once nothing is missing. */
  async reassess(id: string): Promise<void> {
    const { store, people, clock } = this.#parts;
    const request = await store.request(id);
    if (request?.state !== 'waiting') return;
    if (request.expiresAt <= clock.now()) return this.#expireOne(request, clock.now());
    const { person, doubt } = await people.identify(request.actor);
    if (doubt) {
      await store.move(id, ['waiting'], 'waiting', { note: doubt }, []);
      return this.#parts.telling.changed(id);
    }
    const verdict = this.#parts.planning.judge(request, request.votes, person, request.place);
    const at = clock.now();
    if (verdict.answer === 'allowed' && this.tooLate(request, at))
      return this.sendBack(request, request.votes, TOO_LATE);
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
    await this.#parts.telling.changed(id);
  }

  /**
   * Counts votes again where no verdict followed: the process may have died in between, or a membership could not
   * be looked up at that moment.
   */
  async recount(): Promise<void> {
    const { people, store } = this.#parts;
    for (const request of await store.requests({ states: ['waiting'], limit: 500 })) {
      if (request.votes.length === 0) continue;
      const who = await Promise.all([request, ...request.votes].map(({ actor }) => people.identify(actor)));
      // While somebody's roles are unknown, the last check would only send it back again.
      if (who.every(({ doubt }) => doubt === undefined)) await this.reassess(request.id);
    }
  }

  /** Withdraws, stops, or closes; see ControlContext.cancel. */
  async cancel(
    id: string,
    by: string,
    policies: readonly string[] = [],
  ): Promise<'withdrawn' | 'stopping' | 'closed' | 'already-over'> {
    const { store, clock, people } = this.#parts;
    const at = clock.now();
    const entry = (kind: string, state: string): NewAudit => ({ at, id, kind, who: by, body: { state, policies } });
    const name = people.nameOf(by);
    if (
      await store.move(id, ['waiting', 'approved'], 'withdrawn', { endedAt: at, note: `withdrawn by ${name}` }, [
        entry('outcome', 'withdrawn'),
      ])
    ) {
      await this.#parts.telling.changed(id);
      return 'withdrawn';
    }
    if (
      await store.move(id, ['in-doubt'], 'failed', { note: `was in doubt; closed by ${name} after a look` }, [
        entry('outcome', 'closed'),
      ])
    ) {
      await this.#parts.telling.changed(id);
      this.onApproved();
      return 'closed';
    }
    if (await store.askToStop(id, [entry('stop', 'running')])) {
      await this.#parts.telling.changed(id);
      return 'stopping';
    }
    return (await store.request(id))?.state === 'undoing' ? 'stopping' : 'already-over';
  }

  /** Ends what nobody decided in time, and sends approvals that came too late back to waiting. */
  async expire(): Promise<void> {
    const { store, clock } = this.#parts;
    const at = clock.now();
    // Held back by another run for so long that nobody remembers what they approved.
    for (const request of await store.requests({ states: ['approved'], limit: 500 }))
      if (this.tooLate(request, at)) await this.outdated(request);
    for (const request of await store.requests({ states: ['waiting'], limit: 500 }))
      if (request.expiresAt <= at) await this.#expireOne(request, at);
  }

  async #expireOne({ id }: RequestRecord, at: number): Promise<void> {
    const note = 'nobody decided in time; nothing was changed';
    await this.#parts.store.move(id, ['waiting'], 'expired', { endedAt: at, note }, [
      { at, id, kind: 'outcome', who: 'bot', body: { state: 'expired' } },
    ]);
    await this.#parts.telling.changed(id);
  }

  /** The last vote counts, not when votes were counted: that may have had to wait for the bot or for a platform. */
  tooLate(request: RequestRecord, at: number): boolean {
    const votes = request.votes.filter((vote) => vote.fingerprint === request.fingerprint);
    const last = votes.length > 0 ? Math.max(...votes.map((vote) => vote.at)) : request.approvedAt;
    return last !== undefined && at - last > APPROVAL_LASTS;
  }

  /**
   * Approved too long ago: whoever approved is asked again. What a schedule asked for by itself ends: nobody could approve
   * it, and it would hold its names for nothing.
   */
  async outdated(request: RequestRecord): Promise<void> {
    if (request.actor.platform !== 'bot' || request.votes.length > 0)
      return this.sendBack(request, request.votes, TOO_LATE);
    const endedAt = this.#parts.clock.now();
    const note =
      'another run was in its way for too long; nothing was changed, and the schedule asks again when it is due';
    await this.#parts.store.move(request.id, ['approved'], 'expired', { endedAt, note }, [
      { at: endedAt, id: request.id, kind: 'outcome', who: 'bot', body: { state: 'expired', note } },
    ]);
    await this.#parts.telling.changed(request.id);
  }

  /** Back to waiting, without the votes that count no more. */
  async sendBack({ id }: RequestRecord, dropped: readonly Vote[], note: string): Promise<void> {
    const at = this.#parts.clock.now();
    const persons = [...new Set(dropped.map((vote) => vote.person))];
    const entry = (kind: string): NewAudit => ({ at, id, kind, who: 'bot', body: { persons, why: note } });
    const entries = [...(persons.length > 0 ? [entry('votes-dropped')] : []), entry('asks-again')];
    await this.#parts.store.move(id, ['approved', 'waiting'], 'waiting', { note, dropVotes: persons }, entries);
    await this.#parts.telling.changed(id);
  }
}

/** Eight letters and digits without look-alikes: 40 random bits. */
export function newId(): string {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return [...randomBytes(8)].map((byte) => alphabet[byte & 31]).join('');
}

function overNow(request: RequestRecord | undefined): Failure {
  return failure('conflict', {
    what: 'Nothing was done',
    why: request ? `request ${request.id} is ${request.state} by now` : 'the request is gone',
    next: 'look at its card',
  });
}
