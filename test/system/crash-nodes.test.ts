import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GRANTS } from '../../src/contracts/books.ts';
import type { RequestRecord } from '../../src/contracts/records.ts';
import { ed25519 } from '../platforms/github-keys.ts';
import { type BotProcess, lookInto, openStage, type Stage, until } from './stage.ts';

/**
 * kill -9 around every journal write of runs whose steps are done by nodes over SSH and by our own books. Afterwards
 * everything approved is done, once: 0 lost, 0 doubled, 0 unnamed. Each bot first ends what the one before it left.
 */
const MOST = 60;
let stage: Stage;
let kills = 0;
beforeAll(async () => {
  stage = await openStage(60, MOST);
});
afterAll(async () => {
  console.log(`crash test of nodes: ${kills} kills`);
  await stage?.close();
});

interface Asked {
  readonly round: number;
  readonly told: string;
  readonly id: string;
  /** Effects there were before it. */
  readonly before: number;
}

interface Work {
  ask(round: number): string;
  holds(round: number, request: RequestRecord, effects: readonly string[]): Promise<void> | void;
}

type Look = Awaited<ReturnType<typeof lookInto>>;

class Killing {
  readonly #file: string;
  readonly #work: (look: Look) => Work;
  #look: Look | undefined;
  #left: Asked | undefined;
  #round = 0;

  constructor(name: string, work: (look: Look) => Work) {
    this.#file = join(stage.folder, `${name}.sqlite`);
    this.#work = work;
  }

  async everywhere(): Promise<void> {
    for (const when of ['before', 'after'])
      for (let n = 1; ; n += 1) {
        const bot = await this.#bot({ KILL_AT: String(n), KILL_WHEN: when, KILL_FROM: 'request' });
        const asked = await this.#ask(`killed ${when} write ${n}`);
        await Promise.race([bot.ended, until(`${asked.told}: it dies, or ends the run`, () => this.#over(asked))]);
        if (bot.process.signalCode === 'SIGKILL') {
          kills += 1;
          continue;
        }
        await this.#holds();
        await bot.kill();
        expect(n, 'journal writes of such a run').toBeGreaterThan(6);
        break;
      }
    await this.#look?.close();
  }

  /** Starts a bot, which ends what the one before left. */
  async #bot(env: Readonly<Record<string, string>>): Promise<BotProcess> {
    const bot = await stage.bot({ file: this.#file }, env);
    this.#look ??= await lookInto({ file: this.#file });
    await this.#holds();
    return bot;
  }

  async #ask(told: string): Promise<Asked> {
    this.#round += 1;
    expect(this.#round).toBeLessThan(MOST);
    const before = stage.simulator.effects.all.length;
    const known = (await this.#look!.requests()).map(({ id }) => id);
    await stage.says('oscar', this.#work(this.#look!).ask(this.#round));
    const asked = async () => (await this.#look!.requests()).find((one) => !known.includes(one.id));
    const { id } = await until(`${told}: it is asked for`, asked, 20).catch((error: Error) => {
      throw new Error(`${error.message}\n${stage.seen('oscar').slice(-1).join('\n')}`);
    });
    this.#left = { round: this.#round, told, id, before };
    await stage.clicks('alice', 'Approve', id);
    return this.#left;
  }

  async #over({ id }: Asked): Promise<RequestRecord | undefined> {
    const request = (await this.#look!.requests()).find((one) => one.id === id);
    return request && ['done', 'failed', 'in-doubt'].includes(request.state) ? request : undefined;
  }

  async #holds(): Promise<void> {
    const left = this.#left;
    if (!left) return;
    this.#left = undefined;
    const now = (await this.#look!.requests()).find(({ id }) => id === left.id);
    // A kill before the vote was stored loses the click, not a promise: the card still asks for it.
    if (now?.state === 'waiting' && now.votes.length === 0) await stage.clicks('alice', 'Approve', left.id);
    const request = await until(`${left.told}: its end`, () => this.#over(left));
    expect(request.state, `${left.told}: ${request.note} ${request.left.join('; ')}`).toBe('done');
    const effects = stage.simulator.effects.all.slice(left.before).map(({ kind }) => kind);
    await this.#work(this.#look!).holds(left.round, request, effects);
  }
}

const inside = (path: string): string => join(stage.simulator.files(103), path);
const text = (path: string): string => readFileSync(inside(path), 'utf8');

test('a grant that is killed at any write lets its person in once, everywhere, with one end', async () => {
  await new Killing('grant', (look) => ({
    ask: (round) => `ssh grant person:p${round} vmid:103`,
    async holds(round, { id }, effects) {
      const user = `p${round}-hub`;
      expect(effects.toSorted(), user).toEqual(['ct.keys.set', 'ct.user.ensure', 'jump.keys.set']);
      expect(text('etc/passwd').match(new RegExp(`^${user}:`, 'gm')), user).toHaveLength(1);
      const lines = text(`home/${user}/.ssh/authorized_keys`).trim().split('\n');
      expect(lines).toEqual([expect.stringContaining(`${ed25519(`p${round}`)} bascule:${id}`)]);
      const wayIn = [...stage.simulator.hands('ovh1').jumpKeys.values()].join('\n');
      expect(wayIn.split('\n').filter((line) => line.includes(`:103:${user}`))).toHaveLength(1);
      const end = /expiry-time="(\d+)Z"/;
      expect(end.exec(wayIn.split('\n').find((line) => line.includes(`:103:${user}`))!)?.[1]).toBe(
        end.exec(lines[0]!)?.[1],
      );
      const noted = (await look.book(GRANTS)).filter(({ key }) => key === `off/103/${user}`);
      expect(noted).toEqual([expect.objectContaining({ run: id, value: expect.objectContaining({ id, user }) })]);
      expect((await look.audit(id)).filter(({ kind }) => kind === 'book')).toHaveLength(1);
    },
  })).everywhere();
});

test('a restore over a file that is killed at any write is done once, and keeps what stood there', async () => {
  const folder = 'etc/nginx';
  const was = readFileSync(join(stage.simulator.snapshotFiles(103, 'manual-by-admin'), folder, 'nginx.conf'), 'utf8');
  let names = readdirSync(inside(folder));
  await new Killing('restore', () => ({
    ask(round) {
      // What rounds of one second keep would have one name.
      for (const name of readdirSync(inside(folder)))
        if (name.includes('.before-restore-')) rmSync(inside(`${folder}/${name}`));
      writeFileSync(inside(`${folder}/nginx.conf`), `# round ${round}\n`);
      names = readdirSync(inside(folder));
      return 'file restore vmid:103 path:/etc/nginx/nginx.conf from:manual-by-admin overwrite:yes';
    },
    holds(round, _request, effects) {
      expect(effects, String(round)).toEqual(['file.restore']);
      expect(text(`${folder}/nginx.conf`)).toBe(was);
      const fresh = readdirSync(inside(folder)).filter((name) => !names.includes(name));
      expect(fresh).toEqual([expect.stringMatching(/^nginx\.conf\.before-restore-\d{8}T\d{6}Z$/)]);
      expect(text(`${folder}/${fresh[0]}`)).toBe(`# round ${round}\n`);
    },
  })).everywhere();
});
