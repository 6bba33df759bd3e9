import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { Failed } from '../src/contracts/failure.ts';
import { readHouses } from '../src/house.ts';

/** What the config says of nodes, keys, scripts, snapshots and schedules. */
const folder = mkdtempSync(join(tmpdir(), 'bascule-hands-'));
afterAll(() => rmSync(folder, { recursive: true }));
const FILE = join(folder, 'bascule.yaml');
writeFileSync(
  join(folder, 'id'),
  '-----BEGIN OPENSSH PRIVATE KEY-----\nnever shown\n-----END OPENSSH PRIVATE KEY-----\n',
);
writeFileSync(join(folder, 'docker.sh'), '#!/bin/sh\napt-get install -y docker.io\n');
writeFileSync(join(folder, 'large.sh'), '#'.repeat(128 * 1024 + 1));
writeFileSync(join(folder, 'latin.sh'), Buffer.from([0x23, 0xe9, 0x0a]));
writeFileSync(join(folder, 'nul.sh'), 'a\0b');
writeFileSync(join(folder, 'none.sh'), '');

const PRINT = `SHA256:${'A'.repeat(43)}`;
const first = [
  'slack: {botToken: x, appToken: y}',
  'clusters:',
  '  home:',
  '    urls: [https://pve.example:8006]',
  '    token: x',
];
const shell = ['    shell:', `      key: \${file:id}`, `      nodes: {ovh1: {host: 10.0.0.1, hostKeys: ['${PRINT}']}}`];
const alerts = '    alerts: [{slack: C0OPS}]';

const parse = (...lines: readonly string[]) => parseConfig(`${[...first, ...lines].join('\n')}\n`, FILE, {});

function wrong(...lines: readonly string[]): string[] {
  try {
    parse(...lines);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    expect(error.failure.why).not.toContain('never shown');
    return error.failure.why.split('\n').map((line) => line.replace(`${FILE}: `, '').replaceAll(`${folder}/`, ''));
  }
  throw new Error('the config was taken');
}

describe('a config with nodes, keys and schedules that is right', () => {
  test('durations are seconds, and a first one has sound defaults', () => {
    const { home } = parse(...shell).clusters;
    expect(home?.shell).toMatchObject({ user: 'bascule', nodes: { ovh1: { host: '10.0.0.1', port: 22 } } });
    expect(home?.shell?.key).toContain('never shown');
    expect(home?.house.ssh).toEqual({ lease: 28_800, longest: 7_776_000, sudo: true, removedKeys: 'ask' });
    expect(home?.house.snapshots).toEqual([]);
  });

  test('snapshot classes, a jump node, alerts on both platforms and schedules', () => {
    const config = parse(
      ...shell,
      alerts,
      '    house:',
      '      ssh: {lease: 1d, removedKeys: apply, jump: {node: ovh1, host: gate.example}}',
      '      snapshots: [{tags: [prod], keep: {hourly: 36h, daily: 5d, monthly: 2m}}]',
      'automations: {key-drift: {schedule: "*/30 * * * *", budget: 5}, snapshots: {enabled: false}}',
    );
    expect(config.clusters['home']?.house.snapshots[0]?.keep).toEqual({
      hourly: 129_600,
      daily: 432_000,
      monthly: 5_184_000,
    });
    expect(config.clusters['home']?.house.ssh.jump).toMatchObject({ node: 'ovh1', account: 'bascule-jump', port: 22 });
    expect(config.automations['key-drift']).toEqual({ enabled: true, schedule: '*/30 * * * *', budget: 5 });
  });

  test('scripts are found beside the file, and read once with their SHA-256', () => {
    const config = parse('    house: {scripts: {docker: docker.sh}}');
    const script = readHouses(config).get('home')?.scripts['docker'];
    expect(script?.text).toBe('#!/bin/sh\napt-get install -y docker.io\n');
    expect(script?.sha256).toBe(createHash('sha256').update(script!.text).digest('hex'));
  });
});

describe('a config that is wrong says so at once', () => {
  // biome-ignore format: this is a table
  test.each<readonly [string, readonly string[], readonly string[]]>([
    ['a jump node that the bot cannot reach', [...shell, '    house: {ssh: {jump: {node: ovh9, host: h}}}'],
      ['clusters.home.house.ssh.jump.node: ovh9 is none of shell.nodes, so nobody could be let through']],
    ['a jump node without any shell', ['    house: {ssh: {jump: {node: ovh1, host: h}}}'],
      ['clusters.home.house.ssh.jump.node: ovh1 is none of shell.nodes, so nobody could be let through']],
    ['alerts where the bot cannot speak', ['    alerts: [{discord: "123456789012345678"}, {web: ops}]'],
      ['clusters.home.alerts: there is no discord: to speak through', 'clusters.home.alerts: web is only there in the demo']],
    ['a lease longer than the longest', ['    house: {ssh: {lease: 2d, longest: 1d}}'],
      ['clusters.home.house.ssh.lease: is longer than house.ssh.longest']],
    ['a script that is not there', ['    house: {scripts: {docker: no.sh}}'],
      ['clusters.home.house.scripts.docker: no.sh cannot be read (ENOENT)']],
    ['a script that is too large', ['    house: {scripts: {docker: large.sh}}'],
      ['clusters.home.house.scripts.docker: large.sh has 131073 bytes, at most 65000 are run']],
    ['a script that is not UTF-8', ['    house: {scripts: {docker: latin.sh}}'],
      ['clusters.home.house.scripts.docker: latin.sh is not UTF-8']],
    ['a script with a NUL', ['    house: {scripts: {docker: nul.sh}}'],
      ['clusters.home.house.scripts.docker: nul.sh holds a NUL byte, so it is no script']],
    ['an empty script', ['    house: {scripts: {docker: none.sh}}'],
      ['clusters.home.house.scripts.docker: none.sh is empty']],
    ['a script that is a folder', ['    house: {scripts: {docker: .}}'],
      [`clusters.home.house.scripts.docker: ${folder} is not a file`]],
    ['snapshots of nothing, of no class, told nowhere', ['    house: {snapshots: [{keep: {}}]}'],
      ['clusters.home.house.snapshots.0: names no guests, add vmids or tags',
        'clusters.home.house.snapshots.0.keep: names no class, for example daily: 5d',
        'clusters.home.house.snapshots: needs alerts:, where it is told when one fails']],
    ['keys removed at once, told nowhere', ['    house: {ssh: {removedKeys: apply}}'],
      ['clusters.home.house.ssh.removedKeys: apply needs alerts:, where it is told']],
    ['a schedule that is none', ['automations: {key-drift: {schedule: "hourly"}}'],
      [`automations.key-drift.schedule: "hourly" is no cron pattern of five fields (CronPattern: invalid configuration format ('hourly'), exactly five, six, or seven space separated parts are required.)`]],
    ['a schedule that never comes', ['automations: {key-drift: {schedule: "0 0 31 2 *"}}'],
      ['automations.key-drift.schedule: "0 0 31 2 *" is no cron pattern of five fields (it is never due)']],
  ])('%s', (_what, lines, says) => {
    expect(wrong(...lines)).toEqual(says);
  });

  test('a key and an agent, or neither; a host key that is no fingerprint; a duration that is none', () => {
    expect(wrong('    shell: {nodes: {}}').join()).toContain('give key or agent');
    expect(wrong(...shell, '      agent: /run/agent').join()).toContain('give key or agent');
    expect(wrong('    shell: {agent: /a, nodes: {ovh1: {host: h, hostKeys: [abc]}}}').join()).toContain('SHA256:…');
    expect(wrong('    house: {ssh: {lease: 8 hours}}').join()).toContain('must be a number with min, h, d, w, m');
  });
});
