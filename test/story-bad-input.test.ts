import { afterEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { Failed } from '../src/contracts/failure.ts';
import { site } from './policy-world.ts';
import { type Name, openWorld, type World, type WorldOptions } from './world.ts';

/** Whatever is wrong is answered with what, why and what next, and leaves the cluster and the store as they were. */

let world: World;
afterEach(() => world?.close());

interface Row {
  readonly name: string;
  readonly says: string;
  /** All of this is in one private answer, and what to do next. */
  readonly reads: readonly string[];
  readonly who?: Name;
  readonly options?: WorldOptions;
  readonly arrange?: (world: World) => unknown;
}

const gib = 1024 ** 3;
const hostnameTooLong = 'a'.repeat(64);

// biome-ignore format: this is a table
const rows: readonly Row[] = [
  { name: 'an unknown command', says: 'ct creat hostname:fresh', reads: ['There is no command ct creat', 'did you mean /pve ct create?'] },
  { name: 'a word nobody knows', says: 'frobnicate everything', reads: ['There is no command frobnicate everything', '/pve help'] },
  { name: 'a noun with a verb it does not have', says: 'ct teleport 103', reads: ['There is no command ct teleport', 'ct has: create, destroy'] },
  { name: 'a misspelt option', says: 'ct create hostname:fresh nod:ovh1', reads: ['ct create was not run', 'it has no option nod:', 'did you mean node:?'] },
  { name: 'an option that is not there', says: 'ct list colour:red', reads: ['ct list was not run', 'it has no option colour:'] },
  { name: 'an option given twice', says: 'ct create hostname:a hostname:b', reads: ['hostname: is given twice'] },
  { name: 'a word too many', says: 'ct show 103 104', reads: ['"104" stands alone'] },
  { name: 'an open quote', says: 'ct create hostname:"fresh', reads: ['a quote is opened and never closed'] },
  { name: 'a hostname with a slash', says: 'ct create hostname:../etc node:ovh1', reads: ['ct create was not run', 'cannot be in a hostname'] },
  { name: 'a hostname with markup', says: 'ct create hostname:<!channel> node:ovh1', reads: ['ct create was not run', 'cannot be in a hostname'] },
  { name: 'a hostname that is too long', says: `ct create hostname:${hostnameTooLong} node:ovh1`, reads: ['64 characters, 63 are allowed'] },
  { name: 'a memory size that is none', says: 'ct create hostname:fresh node:ovh1 memory:lots', reads: ['ct create was not run', 'memory', 'lots'] },
  { name: 'several wrong options, all named at once', says: 'ct create hostname:a/b cores:none disk:-1', reads: ['hostname:', 'cores:', 'disk:'] },
  { name: 'a CTID that is taken', says: 'ct create hostname:fresh node:ovh1 vmid:103', reads: ['fresh was not created', 'the number 103 is taken', 'leave vmid: out'] },
  { name: 'a CTID that does not fit the octet', says: 'ct create hostname:fresh node:ovh1 vmid:300', reads: ['fresh was not created', '300'] },
  { name: 'a hostname that is taken', says: 'ct create hostname:nutrition node:ovh1', reads: ['nutrition was not created', 'is taken by CT 103'] },
  { name: 'an address that is taken', says: 'ct create hostname:fresh node:ovh1 vmid:150', arrange: ({ simulator }) => { simulator.world.guest(120)!.config['net0'] = 'name=eth0,bridge=vmbr0,ip=10.1.0.150/24'; }, reads: ['the address 10.1.0.150 is taken by guest 120'] },
  { name: 'an unknown node', says: 'ct create hostname:fresh node:ovh9', reads: ['there is no node ovh9 here', 'node:ovh1'] },
  { name: 'a node that is offline', says: 'ct create hostname:fresh node:ovh2', arrange: ({ simulator }) => simulator.unplug('ovh2'), reads: ['ovh2 is offline', 'choose another'] },
  { name: 'no quorum', says: 'ct create hostname:fresh node:ovh1', arrange: async ({ simulator }) => { await simulator.unplug('ovh3'); await simulator.unplug('ovh4'); }, reads: ['fresh was not created', 'no quorum: 2 of 3 needed votes', 'bring a node or the link back'] },
  { name: 'a storage that is full', says: 'ct create hostname:fresh node:ovh1', arrange: ({ simulator }) => simulator.fillStorage('ovh1', 'local-zfs', gib), reads: ['8 GiB do not fit: 1 GiB free on local-zfs of ovh1'] },
  { name: 'a template that is missing', says: 'ct create hostname:fresh node:ovh1 template:alpine', reads: ['ovh1 has no template that begins with alpine', 'template:debian-13'] },
  { name: 'templates that are all gone', says: 'ct create hostname:fresh node:ovh1', arrange: ({ simulator }) => { for (const name of ['debian-13-standard_13.1-2', 'debian-12-standard_12.12-1']) simulator.dropTemplate(`local:vztmpl/${name}_amd64.tar.zst`, 'ovh1'); }, reads: ['ovh1 has no template', 'download one to ovh1 first: pveam download'] },
  { name: 'a token without the right', says: 'ct create hostname:fresh node:ovh1', options: { token: 'bascule@pve!watch' }, reads: ['fresh was not created', 'lacks VM.Replicate', 'pveum acl modify'] },
  { name: 'a token without the right, on 8.4', says: 'replication add 120 ovh1', options: { token: 'bascule@pve!watch', pve: '8.4' }, reads: ['lacks Datastore.Allocate on /storage (PVE 8)', 'pveum acl modify'] },
  { name: 'a token that sees nothing', says: 'ct show 103', options: { token: 'nobody@pve!none' }, reads: ['could not be read', 'the token nobody@pve!none lacks VM.Audit on /vms', 'pveum acl modify'] },
  { name: 'a token that is wrong', says: 'ct list', options: { cluster: { token: 'bascule@pve!operate=00000000-0000-0000-0000-000000000000' } }, reads: ['token'] },
  { name: 'a certificate that is not the pinned one', says: 'ct list', options: { cluster: { fingerprints: [Array(32).fill('AB').join(':')] } }, reads: ['certificate', 'AB:AB'] },
  { name: 'a cluster that does not answer', says: 'ct list', arrange: async ({ simulator }) => { for (const node of simulator.nodes) await simulator.unplug(node); }, reads: ['off'] },
  { name: 'a guest that does not exist', says: 'ct stop matomoo', reads: ['There is no CT matomoo', 'did you mean 115 matomo?'] },
  { name: 'a VM taken for a container', says: 'ct stop 200', reads: ['There is no CT 200'] },
  { name: 'a destroy with another number', says: 'ct destroy 115 confirm:116', who: 'alice', reads: ['CT 115 matomo was not destroyed', 'confirm:116 is not its number'] },
  { name: 'a destroy of what is protected', says: 'ct destroy 101 confirm:101', who: 'alice', arrange: ({ simulator }) => { simulator.world.guest(101)!.running = false; }, reads: ['CT 101 proxy was not destroyed', 'its protection is on', 'pct set 101 --protection 0'] },
  { name: 'a schedule nobody can read', says: 'replication add 120 ovh1 schedule:sometimes', reads: ['replication add was not run', 'schedule'] },
  { name: 'a replication to its own node', says: 'replication add 120 ovh4', reads: ['a copy there would be no copy'] },
  { name: 'a request nobody made', says: 'approval show id:zzzzzzzz', reads: ['There is no request zzzzzzzz', 'approval list'] },
  { name: 'a cluster nobody configured', says: 'quorum cluster:other', reads: ['there is no cluster other', 'add cluster:off'] },
  { name: 'a command the asker may not run', says: 'ct destroy 115 confirm:115', who: 'oscar', reads: ['ct destroy: not allowed', 'whoami'] },
];

describe('bad input', () => {
  test.each(rows)('$name', async ({ says, reads, who = 'oscar', options, arrange }) => {
    world = await openWorld(options);
    await arrange?.(world);
    const before = await world.asItStands();
    await world[who].says(says);
    const answer = await world[who].reads(...reads, 'Next:');
    expect(answer.length).toBeLessThan(3000);
    for (const other of ['alice', 'oscar', 'vera'] as const) if (other !== who) expect(world[other].sees()).toEqual([]);
    await world.settled();
    expect(await world.asItStands()).toEqual(before);
    expect(world.writes()).toEqual([]);
    expect(world.slack.violations).toEqual([]);
    expect(await world.store.brokenLink()).toBeUndefined();
    expect(answer).not.toContain(world.simulator.token('bascule@pve!operate').split('=')[1]);
  });

  test('a missing option opens a form, and what is wrong in the form is answered as well', async () => {
    world = await openWorld();
    const before = await world.asItStands();
    const view = await world.oscar.opens('ct create node:ovh1');
    expect(JSON.stringify(view.body)).toContain('field-hostname');
    const sent = await world.slack.user('U000OSCAR').submits(view, { 'field-hostname': 'a/b' });
    await sent.acked();
    await world.oscar.reads('ct create was not run', 'cannot be in a hostname');
    expect(await world.asItStands()).toEqual(before);
  });

  test('a right that is missing only when it runs: the run fails, says which, and leaves nothing', async () => {
    world = await openWorld({ token: 'bascule@pve!watch' });
    await world.oscar.says('ct start 115');
    await world.oscar.clicks('Run it');
    await world.oscar.reads('Start CT 115 matomo on ovh3: failed', 'VM.PowerMgmt', 'Nothing is left behind');
    expect(world.guest(115)!.running).toBe(false);
    expect(world.simulator.effects.all).toEqual([]);
  });
});

describe('Slack over HTTP', () => {
  const command = (text: string) => ({
    command: '/pve',
    text,
    trigger_id: `t${text.length}`,
    user_id: 'U000ALICE',
    user_name: 'alice',
    channel_id: 'C000OPS',
    team_id: 'T000000001',
    response_url: `${world.slack.world.origin}/response/none`,
  });

  test('a forged signature moves nothing, whatever it asks for', async () => {
    world = await openWorld({ http: true });
    const before = await world.asItStands();
    const forgeries = [
      { secret: 'guessed' },
      { signature: null },
      { skewSeconds: -600 },
      { tamper: (body: string) => body.replace('ct+list', 'ct+stop+120') },
    ];
    for (const forgery of forgeries) {
      const reply = await world.slack.deliverHttp(world.slackUrl(), 'slash_commands', command('ct list'), forgery);
      expect(reply.status).toBe(401);
    }
    expect(await world.asItStands()).toEqual(before);
    expect(await world.store.auditFrom(0, 10)).toEqual([]);
  });

  test('a replayed command or click is refused and counted once', async () => {
    world = await openWorld({ http: true, config: { policy: { preset: 'strict' } } });
    await world.alice.says('ct destroy 115 confirm:115');
    await world.oscar.clicks('Approve');
    await world.alice.reads('1 of 2 approvals');
    const before = await world.asItStands();
    for (const request of [...world.slack.sent]) {
      expect((await world.slack.replay(world.slackUrl(), request)).status).toBe(409);
    }
    expect(await world.asItStands()).toEqual(before);
    expect(await world.store.requests({})).toHaveLength(1);
  });
});

describe('what cannot start', () => {
  const refusal = (work: () => unknown): Failed => {
    try {
      work();
    } catch (error) {
      if (error instanceof Failed) return error;
      throw error;
    }
    throw new Error('nothing was refused');
  };
  const config = (text: string) => refusal(() => parseConfig(text, 'bascule.yaml', { TOKEN: 'user@pve!t=s' })).failure;
  const good = `clusters:\n  off:\n    urls: [https://ovh1.example:8006]\n    token: \${env:TOKEN}\n`;

  test('a config that is right is read', () => {
    expect(parseConfig(good, 'bascule.yaml', { TOKEN: 'user@pve!t=s' }).clusters['off']!.token).toBe('user@pve!t=s');
  });

  // biome-ignore format: this is a table
  test.each([
    ['an unknown key, with what was meant', `${good}storre:\n  file: x\n`, /^bascule\.yaml:5:1: unknown key storre, did you mean store\?$/],
    ['an unknown key deep inside', `${good}    hous:\n      ct: {}\n`, /^bascule\.yaml:5:5: unknown key hous, did you mean house\?$/],
    ['a value of the wrong kind', `${good}requestHours: soon\n`, /^bascule\.yaml:5:1: requestHours: /],
    ['text that is no YAML', `${good}people: {alice\n`, /^bascule\.yaml:\d+:\d+: /],
    ['the same key twice', `${good}log: info\nlog: debug\n`, /^bascule\.yaml:6:1: .*unique/],
    ['a secret the environment lacks', 'clusters:\n  off:\n    urls: [https://a:8006]\n    token: ${env:NOPE}\n', /^bascule\.yaml:4:12: the environment has no NOPE$/],
    ['an address that is not https', 'clusters:\n  off:\n    urls: [http://a:8006]\n    token: t\n', /^bascule\.yaml:\d+:\d+: clusters\.off\.urls/],
    ['a role nobody defined', `${good}people:\n  alice: { roles: [boss] }\n`, /people\.alice\.roles: there is no role boss/],
    ['one account for two people', `${good}people:\n  alice: { slack: U1 }\n  bob: { slack: U1 }\n`, /U1 already belongs to alice/],
  ])('%s', (_what, text, why) => {
    const { kind, what, why: said, next } = config(text);
    expect({ kind, what }).toEqual({ kind: 'bad-input', what: 'The config was refused' });
    expect(said).toMatch(why);
    expect(next).toContain('nothing was started');
    expect(said).not.toContain('user@pve!t=s');
  });

  test('several mistakes are told at once', () => {
    const { why } = config(`${good}storre: 1\nlogg: info\n`);
    expect(why.split('\n')).toHaveLength(2);
  });

  test('a policy that does not validate keeps the bot from starting, with file and line', async () => {
    const directory = site({
      'house.cedar': '@id("house.typo")\nforbid (principal, action == Action::"ct.detsroy", resource);\n',
    });
    const error = await openWorld({ config: { policy: { directory } } }).then(
      (opened) => {
        world = opened;
        throw new Error('it started');
      },
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(Failed);
    expect((error as Failed).failure.why).toMatch(/house\.cedar:2: .*ct\.detsroy/);
  });
});
