import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { GRANTS, LINKS, QUEUE } from '../src/contracts/books.ts';
import { ed25519, fingerprint, lineOf, str } from './platforms/github-keys.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

/** People let in, kept in, shown and put out, with real files behind the simulator's sshd. */
let world: World;
afterEach(() => world?.close());

async function open(options: WorldOptions = {}): Promise<World> {
  world = await openWorld({ ssh: true, ...options, simulator: { speed: 0, ...options.simulator } });
  return world;
}

const inside = (vmid: number, path: string): string => join(world.simulator.files(vmid), path);
const keysOf = (vmid: number, user = 'alice-hub'): string =>
  readFileSync(inside(vmid, `home/${user}/.ssh/authorized_keys`), 'utf8');
const passwd = (vmid: number): string => readFileSync(inside(vmid, 'etc/passwd'), 'utf8');
const wayIn = (): string => [...world.simulator.hands('ovh1').jumpKeys.values()].join('\n');
const book = async (shelf = GRANTS) => (await world.store.bookEntries(shelf)).map(({ value }) => value);
const stampOf = (at: number): string => new Date(at).toISOString().replaceAll(/[-:TZ]|\.\d{3}/g, '');

/** Oscar asks, Nina approves. */
async function approved(command: string, card: string): Promise<Awaited<ReturnType<World['request']>>> {
  await world.oscar.says(command);
  await world.nina.clicks('Approve', card);
  const request = await world.becomes('done', command.split(' ').slice(0, 2).join(' '));
  await world.settled();
  return request;
}
const letIn = (more = '') => approved(`ssh grant person:@alice vmid:103 ${more}`, 'Let alice');

describe('a grant', () => {
  test('is in the container, on the jump node and in the book, with the end that sshd keeps; then longer; then over', async () => {
    await open();
    await world.oscar.says('ssh grant person:@alice vmid:103 expires:2h sudo:yes');
    await world.oscar.reads(
      'Let alice (github alice-hub) into CT 103',
      fingerprint(ed25519('alice')),
      'SUDO',
      '0 of 1',
    );
    expect(passwd(103)).not.toContain('alice-hub');
    await world.nina.clicks('Approve');
    const { id, approvedAt } = await world.becomes('done', 'ssh grant');
    const end = (hours: number, from = approvedAt!) => stampOf(from + hours * 3_600_000);
    expect(keysOf(103)).toBe(`expiry-time="${end(2)}Z" ${ed25519('alice')} bascule:${id}\n`);
    expect(wayIn()).toContain(`expiry-time="${end(2)}Z" ${ed25519('alice')} bascule:${id}:103:alice-hub`);
    expect(existsSync(inside(103, 'etc/sudoers.d/bascule-alice-hub'))).toBe(true);
    expect(await book()).toMatchObject([{ id, person: 'alice', vmid: 103, sudo: true }]);
    const card = await world.oscar.reads('alice may log in to CT 103', 'Until ');
    expect(card).toContain('ssh -J bascule-jump@gate.example.org');
    expect(card).toContain('ProxyJump bascule-jump@gate.example.org');

    await world.oscar.says('ssh who 103');
    await world.oscar.reads(
      '1 account may log in',
      'alice-hub: alice (github alice-hub), SUDO',
      fingerprint(ed25519('alice')),
    );
    await world.vera.says('ssh who 103');
    await world.vera.reads('ssh who: not allowed');

    const longer = await approved('ssh extend person:@alice vmid:103 expires:1d', 'for 1 d');
    expect(keysOf(103)).toBe(`expiry-time="${end(24, longer.approvedAt)}Z" ${ed25519('alice')} bascule:${id}\n`);
    expect(wayIn().match(/expiry-time/g)).toHaveLength(1);

    await world.oscar.says('ssh revoke person:@alice vmid:103');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.becomes('done', 'ssh revoke');
    expect(passwd(103)).not.toContain('alice-hub');
    expect(wayIn()).not.toContain('alice');
    expect(await book()).toEqual([]);
  });

  test('cannot be approved by who asked, admin or not, and nobody else’s click lets anybody in', async () => {
    await open();
    await world.alice.says('ssh grant person:@alice vmid:103');
    await world.alice.reads('Let alice');
    await world.alice.clicks('Approve');
    await world.alice.reads('You asked for this yourself');
    await world.vera.clicks('Approve');
    await world.settled();
    expect((await world.request()).state).toBe('waiting');
    expect(passwd(103)).not.toContain('alice-hub');
  });

  test('for a stopped container waits, is carried out with what was approved, and its end waits too', async () => {
    await open();
    const asked = await approved('ssh grant person:@alice vmid:115 stopped:wait', 'once it runs');
    expect(passwd(115)).not.toContain('alice-hub');
    // What GitHub shows by then was not approved.
    world.github.change('alice-hub', ed25519('alice'), ed25519('another'));
    await world.runs('queued-grants');
    expect(await book()).toEqual([]);
    world.guest(115)!.running = true;
    await world.runs('queued-grants');
    expect(await world.becomes('done', 'ssh grant')).toMatchObject({ requester: 'automation:queued-grants' });
    const end = stampOf(asked.approvedAt! + 8 * 3_600_000);
    expect(keysOf(115)).toBe(`expiry-time="${end}Z" ${ed25519('alice')} bascule:${asked.id}\n`);
    expect(await book(QUEUE)).toEqual([]);

    world.guest(115)!.running = false;
    await world.oscar.says('ssh revoke person:@alice');
    await world.oscar.reads('it is stopped: the way in ends now');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.becomes('done', 'ssh revoke');
    expect(wayIn()).not.toContain('alice');
    expect(keysOf(115)).toContain(ed25519('alice'));
    world.guest(115)!.running = true;
    await world.runs('queued-grants');
    expect(await world.becomes('done', 'ssh revoke')).toMatchObject({ requester: 'automation:queued-grants' });
    expect(passwd(115)).not.toContain('alice-hub');
    expect([...(await book()), ...(await book(QUEUE))]).toEqual([]);
  });

  test('whose connection is lost in the middle is found out about, and ends done once, or undone', async () => {
    await open();
    world.simulator.onShell({ verb: 'ct.keys.set', mode: 'run' }, { kind: 'lose-answer' });
    const { id } = await letIn();
    expect(
      keysOf(103)
        .split('\n')
        .filter((line) => line.includes(id)),
    ).toHaveLength(1);

    world.simulator.onShell(
      { verb: 'jump.keys.set', mode: 'run' },
      {
        kind: 'fail',
        failure: { kind: 'unavailable', what: 'nothing was done', why: 'the disk is full', next: 'clear it' },
      },
    );
    await world.oscar.says('ssh grant person:@oscar vmid:104');
    await world.nina.clicks('Approve', 'Let oscar');
    await world.becomes('failed', 'ssh grant');
    await world.settled();
    await world.oscar.reads('failed', 'the disk is full');
    expect(passwd(104)).not.toContain('oscar-hub');
    expect(await book()).toMatchObject([{ person: 'alice' }]);
  });

  test('leaves lines of others alone, says that they are there, and shows them', async () => {
    await open();
    await letIn();
    const foreign = `${ed25519('olga')} olga@home`;
    writeFileSync(inside(103, 'home/alice-hub/.ssh/authorized_keys'), `${foreign}\n${keysOf(103)}`);
    await world.oscar.says('ssh who 103');
    await world.oscar.reads(`! ${fingerprint(ed25519('olga'))} ed25519 (olga@home): not ours, no end`);
    await world.oscar.says('ssh revoke person:@alice vmid:103');
    await world.oscar.reads('1 other key line of alice-hub in CT 103 stay');
    await world.oscar.clicks('Run it', 'End the access of alice');
    await world.becomes('done', 'ssh revoke');
    expect(keysOf(103)).toBe(`${foreign}\n`);
  });
});

describe('a link', () => {
  const pair = generateKeyPairSync('ed25519');
  const raw = (key: KeyObject) => Buffer.from(key.export({ format: 'jwk' })['x'] as string, 'base64url');
  const blob = Buffer.concat([str('ssh-ed25519'), str(raw(pair.publicKey))]);
  /** As ssh-keygen -Y sign does it; test/github-signature.test.ts holds that against the real one. */
  function signed(text: string, namespace = 'bascule'): string {
    const digest = createHash('sha512').update(text).digest();
    const body = Buffer.concat([Buffer.from('SSHSIG'), str(namespace), str(''), str('sha512'), str(digest)]);
    const signature = Buffer.concat([str('ssh-ed25519'), str(sign(null, body, pair.privateKey))]);
    const all = Buffer.concat([
      Buffer.from('SSHSIG\0\0\0\x01', 'latin1'),
      ...[blob, namespace, '', 'sha512', signature].map(str),
    ]);
    return `-----BEGIN SSH SIGNATURE----- ${all.toString('base64').replaceAll(/.{70}/g, '$& ')} -----END SSH SIGNATURE-----`;
  }

  test('is made by the person’s own proof: the very sentence of that request, by a key of that login', async () => {
    await open();
    world.github.change('nina-hub', lineOf('ssh-ed25519', blob));
    await world.nina.says('person add person:@nina github:nina-hub');
    const card = await world.nina.reads(
      'Link nina to nina-hub on GitHub',
      'or the proof of nina',
      'ssh-keygen -Y sign -n bascule',
    );
    const { id, fingerprint: plan } = await world.request('person add');
    const sentence = `I am nina and the GitHub account nina-hub is mine: request ${id}, plan ${plan}`;
    expect(card).toContain(`echo -n '${sentence}'`);
    expect(card).toContain(`person prove id:${id}`);
    for (const wrong of [signed(`${sentence}.`), signed(sentence, 'git'), 'no signature at all'])
      await world.nina.says(`person prove id:${id} signature:"${wrong}"`);
    await world.nina.reads('the proof does not count', 'no sound signature');
    await world.oscar.says(`person prove id:${id} signature:"${signed(sentence)}"`);
    await world.settled();
    expect((await world.request('person add')).state).toBe('waiting');
    await world.nina.says(`person prove id:${id} signature:"${signed(sentence)}"`);
    await world.becomes('done', 'person add');
    await world.nina.reads('Proved: nina-hub is yours', fingerprint(lineOf('ssh-ed25519', blob)));
    expect(await book(LINKS)).toMatchObject([{ person: 'nina', login: 'nina-hub' }]);
    await world.oscar.says('person list');
    await world.oscar.reads('nina', 'nina-hub', 'book', 'config');
  });

  test('does not count when the key is no key of that login any more, or GitHub cannot say', async () => {
    await open();
    world.github.change('nina-hub', lineOf('ssh-ed25519', blob));
    await world.nina.says('person add person:@nina github:nina-hub');
    await world.nina.reads('Link nina to nina-hub');
    const { id, fingerprint: plan } = await world.request('person add');
    const signature = signed(`I am nina and the GitHub account nina-hub is mine: request ${id}, plan ${plan}`);
    world.github.down.add('api').add('web');
    await world.nina.says(`person prove id:${id} signature:"${signature}"`);
    await world.nina.reads('which keys nina-hub has now must be sure');
    world.github.down.clear();
    world.github.change('nina-hub', ed25519('stolen-laptop-replaced'));
    await world.nina.says(`person prove id:${id} signature:"${signature}"`);
    await world.nina.reads('is not among the keys of nina-hub');
    expect((await world.request('person add')).state).toBe('waiting');
  });

  test('of a leaver goes with everything they had, as one plan', async () => {
    await open();
    await approved('person add person:@vera github:vera-hub', 'Link vera');
    await approved('ssh grant person:@vera vmid:103', 'Let vera');
    await approved('ssh grant person:@vera vmid:104', 'Let vera');
    expect(wayIn().match(/permitopen/g)).not.toBeNull();
    await approved('person remove person:@vera', 'Take vera out: 2 grants and the GitHub link');
    for (const vmid of [103, 104]) expect(passwd(vmid)).not.toContain('vera-hub');
    expect(wayIn()).not.toContain('vera');
    expect([...(await book()), ...(await book(LINKS))]).toEqual([]);
    await world.oscar.says('ssh grant person:@vera vmid:103');
    await world.oscar.reads('vera has no GitHub login here', 'person add person:vera');
  });
});

test('another host key stops all work on that node and raises the alarm once, where alerts go', async () => {
  const { simulator, oscar, alice } = await open();
  const { node } = world.guest(103)!;
  simulator.sshd(node).changeHostKey();
  simulator.sshd(node).cut();
  await oscar.says('ssh grant person:@alice vmid:103');
  await oscar.reads('another host key than the pinned one');
  await alice.reads(`HOST KEY CHANGED: ${node}`, 'Nothing was sent to it', 'ssh-keygen -lf');
  await oscar.says('ssh grant person:@alice vmid:103 expires:2h');
  await world.settled();
  expect(alice.sees().filter((text) => text.includes('HOST KEY CHANGED'))).toHaveLength(1);
  expect(simulator.sshCalls.filter((call) => call.node === node)).toEqual([]);
});
