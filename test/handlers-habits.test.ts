import { describe, expect, test } from 'vitest';
import { habit } from '../handlers/habits.ts';
import { commands } from '../handlers/index.ts';
import { cluster } from '../handlers/options.ts';
import { checkOptions, missingOptions, parseText } from '../src/parse.ts';
import { makeRegistry } from '../src/registry.ts';

const words = (text: string) => text.split(' ');
const registry = makeRegistry(commands, ['off'], cluster);

// biome-ignore format: this is a table
const same: Readonly<Record<string, string>> = {
  'pct list': 'ct list',
  'sudo pct list': 'ct list',
  '/usr/sbin/pct list': 'ct list',
  'PCT list': 'ct list',
  'pct status 103': 'ct show vmid:103',
  'pct config 103': 'ct show vmid:103',
  'pct start 103': 'ct start vmid:103',
  'pct shutdown 103': 'ct shutdown vmid:103',
  'pct stop 103': 'ct stop vmid:103',
  'pct reboot 103': 'ct reboot vmid:103',
  'pct destroy 103': 'ct destroy vmid:103',
  'qm list': 'vm list',
  'qm stop 200': 'vm stop vmid:200',
  'qm config 200': 'vm show vmid:200',
  'ct 103': 'ct show vmid:103',
  'vm 200': 'vm show vmid:200',
  'ct 103 start': 'ct start vmid:103',
  'ct ls': 'ct list',
  'ct': 'ct list',
  'ct config 103': 'ct show vmid:103',
  'nodes': 'node list',
  'node ovh1': 'node show node:ovh1',
  'pvecm status': 'quorum',
  'pvecm nodes': 'node list',
  'pvesr list': 'replication list',
  'pvesr status': 'replication list',
  'pvesr disable 103-0': 'replication disable job:103-0',
  'pvesr enable 103-0': 'replication enable job:103-0',
  'pvesr delete 103-0': 'replication remove job:103-0',
  'pvesr create-local-job 103-0 ovh3': 'replication add vmid:103 target:ovh3',
  'pvesr create-local-job 103-0 ovh3 --schedule */15': 'replication add vmid:103 target:ovh3 schedule:"*/15"',
  'pct snapshot 103 before-upgrade': 'snapshot create vmid:103 snapshot:before-upgrade',
  'pct listsnapshot 103': 'snapshot list vmid:103',
  'pct delsnapshot 103 before-upgrade': 'snapshot delete vmid:103 snapshot:before-upgrade',
  'pct rollback 103 before-upgrade': 'snapshot rollback vmid:103 snapshot:before-upgrade start:no',
  'pct rollback 103 before-upgrade --start 1': 'snapshot rollback vmid:103 snapshot:before-upgrade start:yes',
  'qm snapshot 200 v2': 'snapshot create vmid:200 snapshot:v2',
  'qm rollback 200 v2': 'snapshot rollback vmid:200 snapshot:v2 start:no',
  'ct snapshot 103 v2': 'snapshot create vmid:103 snapshot:v2',
  'pveversion': 'cluster status',
  'pveversion -v': 'cluster status',
  'ha-manager status': 'cluster status',
  'cancel r-7f3': 'run cancel id:r-7f3',
};

describe('habits', () => {
  test.each(Object.entries(same))('%s becomes %s', (typed, ours) => {
    expect(habit(words(typed))).toEqual({ text: ours });
  });

  test('every translation is a command that our own parser takes as it is', () => {
    for (const ours of Object.values(same)) {
      const parsed = parseText(ours, registry, () => undefined, '/pve ');
      const missing = missingOptions(parsed);
      if (missing.length === 0) expect(() => checkOptions(parsed, '/pve ')).not.toThrow();
      else expect([parsed.command.name, missing]).toEqual(['ct destroy', ['confirm']]);
    }
  });

  test.each([
    'pct create',
    'pct create 112 local:vztmpl/debian.tar.zst',
    'pct enter 103',
    'pct exec 103 -- ls',
    'pct migrate 103 ovh2',
    'qm create 300',
    'qm destroy 200',
    'pct',
    'zfs list',
    'zpool status',
    'vzdump 103',
    'pvesh get /nodes',
    'pvecm expected 1',
    'ha-manager migrate ct:103 ovh2',
    'ssh ovh1',
    'approve r-1',
    'pvesr frobnicate',
  ])('%s is answered with a hint', (typed) => {
    const answer = habit(words(typed));
    expect(answer).toHaveProperty('hint');
    expect(answer).not.toHaveProperty('text');
  });

  test.each([
    'pct stop 103 --skiplock',
    'pct destroy 103 --purge',
    'pct shutdown 103 --forceStop 1',
    'pct list --full',
    'pvesr delete 103-0 --force',
    'qm stop 200 201',
    'pct snapshot 103 v2 --description x',
    'qm snapshot 200 v2 --vmstate 1',
    'pct delsnapshot 103 v2 --force 1',
    'pct rollback 103 v2 --start maybe',
    'pct rollback 103',
    'pct listsnapshot',
  ])('%s is not translated with an option dropped', (typed) => {
    expect(habit(words(typed))).toHaveProperty('hint');
  });

  test.each([
    'pct stop 103;reboot',
    'pct stop vmid:103',
    'pct stop "103',
    'pct stop --all',
    'pvesr disable 103-0,110-0',
    'cancel a:b',
    'pct snapshot 103 v2;reboot',
    'pct rollback 103 snapshot:v2',
  ])('%s smuggles nothing into a command', (typed) => {
    expect(habit(words(typed))).not.toHaveProperty('text');
  });

  test.each([
    '',
    'quorum',
    'constructor',
    '__proto__',
    'ct frobnicate',
    'hello world',
    'ct create',
    'nodes please',
    'ct 103 constructor',
  ])("%j is nobody's habit", (typed) => {
    expect(habit(words(typed))).toBeUndefined();
  });

  test('no habit hides a command of ours', () => {
    for (const command of commands) {
      const parsed = parseText(command.examples[0]!, registry, () => ({ text: 'help' }), '/pve ');
      expect(parsed.command.name).toBe(command.name);
    }
  });
});
