import type { Clock } from '../../src/contracts/clock.ts';
import { type Calls, snowflake } from './calls.ts';
import { codeOf, explained, UNKNOWN_MEMBER, UNKNOWN_USER } from './failures.ts';

/** The approval path never uses a membership older than this (DESIGN.md, policy). */
const FRESH_MS = 10_000;

interface Known {
  /** When the question was sent, so that the answer is at most this old. */
  readonly at: number;
  readonly roles: Promise<ReadonlySet<string>>;
}

export type GroupsOf = (userId: string, groups: readonly string[]) => Promise<readonly string[]>;

/** Which roles people have in the server; one question per person and 10 s, shared by everybody who asks. */
export function membership(calls: Calls, guildId: string, clock: Clock): GroupsOf {
  const known = new Map<string, Known>();

  async function ask(userId: string): Promise<ReadonlySet<string>> {
    try {
      const { roles } = await calls.member(guildId, userId);
      // Everybody in a server has the role that carries the server's own id.
      return new Set([...roles, guildId]);
    } catch (error) {
      const code = codeOf(error);
      if (code === UNKNOWN_MEMBER || code === UNKNOWN_USER) return new Set();
      known.delete(userId);
      throw explained(error, 'nobody knows which Discord roles this person has');
    }
  }

  function forget(): void {
    for (const [user, { at }] of known) if (clock.now() - at > FRESH_MS) known.delete(user);
  }

  return async (userId, groups) => {
    snowflake(userId);
    forget();
    const recent = known.get(userId) ?? { at: clock.now(), roles: ask(userId) };
    known.set(userId, recent);
    const roles = await recent.roles;
    return groups.filter((group) => roles.has(group));
  };
}
