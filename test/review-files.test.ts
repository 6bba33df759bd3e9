import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { letters, shorten } from '../handlers/parts/files-fold.ts';
import { openWorld, type World } from './world.ts';

/** Files whose owner means harm: long, deep, or written so that looking at them never ends. */

const masker = join(import.meta.dirname, '../src/contracts/secrets.ts');

describe('a file that was written to hold the bot up', () => {
  /** What one look may bring, all of it one of these; in a process of its own, which can be ended. */
  const HOSTILE = `
    const fill = (text, head = '', tail = '') => head + text.repeat(200_000 / text.length) + tail;
    const texts = [
      fill(' ', 'authorization'), fill('authorization '), fill('authorization:'), fill('eyJ-'), fill('eyJaaaaaaaa.'),
      fill('a.'), fill('a-'), fill('a+'), fill('a://'), fill('a://b:'), fill('h://a'), fill('a', 'https://a:'),
      fill(' ', 'password=x', 'x'), fill(' ', 'x password=x', 'x'), fill(' ', 'password', '='), fill('password '),
      fill('password=a;'), fill('password=a '), fill('password="a" '), fill('"password='), fill('aa '), fill('a:'),
      fill('"'), fill('\\\\', 'password="'), fill(' ', '(', "password , 'x'"), fill('machine password '),
      fill('\\t', 'set x password', 'b'), fill('password-'), fill('passwordpassword'), fill('key '), fill('apiKey'),
      fill('SG.aaaaaaaaaaaaaaaaaaaa'), fill('<a '), fill('<password a'), fill('<password>a'), fill(' -u a'), fill('?a=&'),
      fill('-----BEGIN RSA PRIVATE KEY-----'), fill('AAAA\\n', 'Private-Lines: 3\\n'), fill('AAAA\\n'),
      fill('  \\n', 'password: |\\n'), fill(' ', 'password: |\\n'), fill('password: |\\n'), fill('name: password\\n'),
      fill(' a:\\n', 'kind: Secret\\ndata:\\n'), fill('$6$'), fill('$1$a'), fill('bearer '), fill(' ', 'bearer'),
      fill('12345678:'), fill('env(', 'password='), fill('env', 'password='), fill('vault.', 'password='), fill('a.', 'password=', 'x'), fill('/a', 'password=/etc', ' '),
      fill('files ', 'passwd: ', '!'), fill('{{', 'password: '), fill('b', 'password=[a='), fill(' ', 'IDENTIFIED WITH'),
      fill(' ', 'PASSWORD'), fill('AKIA'), fill('ghp_'), fill('{SSHA}'), fill('PVEAPIToken='), fill('\\n'), fill(' \\n'),
      fill(' ', 'x:'), fill('-u '), fill('&password'), fill('sk-'), fill('token='), fill("password='"), fill('Ab'),
    ];
    for (const [n, text] of texts.entries()) {
      process.stdout.write(JSON.stringify(text.slice(0, 24)) + '\\n');
      new Masker().mask(text);
    }
    process.stdout.write('through\\n');
  `;

  test('is masked like any other', () => {
    const { stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', `import { Masker } from ${JSON.stringify(masker)};${HOSTILE}`],
      { timeout: 15_000, encoding: 'utf8' },
    );
    // The last line names the text that it hangs on.
    expect(stdout.trim().split('\n').at(-1)).toBe('through');
  });
});

test('a node that tells of a hundred thousand versions holds nobody up', () => {
  const versions = Array.from({ length: 100_000 }, (_, n) => ({
    name: `s${n}`,
    source: 'snapshot' as const,
    node: 'ovh1',
    from: `s${n}`,
    kind: 'snapshot',
    taken: n,
    type: 'file',
    identity: `i${n >> 1}`,
    sha256: `h${(n + 1) >> 1}`,
  }));
  // Each is like the next by one of its two names, so all are one.
  const marks = letters(versions);
  expect(new Set(marks)).toEqual(new Set(['A']));
  expect(shorten(marks, 24)).toMatchObject({ alike: 100_000 - 24 });
});

describe('while a restore is under way', () => {
  const OLD = 'manual-by-admin';
  const CONF = 'etc/nginx/nginx.conf';
  let world: World;
  afterEach(() => world?.close());
  const open = async (): Promise<World> => {
    world = await openWorld({ ssh: true, simulator: { speed: 0, past: true } });
    return world;
  };
  const text = () => readFileSync(join(world.simulator.files(103), CONF), 'utf8');

  /** Just after the bot has written down that it will restore. */
  function whenBegun(work: () => void): void {
    const { store } = world;
    const write = store.writeStep.bind(store);
    store.writeStep = async (step, audit) => {
      await write(step, audit);
      if (step.name === 'restore' && step.state === 'intent' && step.sent === 1) work();
    };
  }

  test('a snapshot that is replaced by a namesake is not what comes back', async () => {
    const { oscar, nina, simulator } = await open();
    const before = text();
    await oscar.says(`file restore vmid:103 path:/${CONF} from:${OLD} overwrite:yes`);
    await oscar.reads('IN PLACE', '0 of 1 approval');
    whenBegun(() => {
      const snapshot = simulator.disks.root(simulator.world.guest(103)!).snapshot(OLD)!;
      Object.assign(snapshot, { guid: '4711' });
    });
    await nina.clicks('Approve', 'Restore');
    expect((await world.becomes('failed', 'file restore')).note).toContain('is another one now (guid 4711)');
    expect(text()).toBe(before);
    await oscar.reads('Restore /etc/nginx/nginx.conf', 'failed', 'Next: look again', 'Nothing is left behind');
  });

  test('a helper that is replaced is asked for nothing more, and the run says what it knows', async () => {
    const { oscar, nina, simulator } = await open();
    await oscar.says(`file restore vmid:103 path:/${CONF} from:${OLD} overwrite:yes`);
    await oscar.reads('IN PLACE', '0 of 1 approval');
    simulator.onShell({ verb: 'file.restore', mode: 'run' }, { kind: 'lose-answer' });
    whenBegun(() => {
      simulator.hands('ovh2').sha256 = 'f'.repeat(64);
    });
    await nina.clicks('Approve', 'Restore');
    const run = await world.becomes('in-doubt', 'file restore');
    expect(run.left.join('\n')).toContain('is not the expected one');
    expect(run.left).toContain(`ssh root@ovh2 journalctl -t bascule-node -g ${run.id}`);
    const asked = simulator.sshCalls.filter(({ node, request }) => node === 'ovh2' && request?.id === run.id);
    expect(asked.map(({ request }) => `${request?.verb} ${request?.mode}`)).toEqual(['file.restore run']);
  });
});
