import { ALL_VERBS } from './world.ts';

/** Requests made to hurt, from a seed: valid ones with one or more parts replaced by something evil. */
const EVIL: readonly unknown[] = [
  '$(touch /tmp/bascule-was-here)',
  '`touch /tmp/bascule-was-here`',
  ';touch /tmp/bascule-was-here;',
  '| touch /tmp/bascule-was-here',
  "' ; touch /tmp/bascule-was-here ; '",
  '-rf',
  '--help',
  '../../../../etc/shadow',
  '/etc/shadow',
  'root',
  'root\n',
  'a\u0000b',
  '',
  ' ',
  '\u202eevil',
  '\ud800',
  'x'.repeat(70_000),
  '٣٠١',
  '１０３',
  '103\n',
  '0x67',
  '1e2',
  103.00001,
  -103,
  0,
  1e308,
  Number.MAX_SAFE_INTEGER,
  true,
  false,
  null,
  [],
  {},
  [[[[[[[[[[]]]]]]]]]],
  { __proto__: 1, constructor: 'x' },
  ['ssh-ed25519 AAAA bascule:x'],
  [
    'command="touch /tmp/bascule-was-here" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bascule:x',
  ],
  ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bascule:x\nssh-rsa AAAA evil'],
  'bascule:$(touch /tmp/bascule-was-here)',
  'UPID:ovh1:00000001:00000001:5F000000:vzcreate:103:root@pam:;touch /tmp/bascule-was-here',
  '/etc/nginx\n/../../../tmp/bascule-was-here',
  '/.zfs/snapshot/../../etc/shadow',
  'snap; touch /tmp/bascule-was-here',
];

const NORMAL: Record<string, readonly unknown[]> = {
  vmid: [103, 104, 200],
  user: ['alice', 'root', 'olga'],
  marker: ['bascule:run-1'],
  sudo: [true, false],
  adopt: [true],
  home: ['keep', 'remove'],
  lines: [[]],
  nesting: [true],
  keyctl: [true],
  upid: ['UPID:ovh1:00000001:00000001:5F000000:vzcreate:103:root@pam:'],
  run: ['run-1'],
  script: ['#!/bin/sh\ntrue\n'],
  minutes: [1],
  path: ['/etc/hostname', '/'],
  from: ['before_upgrade', 'live'],
  overwrite: [true, false],
  stamp: ['20261121T000000Z'],
};

/** A small seeded generator: the same seed gives the same requests everywhere (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function hostileRequests(count: number, seed: number): (string | Uint8Array)[] {
  const random = numbers(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  return Array.from({ length: count }, () => {
    const args: Record<string, unknown> = {};
    for (const [name, values] of Object.entries(NORMAL)) if (random() < 0.3) args[name] = one(values);
    args['vmid'] = 103;
    const request: Record<string, unknown> = {
      v: 1,
      id: 'run-1',
      verb: one(ALL_VERBS),
      mode: one(['run', 'probe', 'dry-run']),
      args,
    };
    const hits = 1 + Math.floor(random() * 3);
    for (let hit = 0; hit < hits; hit++) {
      const evil = one(EVIL);
      if (random() < 0.2) request[one(['v', 'id', 'verb', 'mode', 'args', 'extra'])] = evil;
      else args[random() < 0.1 ? String(evil) : one(Object.keys(NORMAL))] = evil;
    }
    const text = Buffer.from(JSON.stringify(request));
    if (random() < 0.05) text[Math.floor(random() * text.length)] = Math.floor(random() * 256);
    return random() < 0.02 ? text.subarray(0, Math.floor(random() * text.length)) : text;
  });
}
