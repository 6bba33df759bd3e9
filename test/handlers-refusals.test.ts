import { describe, expect, test } from 'vitest';
import { type Around, commandNamed, house, parse, planOf, refusalOf } from './views/ask.ts';
import { backup, card, type FakeWorld, fourNodes, GIB, job, snapshot } from './views/fake-view.ts';

type Row = readonly [
  title: string,
  command: string,
  options: Readonly<Record<string, string>>,
  arrange: (world: FakeWorld) => void,
  kind: string,
  why: RegExp,
  around?: Around,
];

const down = (name: string) => (world: FakeWorld) => {
  world.nodes = world.nodes.map((node) => (node.name === name ? { ...node, online: false } : node));
};
const nothing = () => {};
const storage = (node: string, change: object) => (world: FakeWorld) => {
  world.storages[node]![0] = { ...world.storages[node]![0]!, ...change };
};
const guest = (index: number, change: object) => (world: FakeWorld) => {
  world.guests[index] = { ...world.guests[index]!, ...change };
};
const noQuorum = (world: FakeWorld) => {
  down('ovh3')(world);
  down('ovh4')(world);
};
const backups = (change: object) => (world: FakeWorld) => {
  world.storages['ovh1']![2] = { ...world.storages['ovh1']![2]!, ...change };
};
const create = { hostname: 'newbie', node: 'ovh1' };
const ct = (change: object): Around => ({ house: { ...house, ct: { ...house.ct, ...change } } });

// biome-ignore format: this is a table
const table: readonly Row[] = [
  ['a name that is taken', 'ct create', { ...create, hostname: 'robotoff' }, nothing, 'conflict', /robotoff is taken by CT 103 on ovh1/],
  ['a name that is reserved', 'ct create', create, nothing, 'conflict', /name newbie is reserved/, { reserved: ['hostname/off/newbie'] }],
  ['a number that is taken', 'ct create', { ...create, vmid: '103' }, nothing, 'conflict', /number 103 is taken/],
  ['a number that is reserved', 'ct create', { ...create, vmid: '150' }, nothing, 'conflict', /number 150 is reserved/, { reserved: ['vmid/off/150'] }],
  ['a number outside the house range', 'ct create', { ...create, vmid: '300' }, nothing, 'bad-input', /give out 100 to 199, not 300/],
  ['a number over the octet', 'ct create', { ...create, vmid: '256' }, nothing, 'bad-input', /256 does not fit an octet/, ct({ range: undefined })],
  ['the broadcast number', 'ct create', { ...create, vmid: '255' }, nothing, 'bad-input', /255 does not fit the last octet/, ct({ range: undefined })],
  ['a network address in a small network', 'ct create', { ...create, vmid: '112' }, nothing, 'bad-input', /network's own address/, ct({ address: '10.1.0.{vmid}/28' })],
  ['a broadcast address in a small network', 'ct create', { ...create, vmid: '127' }, nothing, 'bad-input', /broadcast address/, ct({ address: '10.1.0.{vmid}/28' })],
  ['an address that is taken', 'ct create', { ...create, vmid: '150' }, guest(2, { networks: [card('10.1.0.150/24')] }), 'conflict', /10\.1\.0\.150 is taken by guest 117/],
  ['an address that is reserved', 'ct create', { ...create, vmid: '150' }, nothing, 'conflict', /address 10\.1\.0\.150 is reserved/, { reserved: ['address/off/10.1.0.150'] }],
  ['the address of the gateway', 'ct create', { ...create, vmid: '150' }, nothing, 'conflict', /is the gateway/, ct({ gateway: '10.1.0.150' })],
  ['a range without a free number', 'ct create', create, nothing, 'conflict', /no number from 103 to 103/, ct({ range: [103, 103] })],
  ['an unknown node', 'ct create', { ...create, node: 'ovh9' }, nothing, 'not-found', /no node ovh9/],
  ['a node that is down', 'ct create', { ...create, node: 'ovh2' }, down('ovh2'), 'unavailable', /ovh2 is offline/],
  ['no quorum', 'ct create', create, noQuorum, 'no-quorum', /2 of 3 needed votes/],
  ['a full storage', 'ct create', create, storage('ovh1', { free: 7 * GIB }), 'conflict', /8 GiB do not fit: 7 GiB free on local-zfs/],
  ['an unknown storage', 'ct create', { ...create, storage: 'fast' }, nothing, 'not-found', /ovh1 has no storage fast/],
  ['an inactive storage', 'ct create', create, storage('ovh1', { active: false }), 'unavailable', /not active on ovh1/],
  ['a storage without containers', 'ct create', { ...create, storage: 'local' }, nothing, 'bad-input', /takes no containers/],
  ['a missing template', 'ct create', { ...create, template: 'alpine' }, nothing, 'not-found', /no template that begins with alpine/],
  ['a missing bridge', 'ct create', create, (world) => (world.bridges['ovh1'] = ['vmbr7']), 'not-found', /no bridge vmbr0 \(it has vmbr7\)/],
  ['a replica on the same node', 'ct create', { ...create, replicate: 'ovh1' }, nothing, 'bad-input', /on ovh1 itself/],
  ['a replica on a dead node', 'ct create', create, down('ovh3'), 'unavailable', /ovh3 is offline/],
  ['a replica where the storage is no ZFS', 'ct create', create, storage('ovh3', { type: 'lvmthin' }), 'conflict', /of ovh3 is lvmthin; only ZFS/],
  ['a replica where the storage id is missing', 'ct create', create, storage('ovh3', { id: 'tank' }), 'conflict', /ovh3 has no storage local-zfs/],
  ['a replica from a storage that is no ZFS', 'ct create', create, storage('ovh1', { type: 'dir' }), 'conflict', /of ovh1 is dir; only ZFS/],
  ['replicate:yes without a configured target', 'ct create', { ...create, replicate: 'yes' }, nothing, 'bad-input', /name no node/, ct({ replicateTo: [] })],
  ['a bad schedule in the house rules', 'ct create', create, nothing, 'bad-input', /minute 22 of every hour/, ct({ replicateSchedule: '22' })],
  ['a token that may not replicate on 9', 'ct create', create, (world) => (world.permissions = { '/': ['Sys.Audit', 'Datastore.Allocate'] }), 'no-privilege', /lacks VM\.Replicate on \/vms\/100 \(PVE 9\)/],

  ['starting what runs', 'ct start', { vmid: '103' }, nothing, 'conflict', /already running/],
  ['stopping what is stopped', 'ct stop', { vmid: '110' }, nothing, 'conflict', /already stopped/],
  ['shutting down what is stopped', 'ct shutdown', { vmid: '110' }, nothing, 'conflict', /already stopped/],
  ['rebooting what is stopped', 'ct reboot', { vmid: '110' }, nothing, 'conflict', /already stopped/],
  ['starting under a lock', 'ct start', { vmid: '110' }, guest(1, { lock: 'backup' }), 'conflict', /locked \(backup\)/],
  ['stopping on a dead node', 'ct stop', { vmid: '117' }, down('ovh2'), 'unavailable', /ovh2 is offline/],
  ['stopping what is unknown', 'ct stop', { vmid: '103' }, guest(0, { status: 'unknown' }), 'unavailable', /does not tell whether it runs/],
  ['starting without quorum', 'ct start', { vmid: '110' }, noQuorum, 'no-quorum', /no quorum/],
  ['starting what HA gave up on', 'ct start', { vmid: '110' }, (world) => (world.services = [{ sid: 'ct:110', node: 'ovh1', crmState: 'error', state: 'error' }]), 'conflict', /HA gave up on it/],
  ['a VM as a container', 'ct start', { vmid: '200' }, nothing, 'not-found', /no such guest/],
  ['a container as a VM', 'vm stop', { vmid: '103' }, nothing, 'not-found', /no such guest/],
  ['a guest that the asker may not see', 'ct stop', { vmid: '103' }, nothing, 'not-found', /no such guest/, { sees: (vmid) => vmid !== 103 }],

  ['destroying with a wrong number', 'ct destroy', { vmid: '110', confirm: '103' }, nothing, 'bad-input', /confirm:103 is not its number/],
  ['destroying what runs', 'ct destroy', { vmid: '103', confirm: '103' }, nothing, 'conflict', /it is running/],
  ['destroying what is protected', 'ct destroy', { vmid: '110', confirm: '110' }, guest(1, { protection: true }), 'conflict', /protection is on/],
  ['destroying what a cut-off create left', 'ct destroy', { vmid: '110', confirm: '110' }, guest(1, { lock: 'create' }), 'conflict', /locked \(create\)/],

  ['replicating to its own node', 'replication add', { vmid: '110', target: 'ovh1' }, nothing, 'bad-input', /on ovh1 itself/],
  ['replicating to an unknown node', 'replication add', { vmid: '110', target: 'ovh9' }, nothing, 'not-found', /no node ovh9/],
  ['replicating to a dead node', 'replication add', { vmid: '110', target: 'ovh3' }, down('ovh3'), 'unavailable', /ovh3 is offline/],
  ['a second job to one target', 'replication add', { vmid: '103', target: 'ovh3' }, nothing, 'conflict', /job 103-0 already copies it there/],
  ['a job to a target that is just being removed', 'replication add', { vmid: '103', target: 'ovh3' }, (world) => (world.jobs = [job('103-0', 'ovh1', 'ovh3', { removing: true })]), 'conflict', /being removed/],
  ['replicating without the storage', 'replication add', { vmid: '110', target: 'ovh3' }, storage('ovh3', { id: 'tank' }), 'conflict', /no storage local-zfs; both sides/],
  ['replicating a bind mount', 'replication add', { vmid: '110', target: 'ovh3' }, guest(1, { volumes: [{ key: 'mp0', volid: '/mnt/data', replicate: true }] }), 'conflict', /mp0 is a bind or device mount/],
  ['replicating nothing', 'replication add', { vmid: '110', target: 'ovh3' }, guest(1, { volumes: [{ key: 'mp0', volid: '/mnt/data', replicate: false }] }), 'conflict', /no volume of it needs a copy/],
  ['replicating without the right on 9', 'replication add', { vmid: '110', target: 'ovh3' }, (world) => (world.permissions = { '/': ['VM.Replicate'], '/vms/110': ['VM.Audit'] }), 'no-privilege', /VM\.Replicate on \/vms\/110/],
  ['replicating without the right on 8', 'replication add', { vmid: '110', target: 'ovh3' }, (world) => { world.version = { major: 8, minor: 4, text: '8.4.21' }; world.permissions = { '/': ['VM.Replicate'], '/storage/local-zfs': ['Datastore.Allocate'] }; }, 'no-privilege', /Datastore\.Allocate on \/storage \(PVE 8\)/],
  ['an unknown job', 'replication remove', { job: '104-0' }, nothing, 'not-found', /no such job/],
  ['a guest with two jobs', 'replication disable', { job: '103' }, (world) => world.jobs.push(job('103-1', 'ovh1', 'ovh4')), 'bad-input', /103 has 2 jobs/],
  ['removing twice', 'replication remove', { job: '103-0' }, (world) => (world.jobs = [job('103-0', 'ovh1', 'ovh3', { removing: true })]), 'conflict', /being removed already/],
  ['a backup of a hidden guest', 'backup run', { vmid: '103' }, nothing, 'not-found', /no such guest/, { sees: (vmid) => vmid !== 103 }],
  ['a backup under a lock', 'backup run', { vmid: '103' }, guest(0, { lock: 'backup' }), 'conflict', /locked \(backup\)/],
  ['a backup on a dead node', 'backup run', { vmid: '117' }, down('ovh2'), 'unavailable', /ovh2 is offline/],
  ['a backup without quorum', 'backup run', { vmid: '103' }, noQuorum, 'no-quorum', /no quorum/],
  ['a backup with none to write to', 'backup run', { vmid: '103' }, (world) => (world.storages['ovh1'] = world.storages['ovh1']!.slice(0, 1)), 'not-found', /no storage of ovh1 takes backups/],
  ['a backup of a guest in no job', 'backup run', { vmid: '110' }, nothing, 'bad-input', /no backup job names a storage for it, and ovh1 has several/],
  ['a backup to an unknown storage', 'backup run', { vmid: '103', storage: 'nosuch' }, nothing, 'not-found', /ovh1 has no storage nosuch/],
  ['a backup to a storage for disks', 'backup run', { vmid: '103', storage: 'local-zfs' }, nothing, 'bad-input', /takes no backups/],
  ['a backup to a dead storage', 'backup run', { vmid: '103' }, backups({ active: false }), 'unavailable', /backups does not answer on ovh1/],
  ['a backup to a full storage', 'backup run', { vmid: '103' }, backups({ free: 300 * GIB }), 'conflict', /96 % full, 300 GiB are free/],
  ['a backup that would not fit', 'backup run', { vmid: '103' }, (world) => world.backups.push({ ...backup(103, 5), size: 6000 * GIB }), 'conflict', /its last backup has 5.9 TiB/],
  ['a backup beside another of the node', 'backup run', { vmid: '103' }, (world) => (world.runningBackups = { ovh1: [{ upid: 'UPID', vmid: 110, ours: false }] }), 'conflict', /a backup of 110 runs on ovh1/],
  ['a backup beside a job of the node', 'backup run', { vmid: '103' }, (world) => (world.runningBackups = { ovh1: [{ upid: 'UPID', ours: false }] }), 'conflict', /a backup job runs on ovh1/],
  ['running a disabled job', 'replication run', { job: '103-0' }, (world) => (world.jobs = [job('103-0', 'ovh1', 'ovh3', { disabled: true })]), 'conflict', /scheduler passes over disabled/],
  ['running a job that runs', 'replication run', { job: '103-0' }, (world) => (world.states = world.states.map((state) => ({ ...state, running: true }))), 'conflict', /copying right now/],
  ['running a job to a dead node', 'replication run', { job: '103-0' }, down('ovh3'), 'unavailable', /target ovh3 is offline/],
  ['running a job from a dead node', 'replication run', { job: '103-0' }, down('ovh1'), 'unavailable', /ovh1 is offline/],
  ['disabling twice', 'replication disable', { job: '103-0' }, (world) => (world.jobs = [job('103-0', 'ovh1', 'ovh3', { disabled: true })]), 'conflict', /disabled already/],
  ['enabling twice', 'replication enable', { job: '103-0' }, nothing, 'conflict', /enabled already/],
  ['a snapshot name that is taken', 'snapshot create', { vmid: '103', snapshot: 'before-upgrade' }, nothing, 'conflict', /taken by one that is 5 h old/],
  ['a snapshot name that is reserved', 'snapshot create', { vmid: '103', snapshot: 'v3' }, nothing, 'conflict', /snapshot name v3 is reserved/, { reserved: ['snapshot/off/103/v3'] }],
  ['a guest with a bind mount', 'snapshot create', { vmid: '110', snapshot: 'v3' }, (world) => { world.unable = [110]; guest(1, { volumes: [{ key: 'mp0', volid: '/mnt/data', replicate: true }] })(world); }, 'conflict', /mp0 is a bind or device mount/],
  ['a guest on a directory', 'snapshot create', { vmid: '110', snapshot: 'v3' }, (world) => (world.unable = [110]), 'conflict', /storage without snapshots \(rootfs local-zfs:subvol-110-disk-0\)/],
  ['a snapshot under a lock', 'snapshot create', { vmid: '103', snapshot: 'v3' }, guest(0, { lock: 'backup' }), 'conflict', /locked \(backup\)/],
  ['a snapshot on a dead node', 'snapshot create', { vmid: '117', snapshot: 'v3' }, down('ovh2'), 'unavailable', /ovh2 is offline/],
  ['a snapshot without quorum', 'snapshot create', { vmid: '103', snapshot: 'v3' }, noQuorum, 'no-quorum', /no quorum/],
  ['a snapshot of a hidden guest', 'snapshot create', { vmid: '103', snapshot: 'v3' }, nothing, 'not-found', /no such guest/, { sees: (vmid) => vmid !== 103 }],
  ['an unknown snapshot', 'snapshot delete', { vmid: '103', snapshot: 'nosuch' }, nothing, 'not-found', /no snapshot nosuch/],
  ['the pseudo snapshot', 'snapshot delete', { vmid: '103', snapshot: 'current' }, nothing, 'not-found', /no snapshot current/],
  ['a name in another case', 'snapshot rollback', { vmid: '103', snapshot: 'Before-Upgrade' }, nothing, 'not-found', /no snapshot Before-Upgrade/],
  ['half a snapshot', 'snapshot delete', { vmid: '103', snapshot: 'v3' }, (world) => world.snapshots[103]!.push(snapshot('v3', 1, { usable: false })), 'conflict', /half made or half deleted/],
  ['half a snapshot', 'snapshot rollback', { vmid: '103', snapshot: 'v3' }, (world) => world.snapshots[103]!.push(snapshot('v3', 1, { usable: false })), 'conflict', /half made or half deleted/],
  ['an older snapshot on ZFS', 'snapshot rollback', { vmid: '103', snapshot: 'autodaily261114020001' }, nothing, 'conflict', /only to the newest snapshot, and autodaily261114020001 has newer ones: before-upgrade/],
  ['a token that may not roll back', 'snapshot rollback', { vmid: '103', snapshot: 'before-upgrade' }, (world) => (world.permissions = { '/': ['VM.Snapshot.Rollback'], '/vms': ['VM.Snapshot'] }), 'no-privilege', /lacks VM\.Snapshot\.Rollback on \/vms\/103/],
  ['a guest of unknown state', 'snapshot rollback', { vmid: '103', snapshot: 'before-upgrade' }, guest(0, { status: 'unknown' }), 'unavailable', /does not tell whether it runs/],
  ['to keep a VM down whose memory comes back', 'snapshot rollback', { vmid: '200', snapshot: 'golden', start: 'no' }, (world) => (world.snapshots[200] = [snapshot('golden', 3, { memory: true })]), 'bad-input', /golden holds its memory/],
  ['disabling without quorum', 'replication disable', { job: '103-0' }, noQuorum, 'no-quorum', /no quorum/],
];

describe('refusals', () => {
  for (const [title, command, options, arrange, kind, why, around] of table) {
    test(`${command} refuses ${title}, says why and what next`, async () => {
      const world = fourNodes();
      arrange(world);
      const refusal = await refusalOf(command, options, world, around);
      expect(refusal).toMatchObject({ kind });
      expect(refusal.why).toMatch(why);
      expect(refusal.what).not.toBe('');
      expect(refusal.next).not.toBe('');
    });
  }

  test('what the asker may not see is refused without being named', async () => {
    const world = fourNodes();
    world.guests[2] = { ...world.guests[2]!, networks: [card('10.1.0.150/24')] };
    const around: Around = { sees: (vmid) => vmid === 103 };
    const address = await refusalOf('ct create', { ...create, vmid: '150' }, world, around);
    expect(address.why).toBe('the address 10.1.0.150 is taken by another guest');
    const name = await refusalOf('ct create', { ...create, hostname: 'wiki' }, world, around);
    expect(name.why).toBe('the name wiki is taken');
    expect(JSON.stringify([address, name])).not.toMatch(/117|ovh2/);
  });

  test('the missing right comes with the pveum line of its version', async () => {
    const world = fourNodes();
    world.permissions = { '/': ['Sys.Audit'] };
    const nine = await refusalOf('replication add', { vmid: '110', target: 'ovh3' }, world);
    expect(nine.next).toContain('pveum role add BasculeReplicate --privs VM.Replicate; pveum acl modify /vms/110');
    world.version = { major: 8, minor: 4, text: '8.4.21' };
    const eight = await refusalOf('replication add', { vmid: '110', target: 'ovh3' }, world);
    expect(eight.next).toContain('--privs Datastore.Allocate; pveum acl modify /storage');
  });

  test('a right on the pool of a guest counts', async () => {
    const world = fourNodes();
    world.guests[1] = { ...world.guests[1]!, pool: 'chatops' };
    world.permissions = { '/': ['Sys.Audit'], '/pool/chatops': ['VM.Replicate'] };
    await expect(planOf('replication add', { vmid: '110', target: 'ovh3' }, world)).resolves.toBeDefined();
  });
});

describe('options', () => {
  const message = (command: string, options: Record<string, string>): string => {
    try {
      parse(commandNamed(command), options);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  // biome-ignore format: this is a table
  const wrong: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['ct create', {}, /^hostname is missing, for example hostname:robotoff$/],
    ['ct create', { hostname: 'a/b' }, /"\/" cannot be in a hostname/],
    ['ct create', { hostname: 'a.b' }, /"\." cannot be in a hostname/],
    ['ct create', { hostname: '-a' }, /must begin and end/],
    ['ct create', { hostname: '112' }, /mistaken for a vmid/],
    ['ct create', { hostname: 'x'.repeat(64) }, /64 characters, 63 are allowed/],
    ['ct create', { hostname: 'a\u202eb' }, /"\\u\{202E\}" cannot be/],
    ['ct create', { hostname: 'a', vmid: '99' }, /must be 100 to/],
    ['ct create', { hostname: 'a', vmid: '1e3' }, /not a vmid/],
    ['ct create', { hostname: 'a', memory: 'lots' }, /not a memory size/],
    ['ct create', { hostname: 'a', disk: '0' }, /must be 1 to/],
    ['ct create', { hostname: 'a', start: 'maybe' }, /start is yes or no/],
    ['ct create', { hostname: 'a', tags: 'ok,not ok!' }, /"ok!" cannot be a tag/],
    ['ct create', { hostname: 'a', template: '../etc' }, /not the name of a template/],
    ['ct create', { hostname: 'a', node: 'ovh1;rm' }, /not the name of a node/],
    ['ct show', { vmid: '7' }, /from 100 to/],
    ['ct show', { vmid: 'a b' }, /neither a vmid nor/],
    ['ct shutdown', { vmid: '103', timeout: '5 years' }, /not a duration/],
    ['ct shutdown', { vmid: '103', timeout: '1h' }, /longer than 900 s/],
    ['replication add', { vmid: '103', target: 'ovh3', schedule: 'mon..fri 22' }, /write mon\.\.fri 22:00/],
    ['replication disable', { job: 'ct:103' }, /not a replication job/],
    ['approval show', { id: '../x' }, /not a request id/],
    ['ct list', { tag: ' ' }, /tag is empty/],
    ['snapshot create', { vmid: '103', snapshot: 'current' }, /a name that Proxmox uses itself/],
    ['snapshot create', { vmid: '103', snapshot: 'VZDUMP' }, /a name that Proxmox uses itself/],
    ['snapshot create', { vmid: '103', snapshot: 'x' }, /not a snapshot's name: a letter, then at least one/],
    ['snapshot create', { vmid: '103', snapshot: '1st' }, /not a snapshot's name/],
    ['snapshot create', { vmid: '103', snapshot: 'a b' }, /not a snapshot's name/],
    ['snapshot create', { vmid: '103', snapshot: '../x' }, /not a snapshot's name/],
    ['snapshot create', { vmid: '103', snapshot: '__replicate_103-0_1__' }, /not a snapshot's name/],
    ['snapshot create', { vmid: '103', snapshot: 'é-1' }, /not a snapshot's name/],
    ['snapshot create', { vmid: '103', snapshot: 'x'.repeat(41) }, /41 characters, 40 are allowed/],
    ['snapshot create', { vmid: '103', snapshot: 'autohourly261114020001' }, /taken for one of proxmox-autosnap/],
    ['snapshot create', { vmid: '103', snapshot: 'v3', description: 'bascule:r-0' }, /the mark of what runs made/],
    ['snapshot rollback', { vmid: '103', snapshot: 'v3', start: 'maybe' }, /start is yes or no/],
  ];
  for (const [command, options, expected] of wrong) {
    test(`${command} ${JSON.stringify(options).slice(0, 60)} is answered with ${expected}`, () => {
      expect(message(command, options)).toMatch(expected);
    });
  }

  test('units are read as people write them', () => {
    const read = (options: Record<string, string>) => parse(commandNamed('ct create'), { hostname: 'A', ...options });
    expect(read({ memory: '2G', disk: '1T', cores: '4', start: 'off' })).toMatchObject({
      hostname: 'a',
      memory: 2048,
      disk: 1024,
      cores: 4,
      start: false,
    });
    expect(read({ tags: 'Web; web team-a' })).toMatchObject({ tags: ['web', 'team-a'] });
    expect(parse(commandNamed('ct reboot'), { vmid: '103', timeout: '1m30s' })).toMatchObject({ timeout: 90 });
  });
});
