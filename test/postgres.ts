import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);
/** Debian keeps it in /usr/sbin, which a root that came by `su` has not in its PATH. */
const RUNUSER = ['/usr/sbin/runuser', '/sbin/runuser'].find((path) => existsSync(path)) ?? 'runuser';

export interface Postgres {
  /** `postgres://…` on loopback, of an empty database. Holds {@link password}. */
  readonly url: string;
  readonly password: string;
  /** An empty database of its own; resolves its URL. */
  fresh(): Promise<string>;
  /** Sends one statement as the superuser, on a connection of its own. */
  ask(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/**
 * A real PostgreSQL of Debian's packages (`apt-get install postgresql`) in a temporary folder, on loopback and a free
 * port. Resolves undefined, after printing why, where there is none.
 */
export async function startPostgres(): Promise<Postgres | undefined> {
  const bin = newestBinaries();
  if (!bin) return without('there is no /usr/lib/postgresql/*/bin');
  const owner = await ownerOfServer();
  if (owner === 'none') return without('PostgreSQL refuses to run as root and there is no user postgres');
  const folder = mkdtempSync(join(tmpdir(), 'bascule-pg-'));
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner) {
    chownSync(folder, owner.uid, owner.gid);
    chownSync(passwordFile, owner.uid, owner.gid);
  }
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  const asOwner = (program: string, args: readonly string[]): [string, string[]] =>
    owner ? [RUNUSER, ['-u', 'postgres', '--', join(bin, program), ...args]] : [join(bin, program), [...args]];
  const init = ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', passwordFile];
  // Without syncing: this folder has no future.
  await run(...asOwner('initdb', [...init, '-E', 'UTF8', '--locale', 'C', '--no-sync']), { cwd: folder });
  rmSync(passwordFile);
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off'];
    const server = spawn(...asOwner('postgres', ['-D', data, ...settings.flatMap((one) => ['-c', one])]), {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    server.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000);
    });
    let over = false;
    const ended = new Promise<void>((resolve) => {
      server.once('exit', () => {
        over = true;
        resolve();
      });
    });
    const url = (database: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
    const ask: Postgres['ask'] = async (text, values = []) => {
      const client = new pg.Client({ connectionString: url('postgres'), connectionTimeoutMillis: 5000 });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return (await client.query(text, [...values])).rows;
      } finally {
        await client.end();
      }
    };
    // To PostgreSQL itself: runuser hands on no signal but its own.
    const signal = (name: NodeJS.Signals) => {
      const file = join(data, 'postmaster.pid');
      if (!over && existsSync(file)) process.kill(Number(readFileSync(file, 'utf8').split('\n')[0]), name);
    };
    // A test run that ends early leaves no server behind.
    const abandoned = () => signal('SIGQUIT');
    process.once('exit', abandoned);
    const stop = async () => {
      process.off('exit', abandoned);
      // The fast shutdown, which waits for no client.
      signal('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    };
    while (!over && !(await ask('select 1').then(Boolean, () => false)))
      await new Promise((resolve) => setTimeout(resolve, 50));
    if (over) {
      // Another process may have taken the port between the look and the start.
      if (tries < 3 && said.includes('Address already in use')) continue;
      rmSync(folder, { recursive: true, force: true });
      throw new Error(`PostgreSQL did not start:\n${said}`);
    }
    let databases = 0;
    const fresh = async () => {
      databases += 1;
      await ask(`create database bascule_${databases}`);
      return url(`bascule_${databases}`);
    };
    return { url: await fresh(), password, fresh, ask, stop };
  }
}

function without(why: string): undefined {
  console.log(`PostgreSQL is not tested here: ${why}`);
}

function newestBinaries(): string | undefined {
  const root = '/usr/lib/postgresql';
  if (!existsSync(root)) return undefined;
  return readdirSync(root)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')) && existsSync(join(bin, 'postgres')));
}

/** Whom the server must run as: undefined for ourselves, `none` when that is impossible. */
async function ownerOfServer(): Promise<{ readonly uid: number; readonly gid: number } | 'none' | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (what) => (await run('id', [what, 'postgres'])).stdout),
    );
    return { uid: Number(uid), gid: Number(gid) };
  } catch {
    return 'none';
  }
}

/** PostgreSQL cannot take port 0 itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
