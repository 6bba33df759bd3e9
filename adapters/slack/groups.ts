import { fail } from '../../src/contracts/failure.ts';
import { retryAfterMs, type SlackApi } from './api.ts';
import { reasonOf } from './log.ts';

const FRESH_MS = 10_000;

/**
 * Who is in a user group, never older than ten seconds, with one lookup shared by all who ask meanwhile: Slack
 * allows twenty a minute. While it says to wait, nobody asks, and everybody is told so.
 */
export function groupLookup(api: SlackApi, now: () => number) {
  const known = new Map<string, { at: number; members: Promise<ReadonlySet<string>> }>();
  let closedUntil = Number.NEGATIVE_INFINITY;

  const ask = async (group: string): Promise<ReadonlySet<string>> => {
    if (now() < closedUntil) return tooFast(group);
    try {
      const { users } = await api.once<{ users?: readonly string[] }>('usergroups.users.list', { usergroup: group });
      return new Set(users ?? []);
    } catch (error) {
      known.delete(group);
      const pause = retryAfterMs(error);
      if (pause === undefined)
        return fail(
          'unavailable',
          {
            what: `Nobody can tell who is in ${group}`,
            why: reasonOf(error),
            next: 'try again, or list the people in the config',
          },
          error,
        );
      closedUntil = now() + pause;
      return tooFast(group);
    }
  };

  const membersOf = (group: string): Promise<ReadonlySet<string>> => {
    const last = known.get(group);
    const age = last ? now() - last.at : Number.POSITIVE_INFINITY;
    if (last && age >= 0 && age < FRESH_MS) return last.members;
    const members = ask(group);
    known.set(group, { at: now(), members });
    members.catch(() => known.get(group)?.members === members && known.delete(group));
    return members;
  };

  return {
    async groupsOf(userId: string, groups: readonly string[]): Promise<readonly string[]> {
      const inside = await Promise.all(groups.map(async (group) => (await membersOf(group)).has(userId)));
      return groups.filter((_, index) => inside[index]);
    },
  };
}

const tooFast = (group: string): never =>
  fail('unavailable', {
    what: `Nobody can tell who is in ${group}`,
    why: 'Slack limits how often user groups may be read',
    next: 'try again in a minute',
    sent: 'refused',
    status: 429,
  });
