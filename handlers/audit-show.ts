import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { AuditEntry } from '../src/contracts/records.ts';
import { request } from './options.ts';
import { inLine } from './parts/requests.ts';
import { count, dateTime } from './parts/units.ts';

export const auditShow = defineCommand({
  name: 'audit show',
  summary: 'Everything recorded about one request, in order',
  examples: ['audit show id:2sjvpvxb'],
  options: { id: request },
  positional: ['id'],
  action: 'audit.show',
  risk: 'read',
  private: true,
  needsCluster: false,
  async answer({ id }, { records, zone, root }) {
    const entries = await records.audit(id);
    if (entries.length === 0) {
      return fail('not-found', {
        what: `no audit of ${id}`,
        why: 'nothing that you may see is recorded under it',
        next: `${root}approval list state:all shows the latest ids`,
      });
    }
    const last = entries.at(-1)!;
    const upids = [...new Set(entries.map(({ body }) => body['upid']).filter((upid) => typeof upid === 'string'))];
    return {
      title: `${id}: ${count(entries.length, 'audit record')}`,
      tone: 'plain',
      table: {
        columns: ['No.', 'When', 'What', 'Who', 'Details'],
        rows: entries.map((entry) => [
          String(entry.seq),
          dateTime(entry.at, zone),
          entry.kind,
          entry.who,
          details(entry),
        ]),
      },
      // Whole, to be pasted into the task viewer; a table cell is cut.
      ...(upids.length > 0 ? { code: [upids.join('\n')] } : {}),
      footer: `Chain: record ${last.seq} has hash ${last.hash.slice(0, 16)}…`,
      private: true,
    };
  },
});

const LONGEST = 200;

/** The body as `name=value`, nested values as JSON, bounded. */
function details({ body }: AuditEntry): string {
  const whole = Object.entries(body)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
  const text = inLine(whole);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
