import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { DeadMan } from '../src/dead-man.ts';
import { serveHealth } from '../src/health.ts';
import { makeLog } from '../src/log.ts';
import { metricsText, type Remembered } from '../src/metrics.ts';
import { exposition } from '../src/prometheus.ts';
import { openWorld } from './world.ts';

/** What somebody outside sees of the bot: probes, numbers, and a sign of life. */

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

const nothing = { ready: async () => true };

async function serve(parts: Parameters<typeof serveHealth>[1]) {
  const health = await serveHealth({ host: '127.0.0.1', port: 0 }, parts);
  opened.push({ close: health.stop });
  return async (path: string, method: 'GET' | 'POST' = 'GET') => {
    const { statusCode, headers, body } = await request(`${health.url}${path}`, { method });
    return { status: statusCode, type: headers['content-type'], text: await body.text() };
  };
}

describe('over HTTP', () => {
  test('a whole bot tells what it did, what waits and what it saw', async () => {
    const world = await openWorld({ simulator: { speed: 0 } });
    opened.push(world);
    await world.oscar.says('backup run 102');
    await world.oscar.clicks('Run it', 'Back up CT 102');
    await world.becomes('done', 'backup run');
    await world.settled();
    await world.bot.poller.poll('off');
    const get = await serve({
      ...nothing,
      status: () => world.bot.outbox.status(),
      metrics: () => world.bot.metrics(),
    });
    const { status, type, text } = await get('/metrics');
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const lines = text.split('\n');
    expect(lines).toContain('bascule_leading 1');
    expect(lines).toContain('bascule_requests{cluster="off",command="backup run",state="done"} 1');
    expect(lines).toContain('bascule_votes{kind="confirm"} 1');
    expect(lines).toContain('bascule_outbox_backlog 0');
    expect(lines).toContain('# TYPE bascule_polls_total counter');
    expect(lines).toContain('bascule_polls_total{cluster="off"} 1');
    expect(text).toMatch(/^bascule_deliveries_total\{platform="slack"\} [1-9]/m);
    expect(text).toMatch(/^bascule_poll_lag_seconds\{cluster="off"\} \d/m);
    expect((await get('/healthz')).text).toBe('ok\nundelivered messages: 0\ndead letters: 0\n');
  });

  test('says what it has, what it is ready for and what it does not take', async () => {
    let ready = true;
    const get = await serve({ ready: async () => ready });
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200, text: 'ready\n' });
    ready = false;
    expect(await get('/readyz')).toMatchObject({ status: 503, text: 'standing by\n' });
    expect(await get('/metrics')).toMatchObject({ status: 404 });
    expect(await get('/nosuch')).toMatchObject({ status: 404 });
    expect(await get('/healthz', 'POST')).toMatchObject({ status: 405 });
  });

  test('a store that is away makes it not ready, and leaves it alive', async () => {
    const away = () => Promise.reject(new Error('gone'));
    const get = await serve({ ready: away, status: away, metrics: away });
    expect(await get('/healthz')).toMatchObject({ status: 200, text: 'ok\nthe store does not answer\n' });
    expect(await get('/readyz')).toMatchObject({ status: 503 });
    expect(await get('/metrics')).toMatchObject({ status: 503 });
  });
});

describe('metrics', () => {
  const told = async (memory?: Remembered) => {
    const none = new Map<string, number>();
    const counts = { looks: 3, missed: 1, seenAt: 990_000, lag: 250, broken: 0, news: 2 };
    return metricsText({
      store: {
        figures: async () => ({ requests: [], votes: [], backlog: 2, waitingSince: 940_000 }),
        incidents: async () => [],
      },
      outbox: { counts: { delivered: none, failed: none, elsewhere: none } },
      clock: { now: () => 1_000_000 },
      leading: () => false,
      watch: { counts: () => new Map([['off', counts]]), memory: () => memory },
    });
  };

  test('tell the age of each replica and backup, and how many votes are to spare', async () => {
    const text = await told({
      world: {
        syncs: { '103-0': { guest: 103, target: 'ovh3', lastSync: 880, at: 990 } },
        guests: { 103: { vmid: 103, node: 'ovh1', status: 'running', tags: [] } },
      },
      parts: {
        coverage: { good: { 103: 500, 999: 1 } },
        ha: { nodes: { ovh1: { online: true }, ovh2: { online: true }, ovh3: { online: false }, ovh4: {} } },
        quorum: { votes: { expected: { ovh1: 1, ovh2: 1, ovh3: 1, ovh4: 1 } }, qdevice: { state: 'connected' } },
      },
    });
    expect(text).toContain('bascule_replication_age_seconds{cluster="off",job="103-0",vmid="103",target="ovh3"} 120\n');
    expect(text).toContain('bascule_backup_last_good_timestamp_seconds{cluster="off",vmid="103"} 500\n');
    expect(text).not.toContain('vmid="999"');
    expect(text).toContain('bascule_quorum_margin_votes{cluster="off"} 0\n');
    expect(text).toContain('bascule_poll_lag_seconds{cluster="off"} 0.25\n');
    expect(text).toContain('bascule_poll_age_seconds{cluster="off"} 10\n');
    expect(text).toContain('bascule_outbox_oldest_seconds 60\n');
  });

  test('leave out what nobody knows', async () => {
    for (const memory of [
      undefined,
      { world: { syncs: {}, guests: {} }, parts: { ha: 'odd', quorum: { votes: 3 } } },
    ]) {
      const text = await told(memory);
      expect(text).not.toMatch(/quorum_margin|replication_age|backup_last_good/);
      expect(text).toContain('bascule_polls_total{cluster="off"} 3\n');
    }
  });

  test('keep odd names from breaking the format', () => {
    const samples = [{ labels: { a: 'x"y\\z\nq\ud800' }, value: Number.NaN }];
    expect(exposition([{ name: 'm', help: 'h', samples }])).toBe(
      '# HELP m h\n# TYPE m gauge\nm{a="x\\"y\\\\z\\nq\ufffd"} NaN\n',
    );
  });
});

describe('the sign of life', () => {
  const monitor = async (status = 200) => {
    let pings = 0;
    const server = createServer((_request, response) => {
      pings += 1;
      response.writeHead(status).end('OK');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    opened.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/s3cret`, pings: () => pings };
  };
  const clock = { now: () => 0, wait: () => Promise.resolve() };
  const logged: string[] = [];
  const log = makeLog('debug', { write: (line) => logged.push(line) });

  test('is sent while the bot leads and looks, and not otherwise', async () => {
    const { url, pings } = await monitor();
    let [leading, looks] = [false, 0];
    const man = new DeadMan({ url, clock, log, leading: () => leading, looks: () => looks });
    expect(await man.ping()).toBe(false);
    [leading, looks] = [true, 1];
    expect(await man.ping()).toBe(true);
    expect(await man.ping()).toBe(false);
    looks = 2;
    expect(await man.ping()).toBe(true);
    expect(pings()).toBe(2);
    await man.stop();
  });

  test('that is refused or goes nowhere is logged without its address', async () => {
    const { url } = await monitor(404);
    const nowhere = url.replace(/:\d+/, ':9');
    for (const each of [url, nowhere]) {
      const man = new DeadMan({ url: each, clock, log, leading: () => true, looks: () => undefined });
      expect(await man.ping()).toBe(false);
    }
    expect(logged.join('\n')).toMatch(/404/);
    expect(logged.join('\n')).toMatch(/ECONNREFUSED/);
    expect(logged.join('\n')).not.toContain('s3cret');
  });
});
