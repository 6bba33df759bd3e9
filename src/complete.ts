import { distance } from 'fastest-levenshtein';
import type { Contexts } from './contexts.ts';
import type { Choice, CompletionQuery } from './contracts/chat.ts';
import type { ClusterView } from './contracts/cluster.ts';
import type { Option } from './contracts/command.ts';
import type { Person } from './contracts/people.ts';
import type { DeskParts } from './desk-parts.ts';
import { FileNames } from './file-names.ts';
import { guestResource, question, requestResource } from './questions.ts';

/** Keystrokes come fast; within this time they share one look at the cluster, milliseconds. */
const LOOK_LASTS = 5000;

export type Completer = (query: CompletionQuery) => Promise<readonly Choice[]>;

/** Values for one option, only what the person may see. */
export function makeCompleter(parts: DeskParts, contexts: Contexts): Completer {
  const looks = new Map<string, { readonly at: number; readonly view: ClusterView }>();
  const files = new FileNames(parts.clock);

  const look = (cluster: string): ClusterView | undefined => {
    const now = parts.clock.now();
    const known = looks.get(cluster);
    if (known && now - known.at < LOOK_LASTS) return known.view;
    const view = parts.clusters.get(cluster)?.view();
    if (view) looks.set(cluster, { at: now, view });
    return view;
  };

  return async (query) => {
    const option: Option | undefined = parts.registry.commands.get(query.command)?.options[query.option];
    if (!option) return [];
    if (option.choices) return best(option.choices.map(same), query);
    if (!option.completes) return [];
    const { person } = await parts.people.identify(query.actor);
    return best(await values(option.completes, query, person), query);
  };

  async function values(
    source: NonNullable<Option['completes']>,
    query: CompletionQuery,
    person: Person,
  ): Promise<readonly Choice[]> {
    const { config, registry, store, planning, judge, people } = parts;
    const seen = contexts.clusters(person, query.place);
    if (source === 'cluster') return seen.map(same);
    if (source === 'command')
      return [...registry.commands.values()]
        .filter((command) => contexts.mayRun(command, person, query.place, seen[0]))
        .map((command) => same(command.name));
    // Who belongs to the house is the business of those who see anything of it.
    if (source === 'person' && seen.length === 0) return [];
    if (source === 'person') return Object.keys(config.people).map((id) => ({ label: people.nameOf(id), value: id }));
    if (source === 'request') {
      const open = await store.requests({ limit: 50 });
      return open
        .filter((request) =>
          judge.allows(
            question(
              planning.scene(person, query.place, request.cluster),
              'request.see',
              'read',
              requestResource(request),
            ),
          ),
        )
        .map((request) => ({ label: `${request.id} ${request.plan.title} (${request.state})`, value: request.id }));
    }
    if (source === 'incident') {
      const open = await contexts.alerts(person, query.place).list({ states: ['open'], limit: 50 });
      return open.map(({ id, severity, news }) => ({
        label: `${id} ${severity} ${news.at(-1)?.text.split('\n')[0] ?? ''}`.slice(0, 100),
        value: id,
      }));
    }
    const bound = Object.entries(config.clusters).find(([, entry]) =>
      entry.channels.includes(query.place.channel),
    )?.[0];
    const cluster = query.options['cluster']?.toLowerCase() ?? bound ?? seen[0];
    const whole = cluster !== undefined && seen.includes(cluster) ? look(cluster) : undefined;
    if (!whole) return [];
    const view = planning.viewFor(person, query.place, whole);
    switch (source) {
      case 'node':
        return (await view.nodes()).map((node) => ({
          label: `${node.name}${node.online ? '' : ' (offline)'}`,
          value: node.name,
        }));
      case 'guest':
      case 'ct':
      case 'vm': {
        const type = source === 'ct' ? 'lxc' : source === 'vm' ? 'qemu' : undefined;
        const guests = (await view.guests()).filter((guest) => type === undefined || guest.type === type);
        return guests.map((guest) => ({
          label: `${guest.vmid} ${guest.name} (${guest.node}, ${guest.status})`,
          value: String(guest.vmid),
        }));
      }
      case 'replication':
        return (await view.replicationJobs()).map((job) => ({
          label: `${job.id} → ${job.target}${job.disabled ? ' (disabled)' : ''}`,
          value: job.id,
        }));
      case 'snapshot': {
        const wanted = query.options['vmid'];
        if (wanted === undefined) return [];
        const { all } = await view.snapshots(await view.findGuest(wanted));
        return all.toReversed().map((snapshot) => ({
          label: `${snapshot.name}${snapshot.usable ? '' : ' (not usable)'}`,
          value: snapshot.name,
        }));
      }
      case 'path':
      case 'version': {
        const wanted = query.options['vmid'];
        if (wanted === undefined) return [];
        const guest = await view.findGuest(wanted, 'lxc');
        const nodes = planning.nodes(whole.name);
        const scene = planning.scene(person, query.place, whole.name);
        const about = guestResource(whole.name, guest);
        // What a folder holds is its contents; which versions there are of a known path is not.
        const looks = source === 'path' ? 'file.contents' : 'file.versions';
        if (!nodes.has(guest.node) || !judge.allows(question(scene, looks, 'read', about))) return [];
        const inside = { cluster: whole.name, nodes, guest };
        return source === 'path' ? files.names(inside, query.typed) : files.versions(inside, query, scene.zone);
      }
      case 'storage':
      case 'template': {
        const node = query.options['node'] ?? (await view.nodes()).find((candidate) => candidate.online)?.name;
        if (node === undefined) return [];
        if (source === 'storage')
          return (await view.storages(node))
            .filter((storage) => storage.content.includes('rootdir'))
            .map((storage) => same(storage.id));
        return (await view.templates(node)).map((template) => same(template.name));
      }
    }
  }
}

function same(value: string): Choice {
  return { label: value, value };
}

/** Beginnings first, then anything that contains what was typed, then near misses. */
function best(choices: readonly Choice[], query: CompletionQuery): readonly Choice[] {
  const typed = query.typed.trim().toLowerCase();
  const rank = ({ label, value }: Choice): number => {
    const text = label.toLowerCase();
    if (typed === '' || value.toLowerCase().startsWith(typed) || text.startsWith(typed)) return 0;
    if (text.includes(typed)) return 1;
    return distance(typed, value.toLowerCase()) <= 1 ? 2 : 3;
  };
  return choices
    .map((choice, n) => ({ choice, n, rank: rank(choice) }))
    .filter((row) => row.rank < 3)
    .sort((a, b) => a.rank - b.rank || a.n - b.n)
    .slice(0, query.limit)
    .map((row) => row.choice);
}
