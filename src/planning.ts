import type { Place } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { ClusterConnection, ClusterView } from './contracts/cluster.ts';
import type { ChangeCommand, PlanContext, Records } from './contracts/command.ts';
import { fail } from './contracts/failure.ts';
import type { Github } from './contracts/github.ts';
import type { HouseRules } from './contracts/house.ts';
import type { Person } from './contracts/people.ts';
import type { Plan } from './contracts/plan.ts';
import type { Judge, Need, Verdict } from './contracts/policy.ts';
import type { RequestRecord, Vote } from './contracts/records.ts';
import type { NodeView, ShellConnection } from './contracts/shell.ts';
import type { Store } from './contracts/store.ts';
import { booksOf, everybody, finder } from './links.ts';
import { noNodes } from './no-nodes.ts';
import type { People } from './people.ts';
import { guestResource, question, requestResource, type Scene, tally, targetOf } from './questions.ts';
import { recordsFor } from './records.ts';
import { scopedView } from './scoped-view.ts';
import type { Config } from './settings.ts';

export interface PlanningParts {
  readonly config: Config;
  readonly store: Store;
  readonly judge: Judge;
  readonly clusters: ReadonlyMap<string, ClusterConnection>;
  /** Clusters without SSH access to their nodes have none. */
  readonly shells: ReadonlyMap<string, Pick<ShellConnection, 'view'>>;
  readonly houses: ReadonlyMap<string, HouseRules>;
  readonly github: Github;
  readonly people: People;
  readonly clock: Clock;
}

/** Looking and judging: what a person may see, the plan of a command, and what policy says of both. Changes nothing. */
export class Planning {
  readonly #parts: PlanningParts;

  constructor(parts: PlanningParts) {
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
      (guest) => judge.allows(question(scene, 'guest.see', 'read', guestResource(view.name, guest))),
      (node) => judge.allows(question(scene, 'node.see', 'read', { type: 'Node', cluster: view.name, node })),
    );
  }

  /** Names of the clusters this person may know of. */
  clusters(person: Person, place: Place): readonly string[] {
    const { clusters, judge } = this.#parts;
    return [...clusters.keys()].filter((cluster) =>
      judge.allows(question(this.scene(person, place, cluster), 'cluster.see', 'read', { type: 'Cluster', cluster })),
    );
  }

  /** What the bot remembers, as far as this person may see it. */
  records(person: Person, place: Place): Records {
    const { judge, store } = this.#parts;
    return recordsFor(store, (request) =>
      judge.allows(
        question(this.scene(person, place, request.cluster), 'request.see', 'read', requestResource(request)),
      ),
    );
  }

  nodes(cluster: string): NodeView {
    return this.#parts.shells.get(cluster)?.view ?? noNodes(cluster);
  }

  house(cluster: string): HouseRules {
    return (
      this.#parts.houses.get(cluster) ??
      fail('internal', {
        what: 'Nothing was done',
        why: `there are no house rules of ${cluster}`,
        next: 'please report this',
      })
    );
  }

  async plan(
    command: ChangeCommand,
    values: Readonly<Record<string, unknown>>,
    who: { person: Person; place: Place; cluster: string; except?: string; previous?: Plan },
  ): Promise<Plan> {
    const { clusters, clock, config, github, people, store } = this.#parts;
    const connection = clusters.get(who.cluster);
    const settings = config.clusters[who.cluster];
    if (!connection || !settings)
      return fail('not-found', {
        what: `There is no cluster ${who.cluster}`,
        why: 'it is not in the config',
        next: `name one of ${[...clusters.keys()].join(', ')}`,
      });
    const everything = connection.view();
    const books = booksOf(store, people);
    const context: PlanContext = {
      asker: who.person,
      clock,
      root: rootOf(who.place, config),
      zone: settings.zone,
      view: this.viewFor(who.person, who.place, everything),
      everything,
      house: this.house(who.cluster),
      reserved: await store.reserved(who.cluster, who.except),
      ...(who.previous ? { previous: who.previous } : {}),
      nodes: this.nodes(who.cluster),
      books,
      records: this.records(who.person, who.place),
      github: { keys: (login, options) => github.keys(login, options) },
      findPerson: finder(people, books, who.place.platform),
      people: () => everybody(people, books),
      clusters: this.clusters(who.person, who.place).flatMap((name) => {
        const other = name === who.cluster ? everything : clusters.get(name)?.view();
        return other ? [{ name, view: this.viewFor(who.person, who.place, other), nodes: this.nodes(name) }] : [];
      }),
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
    const verdict = this.#parts.judge.decide(
      question(scene, action, risk, targetOf(plan), {
        riskCodes: plan.risks.map((r) => r.code),
        ...tally(votes, requester, request.fingerprint),
        reason,
      }),
    );
    return provable(request) ? verdict : { ...verdict, needs: verdict.needs.map(withoutProof) };
  }

  /** May this person approve, deny, withdraw or stop this request? */
  mayDecide(action: string, request: RequestRecord, person: Person, place: Place): Verdict {
    return this.#parts.judge.decide(
      question(this.scene(person, place, request.cluster), action, 'control', requestResource(request)),
    );
  }
}

/** A signature shows that an account belongs to whoever asked; it says nothing about anybody else. */
export function provable({ plan, requester }: Pick<RequestRecord, 'plan' | 'requester'>): boolean {
  return plan.target.kind === 'person' && plan.target.id === requester;
}

function withoutProof(need: Need): Need {
  if (need.kind !== 'approvals') return need;
  const { orProof: _, ...rest } = need;
  return rest;
}

/** What stands before a command in texts: `/pve ` with its blank, `/` on Discord. */
export function rootOf(place: Pick<Place, 'platform'>, config: Pick<Config, 'slack'>): string {
  return place.platform === 'discord' ? '/' : `${config.slack?.command ?? '/pve'} `;
}
