import type { Records } from './contracts/command.ts';
import { fail } from './contracts/failure.ts';
import type { RequestRecord, RunRecord } from './contracts/records.ts';
import type { Store } from './contracts/store.ts';

/** What the bot remembers, as far as this person may see it. */
export function recordsFor(store: Store, sees: (request: RequestRecord) => boolean): Records {
  const request = async (id: string): Promise<RequestRecord> => {
    const found = await store.request(id.trim().toLowerCase());
    if (!found || !sees(found)) {
      return fail('not-found', {
        what: `There is no request ${id}`,
        why: 'no request by that id is visible to you',
        next: 'approval list shows the open ones',
      });
    }
    return found;
  };
  return {
    requests: async (filter) => (await store.requests(filter)).filter(sees),
    request,
    async run(id): Promise<RunRecord> {
      const found = await request(id);
      const rows = await store.steps(found.id);
      const planned = found.plan.steps.map(
        (step, n) =>
          rows.find((row) => row.n === n) ?? {
            name: step.name,
            says: step.says,
            state: 'pending' as const,
            note: '',
            sent: 0,
          },
      );
      const undone = rows.filter((row) => row.n >= found.plan.steps.length);
      return {
        id: found.id,
        state: found.state,
        steps: [...planned, ...undone],
        left: found.left,
        approvedAt: found.approvedAt,
        startedAt: found.startedAt,
        endedAt: found.endedAt,
      };
    },
    async audit(id) {
      const found = await request(id);
      return store.auditOf(found.id);
    },
  };
}
