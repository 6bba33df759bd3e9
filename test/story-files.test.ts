import { existsSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { RequestRecord } from '../src/contracts/records.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/**
 * Files of a container from the first word to what stands on its disk: found, shown, brought back, taken back, through
 * a lost connection and against everything that is wrong. CT 103 runs on ovh2 and is replicated to ovh3.
 */

let world: World;
afterEach(() => world?.close());

const CONF = '/etc/nginx/nginx.conf';
const OLD = 'manual-by-admin';
const BESIDE = /^nginx\.conf\.restored-\d{8}T\d{6}Z$/;
const KEPT = /^nginx\.conf\.before-restore-\d{8}T\d{6}Z$/;
const UNDONE = /^nginx\.conf\.undone-\d{8}T\d{6}Z$/;

async function open(options: WorldOptions = {}): Promise<World> {
  world = await openWorld({
    ssh: true,
    ...options,
    simulator: { speed: 0, pbs: true, past: true, ...options.simulator },
  });
  return world;
}
const place = (path: string): string => join(world.simulator.files(103), path);
const text = (path: string): string => readFileSync(place(path), 'utf8');
/** The names beside nginx.conf that are like this. */
const beside = (like: RegExp): string[] => readdirSync(place(dirname(CONF))).filter((name) => like.test(name));
const now = (): string => text(CONF);
/** It waited one hour and more for an answer in the version before the mistake. */
const was = (): string => readFileSync(join(world.simulator.snapshotFiles(103, OLD), CONF), 'utf8');

/** Everything below a folder with its text, so that nothing can change unseen. */
function everything(folder: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile())
      files[join(entry.parentPath, entry.name)] = readFileSync(join(entry.parentPath, entry.name), 'latin1');
  return files;
}

async function over(command: string): Promise<RequestRecord> {
  const request = await world.slack.waitFor(async () => {
    const newest = await world.request(command).catch(() => undefined);
    return newest && ['done', 'failed', 'in-doubt'].includes(newest.state) ? newest : undefined;
  }, `the end of ${command}`);
  await world.settled();
  return request;
}

async function restores(line = `file restore vmid:103 path:${CONF} from:${OLD}`): Promise<RequestRecord> {
  await world.oscar.says(line);
  await world.oscar.clicks('Run it', 'Restore');
  return over('file restore');
}

/** In place, which takes somebody else's word. */
async function overwrites(): Promise<RequestRecord> {
  await world.oscar.says(`file restore vmid:103 path:${CONF} from:${OLD} overwrite:yes`);
  await world.nina.clicks('Approve', 'Restore');
  return over('file restore');
}

test('versions come from snapshots, replicas and backups, each node asked once', async () => {
  await open();
  await world.oscar.says(`file versions vmid:103 path:${CONF}`);
  const card = await world.oscar.reads(`${CONF} in CT 103 nutrition`, 'versions, 3 different');
  for (const line of [
    /^live +now +A/m,
    /^ovh3:__replicate_103-0_\d+__ .* A /m,
    /^manual-by-admin .* C .* zfs, not in the GUI/m,
    /^pbs:\S+Z .* C\? /m,
  ])
    expect(card).toMatch(line);
  const asked = world.simulator.sshCalls.filter(({ request }) => request?.verb === 'file.versions');
  expect(asked.map(({ node }) => node).sort()).toEqual(['ovh2', 'ovh3']);
});

test('what it was is shown with its secrets masked, and its difference to now', async () => {
  await open();
  const old = 'DATABASE_PASSWORD=not-a-real-secret';
  expect(
    [text('/srv/app/.env'), readFileSync(join(world.simulator.snapshotFiles(103, OLD), 'srv/app/.env'), 'utf8')].every(
      (each) => each.includes(old),
    ),
  ).toBe(true);
  await world.oscar.says(`file show vmid:103 path:/srv/app/.env from:${OLD}`);
  const card = await world.oscar.reads('/srv/app/.env in CT 103', '2 secrets masked');
  expect(card).toContain('-DATABASE_PASSWORD=***secret-1***');
  expect(card).toContain('+DATABASE_PASSWORD=***secret-2***');
  await world.oscar.says('file show vmid:103 path:/etc/shadow');
  expect(await world.oscar.reads('/etc/shadow in CT 103', 'passwords or keys', 'Mode: 0640')).not.toContain('99999');
  await world.oscar.says(`file versions 103 ${CONF}`);
  const backup = /^(pbs:\S+) /m.exec(await world.oscar.reads('versions, 3 different'))![1]!;
  await world.oscar.says(`file show 103 ${CONF} from:${backup}`);
  await world.oscar.reads(`${CONF} in CT 103 nutrition, ${backup}`, 'worker_connections');
  await world.settled();
  expect(
    world.logged.join('') + world.oscar.sees().join('') + JSON.stringify(await world.store.auditFrom(0, 1000)),
  ).not.toContain('not-a-real-secret');
});

test('who may only look is told what a file is and not what is in it', async () => {
  await open();
  await world.vera.says(`file show vmid:103 path:${CONF}`);
  const card = await world.vera.reads(`${CONF} in CT 103`, 'Size: 352 B', 'not what is in it');
  expect(card).not.toContain('worker_connections');
  expect(world.simulator.sshCalls.map(({ request }) => request?.verb)).not.toContain('file.show');
  await world.vera.says(`file restore vmid:103 path:${CONF} from:${OLD}`);
  await world.vera.reads('file restore', 'not allowed');
  await world.mallory.says(`file show vmid:103 path:${CONF}`);
  await world.mallory.reads('not allowed');
});

test('a file comes back beside the one there now, and goes aside again', async () => {
  await open();
  const [before, old] = [now(), was()];
  const run = await restores();
  expect(run.state).toBe('done');
  const [name] = beside(BESIDE);
  expect([now(), text(join(dirname(CONF), name!))]).toEqual([before, old]);
  await world.oscar.reads(
    'is back from manual-by-admin',
    `It is at ${dirname(CONF)}/${name}`,
    `file undo run:${run.id} takes it back until`,
  );
  await world.oscar.says(`file undo run:${run.id}`);
  await world.oscar.clicks('Run it', 'Undo the restore');
  expect((await over('file undo')).state).toBe('done');
  expect([beside(BESIDE), beside(UNDONE).map((each) => text(join(dirname(CONF), each))), now()]).toEqual([
    [],
    [old],
    before,
  ]);
  await world.oscar.reads('The restore of /etc/nginx/nginx.conf', 'is undone', '.undone-');
  await world.oscar.says(`file undo run:${run.id}`);
  await world.oscar.reads(`the restore ${run.id} was not undone`, 'it was undone before');
});

test('overwriting takes somebody else’s word, keeps the old one, and is taken back whole', async () => {
  await open();
  const [before, old] = [now(), was()];
  await world.oscar.says(`file restore vmid:103 path:${CONF} from:${OLD} overwrite:yes`);
  await world.oscar.reads('IN PLACE', 'until it is restarted', '0 of 1 approval');
  expect(now()).toBe(before);
  await world.nina.clicks('Approve', 'Restore');
  const run = await over('file restore');
  const [kept] = beside(KEPT);
  expect([now(), text(join(dirname(CONF), kept!))]).toEqual([old, before]);
  await world.oscar.reads(`The one before is at ${dirname(CONF)}/${kept}`);
  await world.oscar.says(`file undo run:${run.id}`);
  await world.oscar.clicks('Run it', 'Undo the restore');
  await over('file undo');
  expect([now(), beside(KEPT)]).toEqual([before, []]);
  await world.oscar.reads(`${CONF} is the one from before again`);
});

test('a restore that somebody has changed since, or of yesterday, is not taken back', async () => {
  await open();
  const run = await overwrites();
  writeFileSync(place(CONF), 'changed by somebody\n');
  const files = everything(world.simulator.files(103));
  await world.oscar.says(`file undo run:${run.id}`);
  await world.oscar.reads(`the restore ${run.id} was not undone`, 'was changed or moved since');
  world.clock.passes(25 * 3_600_000);
  await world.oscar.says(`file undo ${run.id}`);
  await world.oscar.reads(`the restore ${run.id} was not undone`, 'it could be undone until', 'move the files by hand');
  expect(everything(world.simulator.files(103))).toEqual(files);
});

test('a deleted file comes back under its own name, a folder with all that is in it', async () => {
  await open();
  expect(existsSync(place('/srv/app/routes.json'))).toBe(false);
  await restores(`file restore vmid:103 path:/srv/app/routes.json from:${OLD}`);
  expect(text('/srv/app/routes.json')).toContain('/healthz');
  rmSync(place('/etc/nginx'), { recursive: true });
  await world.oscar.says(`file restore vmid:103 path:${CONF} from:${OLD}`);
  await world.oscar.reads('was not restored', 'if its folder is gone too, restore that: path:/etc/nginx');
  await restores(`file restore vmid:103 path:/etc/nginx from:${OLD}`);
  expect([now(), existsSync(place('/etc/nginx/sites-available/default'))]).toEqual([was(), true]);
});

test('a stopped container’s file comes back on its node', async () => {
  await open();
  world.guest(103)!.running = false;
  const run = await restores();
  expect([run.state, beside(BESIDE).length]).toEqual(['done', 1]);
  await world.oscar.reads('is back from');
});

describe('a connection that is lost in the middle', () => {
  test('after it was done: it is found done, once, and told with its names', async () => {
    await open();
    world.simulator.onShell({ verb: 'file.restore', mode: 'run' }, { kind: 'lose-answer' });
    const run = await restores();
    expect([run.state, beside(BESIDE).length, beside(/^\.restore-/)]).toEqual(['done', 1, []]);
    expect(world.simulator.effects.all.filter(({ kind }) => kind === 'file.restore')).toHaveLength(1);
    await world.oscar.reads(
      'is back from',
      `It is at ${dirname(CONF)}/${beside(BESIDE)[0]}`,
      `file undo run:${run.id}`,
    );
    await world.oscar.says(`file undo run:${run.id}`);
    await world.oscar.clicks('Run it', 'Undo the restore');
    expect((await over('file undo')).state).toBe('done');
    expect(beside(BESIDE)).toEqual([]);
  });

  test('before anything was done: it is found out, and done then', async () => {
    await open();
    world.simulator.onShell({ verb: 'file.restore', mode: 'run' }, { kind: 'drop' });
    expect([(await overwrites()).state, now(), beside(KEPT).length]).toEqual(['done', was(), 1]);
    expect(world.simulator.effects.all.filter(({ kind }) => kind === 'file.restore')).toHaveLength(1);
  });

  test('for good: nobody claims to know, and the guest waits for somebody to look', async () => {
    await open();
    const before = now();
    world.simulator.onShell({ verb: 'file.restore', mode: 'run' }, { kind: 'drop' });
    world.simulator.onShell(
      { verb: 'file.restore', mode: 'probe', times: 100 },
      {
        kind: 'fail',
        failure: { kind: 'unavailable', what: 'nothing was looked at', why: 'the pool is busy', next: 'wait' },
      },
    );
    const run = await restores();
    expect([run.state, now()]).toEqual(['in-doubt', before]);
    await world.oscar.reads(
      'IN DOUBT',
      'the pool is busy',
      `ssh root@ovh2 cat /var/lib/bascule-node/restores/103-${run.id}.json`,
      'ssh root@ovh2 pct exec 103 -- ls -la /etc/nginx',
      `run cancel id:${run.id} closes it`,
    );
  });

  test('for good although it was done: closed by somebody who looked, it can be taken back', async () => {
    await open();
    world.simulator.onShell({ verb: 'file.restore', mode: 'run' }, { kind: 'lose-answer' });
    world.simulator.onShell(
      { verb: 'file.restore', mode: 'probe', times: 100 },
      {
        kind: 'fail',
        failure: { kind: 'unavailable', what: 'nothing was looked at', why: 'the pool is busy', next: 'wait' },
      },
    );
    const run = await restores();
    expect([run.state, beside(BESIDE).length]).toEqual(['in-doubt', 1]);
    await world.oscar.says(`file undo run:${run.id}`);
    await world.oscar.reads('was not undone', 'that restore is in doubt', `run cancel id:${run.id}`);
    await world.oscar.says(`run cancel id:${run.id}`);
    await world.becomes('failed', 'file restore');
    await world.oscar.says(`file undo run:${run.id}`);
    await world.oscar.clicks('Run it', 'Undo the restore');
    expect((await over('file undo')).state).toBe('done');
    expect([beside(BESIDE).length, beside(UNDONE).length]).toEqual([0, 1]);
  });

  test('in the undo: it is found done', async () => {
    await open();
    const before = now();
    const run = await overwrites();
    world.simulator.onShell({ verb: 'file.undo', mode: 'run' }, { kind: 'lose-answer' });
    await world.oscar.says(`file undo run:${run.id}`);
    await world.oscar.clicks('Run it', 'Undo the restore');
    expect([(await over('file undo')).state, now(), beside(UNDONE).length]).toEqual(['done', before, 1]);
  });
});

test('what changed between plan and approval asks again', async () => {
  await open();
  await world.oscar.says(`file restore vmid:103 path:${CONF} from:${OLD}`);
  await world.oscar.reads('Beside the one there now');
  renameSync(place(CONF), place('/etc/nginx/elsewhere'));
  await world.oscar.clicks('Run it', 'Restore');
  await world.oscar.reads('In its place: there is no /etc/nginx/nginx.conf now');
  await world.settled();
  expect([existsSync(place(CONF)), beside(BESIDE)]).toEqual([false, []]);
});

describe('bad input', () => {
  const restore = `file restore vmid:103 path:${CONF} from:${OLD}`;
  const hands = () => world.simulator.hands('ovh2');

  /** Types a line that must be refused in these words, and looks whether anything changed. */
  async function refused(what: string, line: string, says: readonly string[]): Promise<void> {
    const before = [await world.asItStands(), everything(world.simulator.files(103))];
    const seen = world.oscar.sees().length;
    await world.oscar.says(line);
    const answer = await world.slack.waitFor(() => world.oscar.sees()[seen], `an answer to ${what}`);
    for (const part of [...says, 'Next:']) expect(answer, what).toContain(part);
    await world.settled();
    expect([await world.asItStands(), everything(world.simulator.files(103))], what).toEqual(before);
  }

  // biome-ignore format: this is a table
  const typed: readonly (readonly [string, string, ...string[]])[] = [
    ['a path with ..',               `file restore vmid:103 path:/etc/../root/x from:${OLD}`,     'file restore was not run', '. or ..'],
    ['a path that is not absolute',  'file show vmid:103 path:etc/passwd',                        'file show was not run', 'must begin with /'],
    ['a path into .zfs',             'file show vmid:103 path:/.zfs/snapshot/x/etc',              'file show was not run', 'name the snapshot in from:'],
    ['a path that is nowhere',       'file versions vmid:103 path:/etc/nope',                     'no versions were looked up', 'has no /etc/nope'],
    ['no such version',              `file restore vmid:103 path:${CONF} from:nope`,              'was not restored', 'no snapshot nope', 'file versions'],
    ['a version misspelt',           `file restore vmid:103 path:${CONF} from:manual-by-adm`,     'was not restored', 'did you mean from:manual-by-admin?'],
    ['a version that cannot be one', `file restore vmid:103 path:${CONF} from:"a b"`,             'file restore was not run', 'is not a version'],
    ['live as the version',          `file restore vmid:103 path:${CONF} from:live`,              'was not restored', 'live is what is there now'],
    ['a version without the file',   'file restore vmid:103 path:/etc/nope from:manual-by-admin', 'was not restored', 'there is no /etc/nope in manual-by-admin'],
    ['no such container',            `file show vmid:999 path:${CONF}`,                           'There is no guest 999'],
    ['a VM',                         `file versions vmid:201 path:${CONF}`,                       'is a VM', 'File Restore'],
    ['no such backup',               `file show vmid:103 path:${CONF} from:pbs:2020-01-01T00:00:00Z`, 'was not shown', 'no such backup', 'the newest is from:pbs:'],
    ['a run that is none',           'file undo run:nope',                                        'There is no request nope'],
  ];

  test('of what is typed is answered with what is meant, and changes nothing', async () => {
    await open();
    for (const [what, line, ...says] of typed) await refused(what, line, says);
  });

  interface Trouble {
    readonly line?: string;
    readonly spoil: () => unknown;
    readonly mend?: () => unknown;
    readonly says: readonly string[];
  }
  const troubles: Readonly<Record<string, Trouble>> = {
    'a path through a link': {
      line: 'file versions vmid:103 path:/srv/link/nginx.conf',
      spoil: () => symlinkSync('/etc/nginx', place('/srv/link')),
      mend: () => rmSync(place('/srv/link')),
      says: ['goes through a symbolic link', 'use the real path: path:/etc/nginx/nginx.conf'],
    },
    'a link in the way of a restore': {
      spoil: () => {
        renameSync(place('/etc/nginx'), place('/srv/real'));
        symlinkSync('/srv/real', place('/etc/nginx'));
      },
      mend: () => {
        rmSync(place('/etc/nginx'));
        renameSync(place('/srv/real'), place('/etc/nginx'));
      },
      says: ['was not restored', 'goes through a symbolic link', '/srv/real'],
    },
    'a locked container': {
      spoil: () => Object.assign(world.guest(103)!, { lock: 'backup' }),
      mend: () => Object.assign(world.guest(103)!, { lock: undefined }),
      says: ['was not restored', 'locked (backup)'],
    },
    'a program that is missing': {
      spoil: () => Object.assign(hands(), { helper: 'missing' }),
      says: ['was not restored', 'cannot be started on ovh2', 'bascule setup node'],
    },
    'sudo that refuses': {
      spoil: () => Object.assign(hands(), { helper: 'no-sudo' }),
      mend: () => Object.assign(hands(), { helper: 'there' }),
      says: ['was not restored', 'sudo on ovh2 does not allow'],
    },
    'a disk that is full': {
      spoil: () => world.simulator.fillStorage('ovh2', 'local-zfs', 10),
      says: ['was not restored', 'the volume is full', 'free some space'],
    },
    'a node that does not allow it': {
      spoil: () => Object.assign(hands().config!, { verbs: ['hello', 'file.versions', 'file.stat'] }),
      says: ['was not restored', 'this node does not allow file.restore', '/etc/bascule-node.json'],
    },
    'a host key that changed': {
      spoil: () => {
        world.simulator.sshd('ovh2').changeHostKey();
        world.simulator.sshd('ovh2').cut();
      },
      says: ['was not restored', 'host key'],
    },
    'a node that is down': {
      spoil: () => world.simulator.unplug('ovh2'),
      says: ['was not restored', 'ovh2 is offline'],
    },
  };

  test('of the world is told before anybody is asked, and changes nothing', async () => {
    await open();
    for (const [what, { line = restore, spoil, mend, says }] of Object.entries(troubles)) {
      await spoil();
      await refused(what, line, says);
      await mend?.();
    }
  });

  test('without any node access, backups still tell and show, and the rest says what is missing', async () => {
    await open({ ssh: false });
    await world.oscar.says(`file versions vmid:103 path:${CONF}`);
    const card = await world.oscar.reads(`${CONF} in CT 103`, 'no SSH access, which would show');
    const backup = /^(pbs:\S+) /m.exec(card)![1]!;
    await world.oscar.says(`file show vmid:103 path:${CONF} from:${backup}`);
    await world.oscar.reads('worker_connections', 'Not compared with now');
    await refused('a restore without access', restore, ['was not restored', 'no SSH access to its nodes']);
    await refused('a restore from a backup', `${restore.replace(OLD, backup)}`, [
      'nothing there writes it into a container',
      'pct push 103',
    ]);
  });
});
