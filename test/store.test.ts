import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore, SqlStore } from '../adapters/store/index.ts';
import { migrate } from '../adapters/store/migrations.ts';
import { openPostgres } from '../adapters/store/postgres.ts';
import type { Tables } from '../adapters/store/schema.ts';
import { openSqlite } from '../adapters/store/sqlite.ts';
import type { BookEntry } from '../src/contracts/books.ts';
import type { Incident } from '../src/contracts/incident.ts';
import type { RequestRecord, RequestState, Vote } from '../src/contracts/records.ts';
import { LostLead, type NewAudit, type StoredOffer, type StoredStep } from '../src/contracts/store.ts';
import type { News } from '../src/contracts/watch.ts';
import { startPostgres } from './postgres.ts';

const postgres = await startPostgres();
afterAll(() => postgres?.stop());

const place = { platform: 'slack', channel: 'C1' } as const;
const actor = { platform: 'slack', id: 'U1', name: 'Oscar' } as const;

function record(id: string, reserves: readonly string[] = [], more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    id,
    state: 'waiting',
    cluster: 'off',
    command: 'ct create',
    action: 'ct.create',
    risk: 'routine',
    options: { hostname: 'a', note: 'é "quoted" \u0000 \ud800' },
    requester: 'oscar',
    actor,
    place,
    plan: {
      command: 'ct create',
      version: 1,
      cluster: 'off',
      target: { kind: 'guest', id: '112', name: 'a' },
      title: 'Create CT 112 a on ovh1',
      intent: { node: 'ovh1' },
      guards: [],
      observations: [],
      risks: [],
      steps: [],
      reserves,
      locks: ['guest/off/112'],
    },
    fingerprint: 'f1',
    votes: [],
    createdAt: 1000,
    expiresAt: 2000,
    left: [],
    note: '',
    ...more,
  };
}

const vote = (person: string, more: Partial<Vote> = {}): Vote => ({
  person,
  kind: 'approve',
  actor,
  roles: ['operator'],
  fingerprint: 'f1',
  typed: false,
  at: 1500,
  ...more,
});

const said = (id: string, kind = 'request', body: NewAudit['body'] = {}): NewAudit => ({
  at: 1000,
  id,
  kind,
  who: 'oscar',
  body,
});

const step = (n: number, more: Partial<StoredStep> = {}): StoredStep => ({
  request: 'r1',
  n,
  name: 'create',
  says: 'Creating CT 112',
  state: 'intent',
  note: '',
  sent: 0,
  ours: false,
  ...more,
});

/** A database of its own for one test, and how to open it again from scratch. */
interface Ground {
  open(): Promise<SqlStore>;
  /** The tables, past the store. */
  raw(): Kysely<Tables>;
  clear(): void;
}

const grounds: Readonly<Record<string, () => Promise<Ground>>> = {
  SQLite: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bascule-store-'));
    const file = join(folder, 'deep', 'bascule.sqlite');
    return {
      open: () => openStore({ file }),
      raw: () => openSqlite(file),
      clear: () => rmSync(folder, { recursive: true }),
    };
  },
  PostgreSQL: async () => {
    const url = await postgres!.fresh();
    return { open: () => openStore({ url }), raw: () => openPostgres(url).db, clear: () => undefined };
  },
};

describe.each(Object.keys(grounds))('the store on %s', (name) => {
  describe.skipIf(name === 'PostgreSQL' && !postgres)('', () => {
    let ground: Ground;
    let store: SqlStore;
    const lost: string[] = [];

    beforeEach(async () => {
      ground = await grounds[name]!();
      store = await ground.open();
      lost.length = 0;
      expect(await store.lead((why) => lost.push(why))).toBe(true);
    });
    afterEach(async () => {
      await store.close();
      ground.clear();
    });

    const raw = async <T>(work: (db: Kysely<Tables>) => Promise<T>): Promise<T> => {
      const db = ground.raw();
      try {
        return await work(db);
      } finally {
        await db.destroy();
      }
    };
    const reopen = async () => {
      await store.close();
      store = await ground.open();
      await store.lead(() => undefined);
    };
    const create = (id: string, reserves: readonly string[] = [], replaces?: string, state: RequestState = 'waiting') =>
      store.createRequest({
        record: record(id, reserves, { state }),
        buttons: [
          { ref: `${id}-ok`, request: id, verb: 'approve', fingerprint: 'f1' },
          { ref: `${id}-yes`, request: id, verb: 'confirm', fingerprint: 'f1', typed: '112' },
        ],
        ...(replaces ? { replaces } : {}),
        audit: [said(id)],
      });

    test('what was stored is there after a restart, word for word', async () => {
      await create('r1', ['vmid/off/112']);
      await store.vote('r1', vote('alice', { reason: 'why not' }), []);
      await store.saveSetting('seen', '1');
      await store.saveSetting('seen', '2');
      await reopen();
      expect(await store.request('r1')).toEqual({
        ...record('r1', ['vmid/off/112']),
        votes: [vote('alice', { reason: 'why not' })],
      });
      expect(await store.button('r1-yes')).toEqual({
        ref: 'r1-yes',
        request: 'r1',
        verb: 'confirm',
        fingerprint: 'f1',
        typed: '112',
      });
      expect((await store.button('r1-ok'))?.typed).toBeUndefined();
      expect(await store.button('nope')).toBeUndefined();
      expect(await store.request('nope')).toBeUndefined();
      expect(await store.setting('seen')).toBe('2');
      expect(await store.setting('nope')).toBeUndefined();
    });

    test('a store that a newer Bascule wrote is refused and not changed', async () => {
      await store.close();
      const { rows } = await raw((db) => sql<{ version: number }>`select version from schema_version`.execute(db));
      await raw((db) => sql`update schema_version set version = 99 where one = 1`.execute(db));
      await expect(ground.open()).rejects.toThrow(/schema version 99.*start the newer Bascule again/);
      await raw((db) => sql`update schema_version set version = ${rows[0]!.version} where one = 1`.execute(db));
      store = await ground.open();
    });

    test('a store can be opened, closed unused and opened again', async () => {
      await store.close();
      const unused = await ground.open();
      await unused.close();
      store = await ground.open();
      expect(await store.requests({})).toEqual([]);
    });

    test('a name is reserved once, and the request that came second leaves nothing', async () => {
      expect(await create('r1', ['vmid/off/112', 'address/off/10.1.0.112'])).toEqual({});
      expect(await create('r2', ['hostname/off/b', 'vmid/off/112'])).toEqual({
        taken: { slot: 'vmid/off/112', by: 'r1' },
      });
      expect(await store.request('r2')).toBeUndefined();
      expect(await store.button('r2-ok')).toBeUndefined();
      expect(await store.auditOf('r2')).toEqual([]);
      expect([...(await store.reserved('off'))].sort()).toEqual(['address/off/10.1.0.112', 'vmid/off/112']);
      expect(await store.reserved('off', 'r1')).toEqual(new Set());
      expect(await store.reserved('lab')).toEqual(new Set());
      expect(await create('r3', ['hostname/off/b'])).toEqual({});
    });

    test('of many who ask for one name at once, one gets it', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => create(`r${n}`, ['vmid/off/112'])));
      expect(answers.filter((answer) => Object.keys(answer).length === 0)).toHaveLength(1);
      expect(await store.requests({})).toHaveLength(1);
      expect(await store.brokenLink()).toBeUndefined();
    });

    test('a request that replaces another takes over its names', async () => {
      await create('r1', ['vmid/off/112']);
      // Only what was approved is planned anew; what was withdrawn meanwhile gets no successor.
      await expect(create('r2', ['vmid/off/112'], 'r1')).rejects.toThrow('it is waiting by now');
      await store.move('r1', ['waiting'], 'approved', {}, []);
      expect(await create('r2', ['vmid/off/112'], 'r1')).toEqual({});
      expect(await store.request('r1')).toMatchObject({ state: 'superseded', note: 'replaced by r2', endedAt: 1000 });
      expect(await store.reserved('off', 'r1')).toEqual(new Set(['vmid/off/112']));
    });

    test('a request moves only from the state one believes it is in', async () => {
      await create('r1');
      expect(await store.move('r1', ['approved'], 'running', {}, [said('r1', 'run')])).toBe(false);
      expect(await store.move('nope', ['waiting'], 'approved', {}, [])).toBe(false);
      const moved = await Promise.all(
        Array.from({ length: 6 }, () =>
          store.move('r1', ['waiting'], 'approved', { approvedAt: 5 }, [said('r1', 'approved')]),
        ),
      );
      expect(moved.filter(Boolean)).toHaveLength(1);
      expect((await store.auditOf('r1')).map((entry) => entry.kind)).toEqual(['request', 'approved']);
      expect(await store.request('r1')).toMatchObject({ state: 'approved', approvedAt: 5 });
      await store.move('r1', ['approved'], 'failed', { endedAt: 9, note: 'why', left: ['CT 112'] }, []);
      expect(await store.request('r1')).toMatchObject({ state: 'failed', approvedAt: 5, endedAt: 9, left: ['CT 112'] });
    });

    test('requests are listed newest first, by state and no more than asked for', async () => {
      for (const [id, createdAt] of [
        ['a', 1],
        ['b', 3],
        ['c', 2],
      ] as const)
        await store.createRequest({ record: record(id, [], { createdAt }), buttons: [], audit: [] });
      await store.move('c', ['waiting'], 'denied', {}, []);
      const ids = async (filter: Parameters<SqlStore['requests']>[0]) =>
        (await store.requests(filter)).map((one) => one.id);
      expect(await ids({})).toEqual(['b', 'c', 'a']);
      expect(await ids({ limit: 2 })).toEqual(['b', 'c']);
      expect(await ids({ states: ['waiting'] })).toEqual(['b', 'a']);
    });

    test('a person votes once per plan, however often they click', async () => {
      await create('r1');
      const clicks = await Promise.all(
        Array.from({ length: 5 }, () => store.vote('r1', vote('alice'), [said('r1', 'vote')])),
      );
      expect(clicks.filter(Boolean)).toHaveLength(1);
      expect(await store.vote('r1', vote('alice', { kind: 'deny' }), [])).toBe(true);
      expect(await store.vote('r1', vote('alice', { fingerprint: 'f2' }), [])).toBe(true);
      expect(await store.vote('r1', vote('nina'), [])).toBe(true);
      expect(await store.vote('nope', vote('nina'), [])).toBe(false);
      expect((await store.auditOf('r1')).map((entry) => entry.kind)).toEqual(['request', 'vote']);
      await store.move('r1', ['waiting'], 'waiting', { dropVotes: ['alice'] }, [said('r1', 'votes-dropped')]);
      expect((await store.request('r1'))?.votes.map((one) => one.person)).toEqual(['nina']);
      await store.move('r1', ['waiting'], 'approved', {}, []);
      expect(await store.vote('r1', vote('vera'), [said('r1', 'vote')])).toBe(false);
      expect((await store.auditOf('r1')).map((entry) => entry.kind)).toEqual(['request', 'vote', 'votes-dropped']);
    });

    const over: readonly RequestState[] = ['done', 'failed', 'denied', 'withdrawn', 'expired', 'superseded'];
    const held: readonly RequestState[] = ['approved', 'running', 'undoing', 'in-doubt'];
    test.each([...over, ...held])('what a request holds when it becomes %s', async (state) => {
      await create('r1', ['vmid/off/112'], undefined, 'approved');
      await create('r2', [], undefined, 'approved');
      expect(await store.lock('r1', ['guest/off/112'])).toBeUndefined();
      await store.move('r1', ['approved'], state, {}, []);
      const free = over.includes(state);
      expect((await store.reserved('off')).has('vmid/off/112')).toBe(!free);
      expect(await store.lock('r2', ['guest/off/112'])).toBe(free ? undefined : 'r1');
    });

    test('back to waiting, a request keeps its names and gives its locks to others', async () => {
      await create('r1', ['vmid/off/112'], undefined, 'approved');
      await create('r2', [], undefined, 'approved');
      await store.lock('r1', ['guest/off/112', 'guest/off/113']);
      await store.move('r1', ['approved'], 'waiting', { note: 'again' }, []);
      expect(await store.reserved('off')).toEqual(new Set(['vmid/off/112']));
      // Whoever still believes it is approved takes nothing that nobody would give back.
      expect(await store.lock('r1', ['guest/off/112'])).toBeUndefined();
      expect(await store.lock('r2', ['guest/off/113', 'guest/off/112'])).toBeUndefined();
      await store.move('r1', ['waiting'], 'approved', {}, []);
      expect(await store.lock('r1', ['guest/off/112'])).toBe('r2');
    });

    test('a denial ends the request with the vote itself, so no approval comes in between', async () => {
      await create('r1', ['vmid/off/112']);
      const denied = { endedAt: 1500, note: 'denied by alice' };
      expect(await store.vote('r1', vote('alice', { kind: 'deny' }), [said('r1', 'vote')], denied)).toBe(true);
      expect(await store.request('r1')).toMatchObject({ state: 'denied', ...denied });
      expect(await store.vote('r1', vote('nina'), [])).toBe(false);
      expect(await store.reserved('off')).toEqual(new Set());
    });

    test('locks are taken all or none, and again by the one who holds them', async () => {
      for (const id of ['r1', 'r2', 'r3']) await create(id, [], undefined, 'approved');
      await store.lock('r1', ['b']);
      expect(await store.lock('r2', ['a', 'b', 'c'])).toBe('r1');
      expect(await store.lock('r3', ['a', 'c'])).toBeUndefined();
      expect(await store.lock('r1', ['b'])).toBeUndefined();
    });

    test('a step of the journal is written whole, over its earlier self', async () => {
      await create('r1');
      await store.writeStep(step(1, { name: 'start' }), []);
      await store.writeStep(step(0, { startedAt: 5 }), [said('r1', 'intent')]);
      const done = step(0, {
        state: 'done',
        startedAt: 5,
        endedAt: 9,
        upid: 'UPID:ovh1:1',
        sent: 1,
        ours: true,
        note: 'OK',
        result: { restored: '/etc/a.conf\u0000\ud800', kept: null, list: [1, 'é'] },
      });
      await store.writeStep(done, [said('r1', 'result')]);
      await store.writeStep(step(1000, { name: 'undo:create:0' }), []);
      await reopen();
      expect(await store.steps('r1')).toEqual([
        done,
        step(1, { name: 'start' }),
        step(1000, { name: 'undo:create:0' }),
      ]);
      expect(await store.steps('nope')).toEqual([]);
      expect((await store.auditOf('r1')).map((entry) => entry.kind)).toEqual(['request', 'intent', 'result']);
    });

    test('what Proxmox said is kept even when it is no text a database would take', async () => {
      await create('r1');
      await store.writeStep(step(0, { note: 'a\u0000b\ud800c', says: 'x\u0000' }), [
        said('r\u00001', 'k', { a: '\u0000\ud800' }),
      ]);
      await store.move('r1', ['waiting'], 'failed', { note: 'n\u0000\udfff' }, []);
      expect((await store.steps('r1'))[0]?.note).toBe('a\ufffdb\ufffdc');
      expect((await store.request('r1'))?.note).toBe('n\ufffd\ufffd');
      expect((await store.auditFrom(1, 1))[0]?.body).toEqual({ a: '\u0000\ud800' });
      expect(await store.firstSeen('web:\u0000', 1)).toBe(true);
      expect(await store.firstSeen('web:\u0000', 1)).toBe(false);
      expect(await store.brokenLink()).toBeUndefined();
    });

    test('a run is asked to stop once and stays asked', async () => {
      await create('r1', [], undefined, 'running');
      expect(await store.stopAsked('r1')).toBe(false);
      expect(await store.askToStop('r1', [said('r1', 'stop')])).toBe(true);
      await reopen();
      expect(await store.stopAsked('r1')).toBe(true);
    });

    test('what has just ended cannot be asked to stop, and the audit does not say it was', async () => {
      await create('r1', [], undefined, 'running');
      await store.move('r1', ['running'], 'done', {}, []);
      expect(await store.askToStop('r1', [said('r1', 'stop')])).toBe(false);
      expect(await store.stopAsked('r1')).toBe(false);
      expect((await store.auditOf('r1')).map((entry) => entry.kind)).toEqual(['request']);
    });

    test('a delivery is new once, also when it comes several times at once', async () => {
      const seen = await Promise.all(Array.from({ length: 8 }, () => store.firstSeen('slack:d1', 1)));
      expect(seen.filter(Boolean)).toHaveLength(1);
      await reopen();
      expect(await store.firstSeen('slack:d1', 2)).toBe(false);
      expect(await store.firstSeen('slack:d2', 2)).toBe(true);
    });

    test('a newer wish for a message replaces the older and keeps it undelivered', async () => {
      const card = (title: string) => ({ title, tone: 'plain' as const });
      await store.wish({ key: 'b', place, card: card('b1'), at: 2 });
      await store.wish({ key: 'a', place, card: card('a1'), at: 1 });
      expect((await store.undelivered()).map((one) => one.key)).toEqual(['a', 'b']);
      await store.sending('a');
      expect(await store.message('a')).toMatchObject({ version: 1, perhaps: true });
      const read = (await store.message('a'))!;
      await store.wish({ key: 'a', place, card: card('a2'), at: 3 });
      const posted = { platform: 'slack', channel: 'C1', message: '1.1' } as const;
      await store.delivered('a', posted, read.version);
      expect(await store.message('a')).toMatchObject({ card: { title: 'a2' }, version: 2, posted, perhaps: false });
      expect((await store.undelivered()).map((one) => one.key)).toEqual(['a', 'b']);
      await store.delivered('a', posted, 2);
      await store.delivered('a', posted, 1);
      expect((await store.undelivered()).map((one) => one.key)).toEqual(['b']);
    });

    test('the message of a request is known with the request', async () => {
      await create('r1');
      const posted = { platform: 'slack', channel: 'C1', message: '1.1' } as const;
      await store.wish({ key: 'card/r1', place, card: { title: 'x', tone: 'plain' }, at: 1 });
      await store.delivered('card/r1', posted, 1);
      expect((await store.request('r1'))?.posted).toEqual(posted);
    });

    test('what was never posted for too long is a dead letter, and everything is counted', async () => {
      expect(await store.figures()).toEqual({ requests: [], votes: [], backlog: 0 });
      const card = { title: 'x', tone: 'plain' } as const;
      for (const [key, at] of [
        ['new', 900],
        ['old', 100],
        ['older', 50],
        ['there', 10],
      ] as const)
        await store.wish({ key, place, card, at });
      await store.sending('older');
      await store.delivered('there', { platform: 'slack', channel: 'C1', message: '1.1' }, 1);
      expect((await store.deadLetters(500, 10)).map(({ key, at }) => [key, at])).toEqual([
        ['older', 50],
        ['old', 100],
      ]);
      expect(await store.deadLetters(500, 1)).toHaveLength(1);
      await create('r1');
      await store.vote('r1', vote('alice'), []);
      expect(await store.figures()).toEqual({
        requests: [{ cluster: 'off', command: 'ct create', state: 'waiting', count: 1 }],
        votes: [{ kind: vote('alice').kind, count: 1 }],
        backlog: 3,
        waitingSince: 50,
      });
    });

    test('a long outage leaves no message behind', async () => {
      for (let n = 0; n < 260; n += 1)
        await store.wish({ key: `k${n}`, place, card: { title: 'x', tone: 'plain' }, at: n });
      expect(await store.undelivered()).toHaveLength(260);
    });

    describe('the books', () => {
      const entry = (key: string, value: BookEntry['value'], run = 'r1', shelf = 'links'): BookEntry => ({
        shelf,
        key,
        value,
        run,
        at: 5,
      });

      test('hold what was written, replaced as a whole, until it is removed', async () => {
        const odd = { login: 'é "x" \u0000 \ud800', deep: [{ n: 1.5, yes: true, none: null }], empty: {} };
        await store.writeBook(entry('oscar', { login: 'old', extra: 1 }), []);
        await store.writeBook(entry('oscar', odd, 'r2'), [said('r2', 'book')]);
        await store.writeBook(entry('alice', 'text', 'r3'), []);
        await store.writeBook(entry('oscar', [], 'r4', 'grants'), []);
        await reopen();
        expect(await store.bookEntries('links')).toEqual([entry('alice', 'text', 'r3'), entry('oscar', odd, 'r2')]);
        expect(await store.bookEntry('grants', 'oscar')).toEqual(entry('oscar', [], 'r4', 'grants'));
        await store.writeBook(entry('oscar', null, 'r5'), [said('r5', 'book')]);
        await store.writeBook(entry('nobody', null, 'r5'), []);
        expect(await store.bookEntry('links', 'oscar')).toBeUndefined();
        expect(await store.bookEntries('links')).toEqual([entry('alice', 'text', 'r3')]);
        expect(await store.bookEntries('none')).toEqual([]);
        expect((await store.auditFrom(0, 10)).map(({ id, kind }) => `${id} ${kind}`)).toEqual(['r2 book', 'r5 book']);
      });

      test('change together with their audit, or not at all', async () => {
        await store.writeBook(entry('oscar', 1), [said('r1', 'book')]);
        const circle: Record<string, unknown> = {};
        circle['self'] = circle;
        await expect(store.writeBook(entry('oscar', 2), [said('r2', 'book', circle)])).rejects.toThrow('circular');
        await expect(store.writeBook(entry('oscar', null), [said('r3', 'book', circle)])).rejects.toThrow('circular');
        expect(await store.bookEntry('links', 'oscar')).toMatchObject({ value: 1, run: 'r1' });
        expect((await store.auditFrom(0, 10)).map(({ id }) => id)).toEqual(['r1']);
        expect(await store.brokenLink()).toBeUndefined();
      });
    });

    test('the command behind a button stays what it was when the button was made', async () => {
      const offer = (command: string): StoredOffer => ({
        ref: 'o1',
        notice: 'key-drift/alice/1',
        cluster: 'off',
        command,
        options: { person: 'alice', note: 'é \u0000' },
        at: 5,
      });
      await store.saveOffers([]);
      await store.saveOffers([offer('ssh sync'), { ...offer('ssh keep'), ref: 'o2' }]);
      await store.saveOffers([offer('ct destroy')]);
      await reopen();
      expect(await store.offer('o1')).toEqual(offer('ssh sync'));
      expect((await store.offer('o2'))?.command).toBe('ssh keep');
      expect(await store.offer('o3')).toBeUndefined();
    });

    test('of many who want to do what is due, one does', async () => {
      expect(await store.due('snapshots/off')).toBeUndefined();
      expect(await store.advance('snapshots/off', 0, 1000)).toBe(false);
      expect(await store.advance('snapshots/off', 0, 2000)).toBe(false);
      expect(await store.due('snapshots/off')).toBe(1000);
      const tries = await Promise.all(Array.from({ length: 8 }, () => store.advance('snapshots/off', 1000, 2000)));
      expect(tries.filter(Boolean)).toHaveLength(1);
      await reopen();
      expect(await store.advance('snapshots/off', 1000, 3000)).toBe(false);
      expect(await store.due('snapshots/off')).toBe(2000);
    });

    test('a store of the first version goes on where it was: a run under way, a request that waits', async () => {
      const older = await grounds[name]!();
      let upgraded: SqlStore | undefined;
      const db = older.raw();
      try {
        await migrate(db, store.kind, 1);
        const plan = JSON.stringify(record('x').plan);
        for (const [id, state] of [
          ['r1', 'running'],
          ['r2', 'waiting'],
        ] as const) {
          await sql`insert into requests (id, state, cluster, command, action, risk, options_json, requester, actor_json,
            place_json, plan_json, fingerprint, created_at, expires_at, approved_at, note, left_json)
            values (${id}, ${state}, 'off', 'ct create', 'ct.create', 'routine', '{}', 'oscar', ${JSON.stringify(actor)},
            ${JSON.stringify(place)}, ${plan}, 'f1', 1000, 2000, ${state === 'running' ? 1500 : null}, '', '[]')`.execute(
            db,
          );
          await sql`insert into slots (name, request) values (${`vmid/off/${id}`}, ${id})`.execute(db);
        }
        await sql`insert into slots (name, request) values ('lock:guest/off/112', 'r1')`.execute(db);
        await sql`insert into steps (request, n, name, says, state, upid, started_at, note, sent, ours)
          values ('r1', 0, 'create', 'Creating CT 112', 'intent', 'UPID:ovh1:1', 1600, '', 1, 0)`.execute(db);
        await sql`insert into votes (request, person, kind, fingerprint, actor_json, roles_json, typed, reason, at)
          values ('r2', 'alice', 'approve', 'f1', ${JSON.stringify(actor)}, '["operator"]', 0, '', 1500)`.execute(db);
        await sql`insert into buttons (ref, request, verb, fingerprint) values ('b2', 'r2', 'approve', 'f1')`.execute(
          db,
        );
        await db.destroy();

        upgraded = await older.open();
        expect(await upgraded.lead(() => undefined)).toBe(true);
        const begun = step(0, { upid: 'UPID:ovh1:1', startedAt: 1600, sent: 1 });
        expect(await upgraded.steps('r1')).toEqual([begun]);
        const done = { ...begun, state: 'done' as const, ours: true, result: { at: 1 } };
        await upgraded.writeStep(done, [said('r1', 'result')]);
        expect(await upgraded.steps('r1')).toEqual([done]);
        expect(await upgraded.request('r1')).toMatchObject({ state: 'running', approvedAt: 1500 });
        expect((await upgraded.request('r2'))?.votes).toEqual([vote('alice')]);
        expect((await upgraded.button('b2'))?.request).toBe('r2');
        expect([...(await upgraded.reserved('off', 'r1'))]).toEqual(['vmid/off/r2']);
        expect(await upgraded.vote('r2', vote('nina'), [])).toBe(true);
        expect(await upgraded.move('r2', ['waiting'], 'approved', { approvedAt: 1700 }, [])).toBe(true);
        expect(await upgraded.lock('r2', ['guest/off/112'])).toBe('r1');
        expect(await upgraded.bookEntries('links')).toEqual([]);
        expect(await upgraded.brokenLink()).toBeUndefined();
        expect(await upgraded.watchMemory('off')).toBeUndefined();
        await upgraded.saveWatch('off', { at: 1, memory: {}, untaken: [] });
        expect(await upgraded.incidents({})).toEqual([]);
      } finally {
        await upgraded?.close();
        older.clear();
      }
    });

    describe('the watch', () => {
      const lost: News = {
        kind: 'node-lost',
        severity: 'critical',
        cluster: 'off',
        incident: 'node/ovh2',
        phase: 'opens',
        node: 'ovh2',
        text: 'ovh2 lost \u0000 \ud800 "é"',
      };

      test('memory and the news that came of it are one write; taken, the news are gone and the memory stays', async () => {
        expect(await store.watchMemory('off')).toBeUndefined();
        await store.saveWatch('off', { at: 1000, memory: { seen: { ovh2: 1 } }, untaken: [lost] });
        await store.saveWatch('lab', { at: 1000, memory: {}, untaken: [lost] });
        await reopen();
        expect(await store.watchMemory('off')).toEqual({ at: 1000, memory: { seen: { ovh2: 1 } }, untaken: [lost] });
        await store.newsTaken('off');
        expect(await store.watchMemory('off')).toEqual({ at: 1000, memory: { seen: { ovh2: 1 } }, untaken: [] });
        await store.saveWatch('off', { at: 1_800_000_000_000, memory: { seen: {} }, untaken: [] });
        expect(await store.watchMemory('off')).toEqual({ at: 1_800_000_000_000, memory: { seen: {} }, untaken: [] });
        expect((await store.watchMemory('lab'))?.untaken).toEqual([lost]);
      });

      const incident = (id: string, more: Partial<Incident> = {}): Incident => ({
        id,
        cluster: 'off',
        key: `node/${id}`,
        kind: 'node-lost',
        severity: 'critical',
        state: 'open',
        openedAt: 1000,
        changedAt: 1000,
        news: [lost],
        reminders: 0,
        flaps: 0,
        ...more,
      });

      test('incidents are found by cluster, state and age, newest first, and the old resolved ones are forgotten', async () => {
        const over = { state: 'resolved', resolvedAt: 2000, changedAt: 2000 } as const;
        const rows = [
          incident('a1'),
          incident('b2', { openedAt: 3000, changedAt: 3000 }),
          incident('c3', over),
          incident('d4', { cluster: 'lab' }),
        ];
        for (const row of rows) await store.saveIncident(row);
        await reopen();
        const ids = async (filter: Parameters<SqlStore['incidents']>[0]) =>
          (await store.incidents(filter)).map(({ id }) => id);
        expect(await store.incident('a1')).toEqual(rows[0]);
        expect(await store.incident('nope')).toBeUndefined();
        expect((await ids({}))[0]).toBe('b2');
        expect((await ids({})).toSorted()).toEqual(['a1', 'b2', 'c3', 'd4']);
        expect(await ids({ cluster: 'off', states: ['open'] })).toEqual(['b2', 'a1']);
        expect(await ids({ cluster: 'off', since: 2000 })).toEqual(['b2', 'c3']);
        expect(await ids({ limit: 1 })).toEqual(['b2']);
        await store.saveIncident(incident('a1', { ...over, severity: 'warning' }));
        expect(await store.incident('a1')).toMatchObject({ state: 'resolved', severity: 'warning' });
        await store.forgetIncidents(2001);
        expect((await ids({})).toSorted()).toEqual(['b2', 'd4']);
      });
    });

    describe('the audit chain', () => {
      const fill = async (count = 6) => {
        for (let n = 1; n <= count; n += 1)
          await store.audit([said(`r${n}`, 'read', { n, deep: { b: 1, a: [null, 'é'] } })]);
      };

      test('is whole as it was written, also over more than one page', async () => {
        await fill(3);
        await store.audit(Array.from({ length: 1100 }, (_, n) => said('many', 'read', { n })));
        expect(await store.brokenLink()).toBeUndefined();
        const first = await store.auditFrom(0, 2);
        expect(first.map((entry) => entry.seq)).toEqual([1, 2]);
        expect(first[1]?.previous).toBe(first[0]?.hash);
        expect(await store.auditFrom(1102, 10)).toHaveLength(1);
      });

      test('stays whole when many write at once', async () => {
        await Promise.all(Array.from({ length: 30 }, (_, n) => store.audit([said(`r${n}`, 'a'), said(`r${n}`, 'b')])));
        expect(await store.auditFrom(0, 100)).toHaveLength(60);
        expect(await store.brokenLink()).toBeUndefined();
      });

      // biome-ignore format: this is a table
      const crimes: readonly (readonly [string, number, (db: Kysely<Tables>) => Promise<unknown>])[] = [
        ['a changed body', 3, (db) => sql`update audit set body_json = '{"n":4}' where seq = 3`.execute(db)],
        ['a changed person', 3, (db) => sql`update audit set who = 'mallory' where seq = 3`.execute(db)],
        ['a changed time', 3, (db) => sql`update audit set at = 1 where seq = 3`.execute(db)],
        ['a changed hash', 3, (db) => sql`update audit set hash = previous where seq = 3`.execute(db)],
        ['a deleted entry', 4, (db) => sql`delete from audit where seq = 3`.execute(db)],
        ['a deleted first entry', 2, (db) => sql`delete from audit where seq = 1`.execute(db)],
        ['a deleted last entry', 6, (db) => sql`delete from audit where seq = 6`.execute(db)],
        ['everything deleted', 1, (db) => sql`delete from audit`.execute(db)],
        ['two entries swapped', 3, async (db) => {
          await sql`update audit set seq = 99 where seq = 3`.execute(db);
          await sql`update audit set seq = 3 where seq = 4`.execute(db);
          await sql`update audit set seq = 4 where seq = 99`.execute(db);
        }],
        ['an entry put at the end by hand', 7, (db) => sql`insert into audit select 7, at, id, kind, who, body_json, hash, hash from audit where seq = 6`.execute(db)],
      ];
      test.each(crimes)('shows %s', async (_name, seq, crime) => {
        await fill();
        await store.close();
        await raw(crime);
        store = await ground.open();
        expect(await store.brokenLink()).toBe(seq);
      });
    });

    test('a leader that another has replaced writes nothing more, even when it never noticed', async () => {
      await create('r1');
      await store.close();
      // Two stores that both believe they lead: what a stalled process wakes up to.
      const believe = (db: Kysely<Tables>) => new SqlStore(store.kind, db, async () => ({ release: () => undefined }));
      const [old, young] = [believe(ground.raw()), believe(ground.raw())];
      try {
        await old.lead(() => undefined);
        await old.writeStep(step(0), []);
        await young.lead(() => undefined);
        const writes = [
          () => old.writeStep(step(0, { state: 'done' }), [said('r1', 'result')]),
          () => old.move('r1', ['waiting'], 'approved', {}, []),
          () => old.vote('r1', vote('alice'), []),
          () => old.move('r1', ['waiting'], 'waiting', { dropVotes: ['alice'] }, []),
          () => old.lock('r1', ['guest/off/112']),
          () => old.askToStop('r1', []),
          () => old.writeBook({ shelf: 'links', key: 'oscar', value: 1, run: 'r1', at: 1 }, [said('r1', 'book')]),
          () => old.createRequest({ record: record('r9'), buttons: [], audit: [] }),
        ];
        for (const write of writes) await expect(write()).rejects.toThrow(LostLead);
        expect(await young.steps('r1')).toEqual([step(0)]);
        expect(await young.move('r1', ['waiting'], 'approved', {}, [])).toBe(true);
        expect(await young.brokenLink()).toBeUndefined();
      } finally {
        await old.close();
        await young.close();
      }
      store = await ground.open();
    });

    test('who does not lead cannot write to the journal', async () => {
      await store.close();
      store = await ground.open();
      await expect(store.move('r1', ['waiting'], 'approved', {}, [])).rejects.toThrow(LostLead);
    });
  });
});

describe('one file, one process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-one-'));
  const file = join(folder, 'bascule.sqlite');
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a second process is refused while the first lives, and not after it was killed', async () => {
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../adapters/store/index.ts', import.meta.url).href)};
      const store = await openStore({ file: ${JSON.stringify(file)} });
      process.stdout.write('open\\n');
      setInterval(() => store, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', () => reject(new Error('the first process ended')));
    });
    await expect(openStore({ file })).rejects.toThrow(`another Bascule uses ${file}`);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    const store = await openStore({ file });
    await expect(openStore({ file })).rejects.toThrow('another Bascule uses');
    expect(await store.lead(() => undefined)).toBe(true);
    await store.close();
  });

  test('only its owner may read the file', async () => {
    const store = await openStore({ file });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await store.close();
  });
});

describe.skipIf(!postgres)('several bots on one PostgreSQL', () => {
  const leaders = "from pg_locks where locktype = 'advisory' and objid = $1";
  const LOCK = [0x6261_7363];

  test('many that start at once on an empty database all find it ready', async () => {
    const url = await postgres!.fresh();
    const stores = await Promise.all(Array.from({ length: 5 }, () => openStore({ url })));
    const lead = await Promise.all(stores.map((store) => store.lead(() => undefined)));
    expect(lead.filter(Boolean)).toHaveLength(1);
    for (const store of stores) await store.close();
  });

  test('when the session of the leader ends, it is told, writes nothing more, and the next one leads', async () => {
    const url = await postgres!.fresh();
    const [first, second] = [await openStore({ url }), await openStore({ url })];
    const lost = Promise.withResolvers<string>();
    expect(await first.lead(lost.resolve)).toBe(true);
    expect(await second.lead(() => undefined)).toBe(false);
    await first.createRequest({ record: record('r1'), buttons: [], audit: [said('r1')] });
    await expect(second.move('r1', ['waiting'], 'approved', {}, [])).rejects.toThrow(LostLead);

    await postgres!.ask(`select pg_terminate_backend(pid) ${leaders}`, LOCK);
    expect(await lost.promise).not.toBe('');
    expect(await second.lead(() => undefined)).toBe(true);
    await expect(first.move('r1', ['waiting'], 'approved', {}, [])).rejects.toThrow(LostLead);
    expect(await second.move('r1', ['waiting'], 'approved', {}, [said('r1', 'approved')])).toBe(true);
    // Who does not lead may still tell what it saw.
    await Promise.all(
      [first, second].flatMap((store) => Array.from({ length: 20 }, () => store.audit([said('x', 'read')]))),
    );
    expect(await second.brokenLink()).toBeUndefined();
    await first.close();
    await second.close();
    expect(await postgres!.ask(`select pid ${leaders}`, LOCK)).toEqual([]);
  });

  test('a leader that stops hands over at once', async () => {
    const url = await postgres!.fresh();
    const [first, second] = [await openStore({ url }), await openStore({ url })];
    const told: string[] = [];
    await first.lead((why) => told.push(why));
    await first.close();
    expect(await second.lead(() => undefined)).toBe(true);
    await second.close();
    expect(told).toEqual([]);
  });

  test('an address that does not answer is an error, without the password', async () => {
    const failed = await openStore({ url: `postgres://postgres:${postgres!.password}@127.0.0.1:1/x` }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(Error);
    expect(JSON.stringify([String(failed), (failed as Error).stack])).not.toContain(postgres!.password);
  });
});
