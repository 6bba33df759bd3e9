import type { Place } from './contracts/chat.ts';
import type { ClusterConnection, ClusterView, Guest } from './contracts/cluster.ts';
import type { AskContext, Command, ReadContext, Records } from './contracts/command.ts';
import { fail } from './contracts/failure.ts';
import type { Alerts, Incident } from './contracts/incident.ts';
import type { Person } from './contracts/people.ts';
import type { Resource } from './contracts/policy.ts';
import type { DeskParts } from './desk-parts.ts';
import { booksOf, everybody, finder } from './links.ts';
import { rootOf } from './planning.ts';
import { guestResource, question, requestResource } from './questions.ts';
import { menuEntry } from './registry.ts';

/** What a handler is given to work with: only what this person, in this place, may see. */
export class Contexts {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  ask(person: Person, place: Place, cluster: string | undefined): AskContext {
    const { clock, config } = this.#parts;
    const first = Object.values(config.clusters)[0];
    return {
      asker: person,
      clock,
      root: rootOf(place, config),
      zone: (cluster === undefined ? first : config.clusters[cluster])?.zone ?? 'UTC',
    };
  }

  records(person: Person, place: Place): Records {
    return this.#parts.planning.records(person, place);
  }

  /** Incidents of the clusters this person may see; one that is about guests, only where they may see one of them. */
  alerts(person: Person, place: Place): Alerts {
    const { incidents, judge, planning } = this.#parts;
    const sees = (incident: Incident): boolean => {
      const { cluster } = incident;
      const scene = planning.scene(person, place, cluster);
      const may = (action: string, resource: Resource) => judge.allows(question(scene, action, 'read', resource));
      if (!may('cluster.see', { type: 'Cluster', cluster })) return false;
      const guests = incidents.guestsOf(incident);
      return guests.length === 0 || guests.some((guest) => may('guest.see', guest));
    };
    return {
      list: async (filter) => (await incidents.list(filter)).filter(sees),
      get: async (id) => {
        const found = await incidents.get(id);
        return sees(found) ? found : incidents.unknown(id);
      },
      card: (incident) => incidents.card(incident),
      silences: (cluster) => incidents.silences(cluster),
    };
  }

  read(command: Command, person: Person, place: Place, cluster: string | undefined): ReadContext {
    const { clusters, config, github, judge, people, planning, registry, store } = this.#parts;
    const scene = planning.scene(person, place, cluster ?? '');
    const books = booksOf(store, people);
    const name = cluster ?? (clusters.size === 1 ? [...clusters.keys()][0] : undefined);
    const here: Resource = name === undefined ? { type: 'Bot' } : { type: 'Cluster', cluster: name };
    const may = (action: string, guest?: Guest) => {
      const about = guest && name !== undefined ? guestResource(name, guest) : here;
      return judge.decide(question(scene, action, 'read', about, { early: guest === undefined })).answer !== 'denied';
    };
    const seen = once(() => this.clusters(person, place));
    const menu = once(() =>
      [...registry.commands.values()].filter((entry) => this.mayRun(entry, person, place, name)).map(menuEntry),
    );
    let view: ClusterView | undefined;
    const named = (): ClusterConnection =>
      clusters.get(cluster ?? '') ??
      fail('bad-input', {
        what: `${command.name} was not run`,
        why: 'no cluster was named',
        next: nameOne(seen()),
      });
    return {
      ...this.ask(person, place, cluster),
      get view() {
        view ??= planning.viewFor(person, place, named().view());
        return view;
      },
      get nodes() {
        return planning.nodes(named().name);
      },
      sites: Object.entries(config.clusters[cluster ?? '']?.sites ?? {}).map(([site, nodes]) => ({
        name: site,
        nodes,
      })),
      // Asked for by few and one policy question per command: `quorum` need not wait for thirty answers.
      get menu() {
        return menu();
      },
      may,
      records: this.records(person, place),
      get clusters() {
        return seen();
      },
      github: { keys: (login, options) => github.keys(login, options) },
      books,
      alerts: this.alerts(person, place),
      findPerson: finder(people, books, place.platform),
      people: () => everybody(people, books),
      house: planning.house(cluster ?? [...clusters.keys()][0] ?? ''),
    };
  }

  /** Names of the clusters this person may know of. */
  clusters(person: Person, place: Place): readonly string[] {
    return this.#parts.planning.clusters(person, place);
  }

  mayRun(command: Command, person: Person, place: Place, cluster: string | undefined): boolean {
    const { judge, planning } = this.#parts;
    const scene = planning.scene(person, place, cluster ?? '');
    const resource =
      command.needsCluster === false || cluster === undefined
        ? ({ type: 'Bot' } as const)
        : ({ type: 'Cluster', cluster } as const);
    if ('tell' in command) {
      const where = { type: 'Cluster', cluster: cluster ?? '' } as const;
      return judge.decide(question(scene, command.action, command.risk, where)).answer !== 'denied';
    }
    // Judged per request: who might do it to a request of their own is told that there is such a command.
    if (command.risk === 'control') {
      const own = { cluster: cluster ?? '', id: '', requester: person.id, command: '', action: '', risk: 'routine' };
      return judge.decide(question(scene, command.action, command.risk, requestResource(own))).answer !== 'denied';
    }
    return judge.decide(question(scene, command.action, command.risk, resource, { early: true })).answer !== 'denied';
  }
}

function once<T>(work: () => T): () => T {
  let done: { readonly value: T } | undefined;
  return () => {
    done ??= { value: work() };
    return done.value;
  };
}

/** What to do when the cluster is not clear; names none that is not seen anyway. */
export function nameOne(seen: readonly string[]): string {
  return seen.length > 0 ? `add cluster:${seen.join(' or cluster:')}` : 'ask an admin for a role; whoami tells yours';
}
