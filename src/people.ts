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

/** `slack:U0123456789`. */
const ACCOUNT = /^(slack|discord|web):([A-Za-z0-9._-]{1,64})$/;

export interface Found {
  readonly id: string;
  readonly name: string;
  readonly github?: string;
}

const AUTOMATION = 'automation:';

/** One of our schedules. Its id has a colon and no platform before it, so nobody of the config or a chat is called so. */
export function automationPerson(name: string): Person {
  return { id: `${AUTOMATION}${name}`, name, roles: [], accounts: {}, automation: name };
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
    if (actor.platform === 'bot') return { person: automationPerson(actor.id) };
    const { platform } = actor;
    const listed = Object.entries(this.#config.people).find(([, entry]) => entry[platform] === actor.id);
    const held = new Set(listed?.[1].roles ?? []);
    if (this.#config.everyone === 'viewer') held.add('viewer');
    const { roles, doubt } = await this.#fromGroups({ platform, id: actor.id });
    for (const role of roles) held.add(role);
    const { slack, discord, web, github } = listed?.[1] ?? {};
    const accounts = Object.fromEntries(
      Object.entries({ slack, discord, web, github, [platform]: actor.id }).filter(([, v]) => v !== undefined),
    ) as Record<string, string>;
    const id = listed?.[0] ?? `${platform}:${actor.id}`;
    return {
      person: { id, name: listed?.[1].name ?? listed?.[0] ?? actor.name, roles: this.#expand(held), accounts },
      ...(doubt ? { doubt } : {}),
    };
  }

  /**
   * Somebody by key, by `@name` as typed, by a mention of their account on this platform, or by `<platform>:<id>`, which
   * is what the people who are not listed are called. Display names decide nothing.
   */
  find(text: string, platform: Platform): Found | undefined {
    const mentioned = /^<@!?([A-Za-z0-9]+)(\|[^>]*)?>$/.exec(text.trim())?.[1];
    const [, on = platform, account = mentioned] = ACCOUNT.exec(text.trim()) ?? [];
    if (account !== undefined) {
      const found = Object.entries(this.#config.people).find(([, entry]) => entry[on as Platform] === account);
      return found ? this.#listed(found[0]) : { id: `${on}:${account}`, name: `${on}:${account}` };
    }
    const asked = text.trim().replace(/^@/, '').toLowerCase();
    const id = Object.keys(this.#config.people).find((key) => key.toLowerCase() === asked);
    return id === undefined ? undefined : this.#listed(id);
  }

  /** Who was not listed has the id of an account; once the config lists that account, what they were given is theirs still. */
  currentId(id: string): string {
    const [, on, account] = ACCOUNT.exec(id) ?? [];
    if (account === undefined) return id;
    return Object.entries(this.#config.people).find(([, entry]) => entry[on as Platform] === account)?.[0] ?? id;
  }

  /** Everybody in the config. */
  get listed(): readonly Found[] {
    return Object.keys(this.#config.people).map((id) => this.#listed(id));
  }

  #listed(id: string): Found {
    const { name, github } = this.#config.people[id] ?? {};
    return { id, name: name ?? id, ...(github ? { github } : {}) };
  }

  /** Name for cards; the id where nobody by that id is listed. */
  nameOf(id: string): string {
    if (id.startsWith(AUTOMATION)) return `schedule ${id.slice(AUTOMATION.length)}`;
    return this.#config.people[id]?.name ?? id;
  }

  async #fromGroups(actor: {
    readonly platform: Platform;
    readonly id: string;
  }): Promise<{ readonly roles: readonly string[]; readonly doubt?: string }> {
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
