import { ALL_VERBS } from './world.ts';

const GOOD = `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 7)]).toString('base64')}`;

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
  foreign: ['adopt', 'release'],
  home: ['keep', 'remove'],
  lines: [
    [],
    [`${GOOD} bascule:run-1`],
    [`restrict,permitopen="10.0.0.1:22",expiry-time="20261121000000Z" ${GOOD} bascule:run-1`],
  ],
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
  account: ['bascule'],
  jump: ['bascule-jump'],
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

/** The fields of each verb, so that most requests are wrong in one place only and get past all the others. */
const FIELDS: Record<string, string> = {
  hello: '',
  'zfs.snapshots': 'vmid',
  'ct.users': 'vmid',
  'ct.user.ensure': 'vmid user marker sudo adopt',
  'ct.user.remove': 'vmid user home adopt',
  'ct.keys.set': 'vmid user marker lines foreign',
  'jump.keys.set': 'user marker lines',
  'ct.features': 'vmid nesting keyctl',
  'ct.unlock': 'vmid marker upid',
  'ct.script': 'vmid run script minutes',
  'quorum.facts': '',
  'file.versions': 'vmid path',
  'file.stat': 'vmid path from',
  'file.show': 'vmid path from',
  'file.restore': 'vmid run path from overwrite stamp',
  'file.undo': 'vmid run',
  'setup.facts': 'account jump',
};

const SHELL = [
  '$(',
  '`',
  ';',
  '|',
  '&',
  '\n',
  '\0',
  "'",
  '"',
  '\\',
  ' ',
  '*',
  '../',
  '-',
  '=',
  ',',
  '\u202e',
  'é',
  '%',
  '#',
];

export function hostileRequests(count: number, seed: number): (string | Uint8Array)[] {
  const random = numbers(seed);
  const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  /** A right value with something planted in it: the nearest a hostile one comes to passing. */
  const planted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(planted);
    if (typeof value !== 'string') return one(EVIL);
    const at = Math.floor(random() * (value.length + 1));
    return value.slice(0, at) + one(SHELL) + (random() < 0.3 ? 'touch /tmp/bascule-was-here' : '') + value.slice(at);
  };
  return Array.from({ length: count }, () => {
    const verb = one(ALL_VERBS);
    const names = FIELDS[verb]!.split(' ').filter(Boolean);
    const args: Record<string, unknown> = {};
    for (const name of names) args[name] = one(NORMAL[name]!);
    const request: Record<string, unknown> = { v: 1, id: 'run-1', verb, mode: one(['run', 'probe', 'dry-run']), args };
    const hits = random() < 0.01 ? 0 : 1 + Math.floor(random() * 2);
    for (let hit = 0; hit < hits; hit++) {
      if (names.length === 0 || random() < 0.15) request[one(['v', 'id', 'verb', 'mode', 'args', 'extra'])] = one(EVIL);
      else if (random() < 0.1) args[one([...Object.keys(NORMAL), String(one(EVIL))])] = one(EVIL);
      else {
        const name = one(names);
        args[name] = random() < 0.5 ? planted(args[name]) : one(EVIL);
      }
    }
    const text = Buffer.from(JSON.stringify(request));
    if (random() < 0.05) text[Math.floor(random() * text.length)] = Math.floor(random() * 256);
    return random() < 0.02 ? text.subarray(0, Math.floor(random() * text.length)) : text;
  });
}
