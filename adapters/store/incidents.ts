import type { Kysely } from 'kysely';
import type { Incident, IncidentFilter } from '../../src/contracts/incident.ts';
import { type Tables, text } from './schema.ts';

/** Incidents: the row whole as JSON, beside what is asked for. */

const toIncident = ({ incident_json }: Tables['incidents']): Incident => JSON.parse(incident_json);

/** Newest first. */
export async function incidents(
  db: Kysely<Tables>,
  { cluster, states, since, limit = 500 }: IncidentFilter,
): Promise<readonly Incident[]> {
  let query = db.selectFrom('incidents').selectAll().orderBy('opened_at', 'desc').orderBy('id').limit(limit);
  if (cluster !== undefined) query = query.where('cluster', '=', text(cluster));
  if (states !== undefined) query = query.where('state', 'in', states);
  if (since !== undefined) query = query.where('changed_at', '>=', since);
  return (await query.execute()).map(toIncident);
}

export async function incident(db: Kysely<Tables>, id: string): Promise<Incident | undefined> {
  const row = await db.selectFrom('incidents').selectAll().where('id', '=', text(id)).executeTakeFirst();
  return row && toIncident(row);
}

export async function saveIncident(db: Kysely<Tables>, incident: Incident): Promise<void> {
  const row = {
    id: text(incident.id),
    cluster: text(incident.cluster),
    state: incident.state,
    opened_at: incident.openedAt,
    changed_at: incident.changedAt,
    incident_json: JSON.stringify(incident),
  };
  await db
    .insertInto('incidents')
    .values(row)
    .onConflict((c) => c.column('id').doUpdateSet(row))
    .execute();
}

/** Those that were resolved, and have not changed since. */
export async function forgetIncidents(db: Kysely<Tables>, before: number): Promise<void> {
  await db.deleteFrom('incidents').where('state', '=', 'resolved').where('changed_at', '<', before).execute();
}
