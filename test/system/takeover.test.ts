import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Postgres, startPostgres } from '../postgres.ts';
import { lookInto, openStage, type Stage, until } from './stage.ts';

/** Two bots on one PostgreSQL: one leads, the other stands by and takes over when the first is gone. */
let stage: Stage;
let postgres: Postgres | undefined;
beforeAll(async () => {
  postgres = await startPostgres();
  stage = await openStage(400);
});
afterAll(async () => {
  await stage?.close();
  await postgres?.stop();
});

const made = (hostname: string) =>
  [...stage.simulator.world.state.guests.values()].filter((guest) => guest.config['hostname'] === hostname);
const creates = () => stage.simulator.effects.count('create');

test('a second bot takes over an approved run when the first is killed, and finishes it once', async ({ skip }) => {
  if (!postgres) return skip('no PostgreSQL on this machine');
  const store = { url: postgres.url };
  const before = creates();
  const first = await stage.bot(store);
  const second = stage.bot(store);
  await stage.says('oscar', 'ct create hostname:takeover-1 node:ovh1');
  await stage.clicks('alice', 'Approve', 'takeover-1');
  await until('the create has begun', () => (creates() > before ? true : undefined));
  expect((await lookedAt(store)).map((request) => request.state)).toEqual(['running']);
  await first.kill();
  const heir = await second;
  expect(heir.lines).toContain('ready');
  await until('the heir finishes the run', async () =>
    (await lookedAt(store)).find((request) => request.state === 'done'),
  );
  expect(made('takeover-1')).toHaveLength(1);
  expect(creates() - before).toBe(1);
  expect(stage.seen().filter((text) => text.includes('takeover-1') && text.includes('approved by alice'))).toHaveLength(
    1,
  );
  await stage.says('oscar', 'whoami');
  await heir.kill();
});

test('a leader whose session PostgreSQL ends stops writing, and the run is finished by the next', async ({ skip }) => {
  if (!postgres) return skip('no PostgreSQL on this machine');
  const store = { url: postgres.url };
  const before = creates();
  const first = await stage.bot(store);
  const second = stage.bot(store);
  await stage.says('oscar', 'ct create hostname:takeover-2 node:ovh1');
  await stage.clicks('alice', 'Approve', 'takeover-2');
  await until('the create has begun', () => (creates() > before ? true : undefined));
  await cutLeader(postgres.url);
  await first.ended;
  expect(first.process.exitCode).toBe(3);
  const heir = await second;
  expect(heir.lines).toContain('ready');
  await until(
    'the heir finishes the run',
    async () => (await lookedAt(store)).every((request) => request.state === 'done') || undefined,
  );
  expect(made('takeover-2')).toHaveLength(1);
  expect(creates() - before).toBe(1);
});

async function lookedAt(store: { readonly url: string }) {
  const look = await lookInto(store);
  const requests = await look.requests();
  await look.close();
  return requests;
}

/** What an administrator's pg_terminate_backend, or a network that drops the session, does to the leader. */
async function cutLeader(url: string): Promise<void> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rowCount } = await client.query(
    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted",
  );
  expect(rowCount).toBe(1);
  await client.end();
}
