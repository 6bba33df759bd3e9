import type { Clock } from './contracts/clock.ts';
import { Failed, fail, failure } from './contracts/failure.ts';
import { fingerprint } from './contracts/plan.ts';
import type { RequestRecord, Vote } from './contracts/records.ts';
import { LostLead, type Store } from './contracts/store.ts';
import type { Log } from './log.ts';
import { checkOptions, parseStructured } from './parse.ts';
import type { People } from './people.ts';
import type { Planning } from './planning.ts';
import type { Registry } from './registry.ts';
import type { Requests } from './requests.ts';
import type { RunnerSide } from './runner-parts.ts';

/** Plans that a schedule may throw away in a minute. */
const MOST_REPLANS = 30;

type Answer = Awaited<ReturnType<RunnerSide['lastCheck']>>;

export interface LastCheckParts {
  readonly store: Store;
  readonly people: People;
  readonly registry: Registry;
  readonly planning: Planning;
  readonly requests: Requests;
  readonly clock: Clock;
  readonly log: Log;
}

/** Plan, guards, votes and roles once more, right before the first intent; resuming after a crash never comes here. */
export class LastCheck {
  readonly #parts: LastCheckParts;

  constructor(parts: LastCheckParts) {
    this.#parts = parts;
  }

  async check(request: RequestRecord): Promise<Answer> {
    try {
      return await this.#check(request);
    } catch (error) {
      if (error instanceof Failed) return { go: false, failure: error.failure };
      if (error instanceof LostLead) throw error;
      // Nothing has run yet. If it was the store that broke, writing the failure down breaks as well and ends the bot.
      this.#parts.log.error(
        { run: request.id, error: String((error as Error)?.stack ?? error) },
        'the last look before a run broke',
      );
      return {
        go: false,
        failure: failure('internal', {
          what: `${request.plan.title}: not run`,
          why: 'something in Bascule broke while it was planned again',
          next: `an admin finds the cause in the log under ${request.id}`,
        }),
      };
    }
  }

  async #check(request: RequestRecord): Promise<Answer> {
    const { people, planning, registry, requests, store, clock } = this.#parts;
    const now = clock.now();
    if (requests.tooLate(request, now)) {
      await requests.outdated(request);
      return { go: false, became: 'waiting' };
    }
    if (fingerprint(request.plan) !== request.fingerprint) {
      return fail('changed', {
        what: `${request.plan.title}: not run`,
        why: 'the stored plan is not the one that was approved: somebody changed the store',
        next: 'look at the audit, then ask for it again',
      });
    }
    const command = registry.commands.get(request.command);
    const same = command?.action === request.action && command.risk === request.risk;
    if (!command || !('plan' in command) || !same || command.version !== request.plan.version) {
      return fail('changed', {
        what: `${request.plan.title}: not run`,
        why: 'this Bascule plans the command differently',
        next: 'ask for it again',
      });
    }
    const { person, doubt } = await people.identify(request.actor);
    if (doubt) return this.#askAgain(request, [], doubt);
    // Otherwise who asked could have approved it under the other name.
    if (person.id !== request.requester) {
      return fail('changed', {
        what: `${request.plan.title}: not run`,
        why: `the account that asked was ${request.requester}, and is ${person.id} by now`,
        next: 'ask for it again',
      });
    }
    const values = checkOptions(parseStructured(request.command, request.options, registry, ''), '');
    const plan = await planning.plan(command, values, {
      person,
      place: request.place,
      cluster: request.cluster,
      except: request.id,
      previous: request.plan,
    });
    const had = request.plan.risks.map((risk) => risk.code);
    const news = plan.risks.filter((risk) => !had.includes(risk.code));
    if (news.length > 0 || fingerprint(plan, had) !== request.fingerprint) {
      await this.#notForEver(request);
      const note =
        news.length > 0
          ? `new since the last plan: ${news.map((risk) => risk.says).join('; ')}`
          : 'the plan changed, so it must be approved again';
      const made = await requests.submit(command, request.options, plan, {
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
    const verdict = planning.judge(request, kept, person, request.place);
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
    // With fewer roles than when they voted; kept, they would be counted as before and come back here for ever.
    const fewer = request.votes.filter((vote) => {
      const now = kept.find((other) => other.person === vote.person && other.kind === vote.kind);
      return now !== undefined && vote.roles.some((role) => !now.roles.includes(role));
    });
    return this.#askAgain(
      request,
      [...dropped, ...fewer],
      `${[...dropped, ...fewer].map((vote) => people.nameOf(vote.person)).join(', ') || 'somebody'} may no longer approve this`,
    );
  }

  async #askAgain(request: RequestRecord, dropped: readonly Vote[], note: string): Promise<Answer> {
    await this.#parts.requests.sendBack(request, dropped, note);
    return { go: false, became: 'waiting' };
  }

  /** A person sees every new plan; a schedule's would be approved and planned anew as fast as the bot can. */
  async #notForEver({ actor, requester, plan }: RequestRecord): Promise<void> {
    if (actor.platform !== 'bot') return;
    const { clock, store } = this.#parts;
    const since = clock.now() - 60_000;
    const newest = await store.requests({ states: ['superseded'], requester, since, limit: MOST_REPLANS });
    if (newest.length < MOST_REPLANS) return;
    fail('changed', {
      what: `${plan.title}: not run`,
      why: 'its plan is another one each time it is looked at',
      next: 'look at what keeps changing there; the schedule asks again when it is due',
    });
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
        vote.kind !== 'approve' ||
        this.#parts.planning.mayDecide('approve', request, person, request.place).answer === 'allowed';
      if (may && person.id === vote.person) kept.push({ ...vote, roles: person.roles });
      else dropped.push(vote);
    }
    return { kept, dropped };
  }
}
