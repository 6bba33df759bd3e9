import { readFileSync } from 'node:fs';
import { connectProxmox } from '../../adapters/proxmox/index.ts';
import { createSlack } from '../../adapters/slack/index.ts';
import { openStore } from '../../adapters/store/index.ts';
import { systemClock } from '../../src/clock.ts';
import type { Clock } from '../../src/contracts/clock.ts';
import type { Store } from '../../src/contracts/store.ts';
import { makeLog } from '../../src/log.ts';
import { assemble, connectShells } from '../../src/main.ts';
import { configSchema } from '../../src/settings.ts';

/**
 * The whole bot in a process of its own, to be killed. Argument: a JSON config file. With KILL_AT=n and
 * KILL_WHEN=before|after it kills itself, as `kill -9` would, around its n-th journal write, with KILL_FROM=request
 * counted from the newest request on: what an earlier process left is brought to its end first.
 * Prints `ready` once it leads and its chat is connected, `standby` when another process leads.
 */
const config = configSchema.parse(JSON.parse(readFileSync(process.argv[2]!, 'utf8')));
const killAt = Number(process.env.KILL_AT ?? 0);
const killAfter = process.env.KILL_WHEN === 'after';

/** Ten times the pace: what takes minutes in a data centre takes seconds here. */
const clock: Clock = {
  now: () => systemClock.now(),
  wait: (ms, signal) => systemClock.wait(Math.min(ms / 10, 500), signal),
};

function killing(store: Store): Store {
  let writes = 0;
  const die = (): never => {
    process.kill(process.pid, 'SIGKILL');
    // The signal is delivered before anything else of this process runs.
    return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) as never;
  };
  const fromRequest = process.env.KILL_FROM === 'request';
  let armed = !fromRequest;
  const journal = new Set<PropertyKey>(['move', 'lock', 'writeStep', 'writeBook']);
  return new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      if (name === 'createRequest' && fromRequest)
        return (...args: unknown[]) => {
          writes = 0;
          armed = true;
          return value.apply(target, args);
        };
      if (!journal.has(name)) return value.bind(target);
      return async (...args: unknown[]) => {
        writes += 1;
        const mine = writes;
        if (armed && mine === killAt && !killAfter) die();
        const result = await value.apply(target, args);
        if (armed && mine === killAt && killAfter) die();
        process.stdout.write(`write ${mine} ${String(name)}\n`);
        return result;
      };
    },
  });
}

const log = makeLog('info', { write: (line) => process.stderr.write(line) });
const slack = config.slack!;
const chat = createSlack({
  botToken: slack.botToken,
  appToken: slack.appToken,
  apiUrl: slack.apiUrl,
  root: '/pve',
  log: () => undefined,
  editEveryMs: 20,
});
const store = await openStore(config.store);
const clusters = Object.entries(config.clusters).map(([name, entry]) =>
  connectProxmox({
    name,
    urls: entry.urls,
    token: entry.token,
    tls: { fingerprints: entry.fingerprints ?? [] },
    clock,
  }),
);
const bot = assemble({
  config,
  chats: [chat],
  store: killing(store),
  clusters,
  // What the network may take is real time.
  shells: connectShells(config, clock, log, systemClock),
  // Its waits are cut short, and a watch without any would do nothing but look.
  polls: 'by hand',
  clock,
  log,
  onBroken: (error) => {
    process.stderr.write(`broken: ${String((error as Error)?.stack ?? error)}\n`);
    process.exit(3);
  },
});
process.stdout.write('started\n');
await bot.start();
process.stdout.write('ready\n');
