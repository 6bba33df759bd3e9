import type { Command } from './contracts/command.ts';
import { fail } from './contracts/failure.ts';
import { type Judge, needLine, type Resource, type Verdict } from './contracts/policy.ts';
import { question, requestResource, type Scene } from './questions.ts';
import type { Config } from './settings.ts';

export interface Explaining {
  readonly config: Config;
  readonly judge: Judge;
  /** Every role with itself and all it includes. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly commands: readonly Pick<Command, 'name' | 'action' | 'risk'>[];
  /** `ct destroy`. */
  readonly command: string;
  /** Milliseconds: policies may look at the clock. */
  readonly now: number;
  readonly imagined: Imagined;
}

/** Circumstances that are made up; the first cluster, no channel and no tags when nothing is said. */
export interface Imagined {
  /** A person of the config, with the roles it gives them for good; every role in turn without. */
  readonly person?: string | undefined;
  readonly tag?: readonly string[] | undefined;
  readonly channel?: string | undefined;
  readonly cluster?: string | undefined;
}

interface Somebody {
  readonly name: string;
  readonly id: string;
  readonly roles: readonly string[];
}

/** `bascule policy explain`: what policy would answer now, what would be missing, and which policies say so. */
export function explain({ config, judge, roles, commands, command, now, imagined }: Explaining): readonly string[] {
  const found = commands.find(({ name }) => name === command);
  if (!found) return refuse(`there is no command ${command}`.trim(), "for example: bascule policy explain 'ct stop'");
  const clusters = Object.keys(config.clusters);
  const cluster = imagined.cluster ?? clusters[0];
  const entry = cluster === undefined ? undefined : config.clusters[cluster];
  if (cluster === undefined || !entry)
    return refuse(
      `the config has no cluster ${cluster ?? ''}`.trim(),
      `its clusters: ${clusters.join(', ') || 'none'}`,
    );
  const tags = imagined.tag ?? [];
  const platform = config.slack ? 'slack' : config.discord ? 'discord' : 'web';
  const place = { platform, channel: imagined.channel ?? '' } as const;
  const scene = { place, now, zone: entry.zone, readonly: config.readonly };
  const rows = whoAsks(config, roles, imagined.person).map(
    (who) => `  ${who.name}: ${inWords(answer(judge, found, who, cluster, tags, scene), who.name)}`,
  );
  return [`${found.name} (${found.risk}) in cluster ${cluster}${aboutWhat(found.risk, tags)}:`, ...rows];
}

function whoAsks(config: Config, roles: Explaining['roles'], person: string | undefined): readonly Somebody[] {
  if (person === undefined)
    return [...roles].map(([role, all]) => ({ name: role, id: `somebody who is ${role}`, roles: all }));
  const entry = Object.hasOwn(config.people, person) ? config.people[person] : undefined;
  if (!entry)
    return refuse(
      `the config has no person ${person}`,
      `its people: ${Object.keys(config.people).join(', ') || 'none'}`,
    );
  const held = [...entry.roles, ...(config.everyone === 'viewer' ? ['viewer'] : [])];
  return [
    { name: person, id: person, roles: [...new Set(held.flatMap((role) => [role, ...(roles.get(role) ?? [])]))] },
  ];
}

/** As the bot asks: early about the cluster, then, for a change, about the guest in its plan. */
function answer(
  judge: Judge,
  { name, action, risk }: Pick<Command, 'name' | 'action' | 'risk'>,
  { id, name: called, roles }: Somebody,
  cluster: string,
  tags: readonly string[],
  place: Omit<Scene, 'person'>,
): Verdict {
  const scene = { ...place, person: { id, name: called, roles, accounts: {} } };
  const ask = (resource: Resource, early: boolean) => judge.decide(question(scene, action, risk, resource, { early }));
  if (risk === 'control' && action.startsWith('alert.')) return ask({ type: 'Cluster', cluster }, false);
  if (risk === 'control')
    return ask(requestResource({ cluster, id: '', requester: 'another', command: name, action, risk }), false);
  const first = ask({ type: 'Cluster', cluster }, true);
  if (risk === 'read' || first.answer === 'denied') return first;
  return ask({ type: 'Guest', cluster, vmid: 100, name: '', node: '', tags, protected: false }, false);
}

function aboutWhat(risk: string, tags: readonly string[]): string {
  if (risk === 'read') return '';
  if (risk === 'control') return ', for a request of somebody else';
  return tags.length > 0 ? `, for a guest tagged ${tags.join(' ')}` : ', for a guest without tags';
}

function inWords({ answer, needs, policies, why }: Verdict, called: string): string {
  const by = policies.length > 0 ? ` [${policies.join(', ')}]` : '';
  if (answer === 'allowed') return `yes${by}`;
  if (answer === 'denied') return `no: ${why}${by}`;
  return `needs ${needs.map((need) => needLine(need, called)).join('; ')}${by}`;
}

function refuse(why: string, next: string): never {
  return fail('bad-input', { what: 'Nothing was explained', why, next });
}
