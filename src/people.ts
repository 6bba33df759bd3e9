import type { Actor, Chat, Platform } from './contracts/chat.ts';
import { Failed } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import type { Config } from './settings.ts';

/** Role every role includes whether the config says so or not. */
const BUILT_IN: Readonly<Record<string, readonly string[]>> = { viewer: [], operator: ['viewer'], admin: ['operator'] };

/** All roles and what each includes, the built-in ones first. */
export function roleTable(
  config: Pick<Config, 'roles'>,
): Readonly<Record<string, { readonly includes: readonly string[] }>> {
  const table: Record<string, { includes: readonly string[] }> = {};
  for (const [name, includes] of Object.entries(BUILT_IN)) table[name] = { includes };
  for (const [name, role] of Object.entries(config.roles))
    table[name] = { includes: [...new Set([...(BUILT_IN[name] ?? []), ...role.includes])] };
  return table;
}

/** Who is who. Only stable platform ids identify anybody; names are for display. */
export class People {
  readonly #config: Pick<Config, 'people' | 'roles' | 'everyone'>;
  readonly #chats: ReadonlyMap<Platform, Chat>;
  readonly #table: ReturnType<typeof roleTable>;

  constructor(config: Pick<Config, 'people' | 'roles' | 'everyone'>, chats: readonly Chat[]) {
    this.#config = config;
    this.#chats = new Map(chats.map((chat) => [chat.platform, chat]));
    this.#table = roleTable(config);
  }

  /**
   * The person behind an account with the roles held now (memberships at most 10 s old, which is the adapters'
   * promise). A platform that cannot say who is in a group gives no role from it; `doubt` then says so.
   */
  async identify(
    actor: Pick<Actor, 'platform' | 'id' | 'name'>,
  ): Promise<{ readonly person: Person; readonly doubt?: string }> {
    const listed = Object.entries(this.#config.people).find(([, entry]) => entry[actor.platform] === actor.id);
    const held = new Set(listed?.[1].roles ?? []);
    if (this.#config.everyone === 'viewer') held.add('viewer');
    const { roles, doubt } = await this.#fromGroups(actor);
    for (const role of roles) held.add(role);
    const { slack, discord, web, github } = listed?.[1] ?? {};
    const accounts = Object.fromEntries(
      Object.entries({ slack, discord, web, github, [actor.platform]: actor.id }).filter(([, v]) => v !== undefined),
    ) as Record<string, string>;
    const id = listed?.[0] ?? `${actor.platform}:${actor.id}`;
    return {
      person: { id, name: listed?.[1].name ?? listed?.[0] ?? actor.name, roles: this.#expand(held), accounts },
      ...(doubt ? { doubt } : {}),
    };
  }

  /** Somebody listed, by key, by `@name` as typed, or by a mention of their account on this platform. */
  find(
    text: string,
    platform: Platform,
  ): { readonly id: string; readonly name: string; readonly github?: string } | undefined {
    const mentioned = /^<@!?([A-Za-z0-9]+)(\|[^>]*)?>$/.exec(text)?.[1];
    const asked = text.replace(/^@/, '').toLowerCase();
    const found = Object.entries(this.#config.people).find(([id, entry]) =>
      mentioned === undefined ? id.toLowerCase() === asked : entry[platform] === mentioned,
    );
    if (!found) return undefined;
    const [id, { name, github }] = found;
    return { id, name: name ?? id, ...(github ? { github } : {}) };
  }

  /** Name for cards; the id where nobody by that id is listed. */
  nameOf(id: string): string {
    return this.#config.people[id]?.name ?? id;
  }

  async #fromGroups(
    actor: Pick<Actor, 'platform' | 'id'>,
  ): Promise<{ readonly roles: readonly string[]; readonly doubt?: string }> {
    const key = actor.platform === 'slack' ? 'slackGroups' : actor.platform === 'discord' ? 'discordRoles' : undefined;
    const chat = this.#chats.get(actor.platform);
    if (!key || !chat) return { roles: [] };
    const rows = Object.entries(this.#config.roles).filter(([, role]) => role[key].length > 0);
    if (rows.length === 0) return { roles: [] };
    try {
      const groups = new Set(
        await chat.groupsOf(
          actor.id,
          rows.flatMap(([, role]) => role[key]),
        ),
      );
      return { roles: rows.filter(([, role]) => role[key].some((group) => groups.has(group))).map(([name]) => name) };
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      return { roles: [], doubt: `group roles are unknown: ${error.failure.why}` };
    }
  }

  #expand(held: Iterable<string>): readonly string[] {
    const all = new Set<string>();
    const add = (role: string): void => {
      if (all.has(role)) return;
      all.add(role);
      for (const included of this.#table[role]?.includes ?? []) add(included);
    };
    for (const role of held) add(role);
    return [...all].sort();
  }
}
