import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nodeProgramSha256 } from '../../adapters/shell/node/program.ts';
import { type Simulator, startSimulator } from '../../adapters/simulator/index.ts';
import { openStore, type SqlStore } from '../../adapters/store/index.ts';
import type { BookEntry } from '../../src/contracts/books.ts';
import type { AuditEntry, RequestRecord } from '../../src/contracts/records.ts';
import { type GithubPlatform, githubPlatform } from '../platforms/github.ts';
import { ed25519 } from '../platforms/github-keys.ts';
import { type FakeSlack, startSlack } from '../platforms/slack.ts';
import { OPS, PEOPLE, shellOf } from '../world.ts';

/** A cluster and a Slack that stay, and bots in processes of their own that come and go. */
export interface Stage {
  readonly simulator: Simulator;
  readonly slack: FakeSlack;
  /** A folder that goes with the stage. */
  readonly folder: string;
  /** Starts a bot on a store; resolves when its process prints `ready` (or died on the way there). */
  bot(store: StoreConfig, env?: Readonly<Record<string, string>>): Promise<BotProcess>;
  says(who: keyof typeof PEOPLE, text: string): Promise<void>;
  clicks(who: keyof typeof PEOPLE, label: string, holding: string): Promise<void>;
  /** The text of all messages that Alice, or somebody else, sees in #ops. */
  seen(who?: keyof typeof PEOPLE): string[];
  close(): Promise<void>;
}

export type StoreConfig = { readonly file: string } | { readonly url: string };

export interface BotProcess {
  readonly process: ChildProcess;
  /** Lines it printed so far. */
  readonly lines: readonly string[];
  /** Resolves once a line with that beginning was printed; rejects when the process ends first. */
  prints(beginning: string): Promise<void>;
  readonly ended: Promise<void>;
  kill(): Promise<void>;
}

/** `strangers`: nodes over SSH, containers with a past, and so many people `p1`, `p2` … whose GitHub login is `p1-hub` … */
export async function openStage(taskMs = 60, strangers = 0): Promise<Stage> {
  const simulator = await startSimulator({
    pve: '9.2',
    taskMs,
    ...(strangers > 0 ? { speed: 0, past: true, ssh: { programSha256: nodeProgramSha256() } } : {}),
  });
  const github = strangers > 0 ? await githubPlatform(() => Date.now()) : undefined;
  const names = Array.from({ length: strangers }, (_, n) => `p${n + 1}`);
  for (const name of names) github?.person(`${name}-hub`, ed25519(name));
  const slack = await startSlack();
  slack.clock.freeze();
  const folder = mkdtempSync(join(tmpdir(), 'bascule-stage-'));
  const started: BotProcess[] = [];
  const user = (who: keyof typeof PEOPLE) => slack.user(PEOPLE[who].slack, { name: who });
  return {
    simulator,
    slack,
    folder,
    async bot(store, env = {}) {
      const file = join(folder, `config-${started.length}.json`);
      const config = configFor(simulator, slack, store);
      writeFileSync(file, JSON.stringify(github ? withNodes(config, simulator, github, names) : config));
      const bot = launch(file, env);
      started.push(bot);
      await Promise.race([bot.prints('ready'), bot.ended]);
      return bot;
    },
    async says(who, text) {
      await user(who).says(`/pve ${text}`, { channel: OPS }).acked();
    },
    async clicks(who, label, holding) {
      const message = () =>
        slack
          .messages(OPS, { as: PEOPLE[who].slack })
          .findLast((one) => slack.visibleText(one).includes(holding) && slack.visibleText(one).includes(label));
      await slack.waitFor(() => message() !== undefined);
      await user(who).clicks(message()!, label).acked();
    },
    seen: (who = 'alice') =>
      slack.messages(OPS, { as: PEOPLE[who].slack }).map((message) => slack.visibleText(message)),
    async close() {
      await Promise.all(started.map((bot) => bot.kill()));
      await slack.stop();
      await github?.close();
      await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configFor(simulator: Simulator, slack: FakeSlack, store: StoreConfig) {
  return {
    slack: { botToken: slack.botToken, appToken: slack.appToken, apiUrl: slack.apiUrl },
    clusters: {
      off: {
        urls: simulator.urls,
        token: simulator.token('bascule@pve!operate'),
        fingerprints: [simulator.fingerprint],
        house: { ct: { replicateTo: ['ovh3', 'ovh1'] } },
      },
    },
    people: Object.fromEntries(
      Object.entries(PEOPLE).map(([name, { slack: id, roles }]) => [name, { slack: id, roles }]),
    ),
    store,
  };
}

function withNodes(
  config: ReturnType<typeof configFor>,
  simulator: Simulator,
  { apiUrl, webUrl, token }: GithubPlatform,
  names: readonly string[],
) {
  const { off } = config.clusters;
  const people = names.map((name) => [
    name,
    { slack: `U000${name.toUpperCase()}`, roles: ['viewer'], github: `${name}-hub` },
  ]);
  return {
    ...config,
    clusters: {
      off: {
        ...off,
        shell: shellOf(simulator),
        house: { ...off.house, ssh: { jump: { node: 'ovh1', host: 'gate.example.org' } } },
      },
    },
    people: { ...config.people, ...Object.fromEntries(people) },
    github: { apiUrl, webUrl, token },
  };
}

function launch(file: string, env: Readonly<Record<string, string>>): BotProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'child.ts'), file], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const told = () => {
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      told();
    });
  }
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
      told();
    }),
  );
  return {
    process: child,
    lines,
    ended,
    prints: (beginning) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (lines.some((line) => line.startsWith(beginning))) resolve();
          else if (child.exitCode !== null || child.signalCode !== null)
            reject(new Error(`the bot ended before it printed ${beginning}:\n${lines.join('\n')}`));
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Reads a store from outside while its bot runs or lies dead. Only for looking: it takes no lead. */
export async function lookInto(store: StoreConfig): Promise<{
  requests(): Promise<readonly RequestRecord[]>;
  audit(id: string): Promise<readonly AuditEntry[]>;
  book(shelf: string): Promise<readonly BookEntry[]>;
  close(): Promise<void>;
}> {
  if ('file' in store) {
    const { openSqlite } = await import('../../adapters/store/sqlite.ts');
    const { SqlStore } = await import('../../adapters/store/index.ts');
    const open = new SqlStore('sqlite', openSqlite(store.file), async () => undefined);
    return looking(open);
  }
  return looking(await openStore(store));
}

function looking(open: SqlStore) {
  return {
    requests: () => open.requests({ limit: 500 }),
    audit: (id: string) => open.auditOf(id),
    book: (shelf: string) => open.bookEntries(shelf),
    close: () => open.close(),
  };
}

/** Polls until `condition` holds; the limit is a safety net, far beyond what is expected. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  seconds = 60,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`after ${seconds} s still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
