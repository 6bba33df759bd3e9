import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { effectText, inParts } from '../handlers/parts/effects.ts';
import { createCtStep } from '../src/contracts/steps.ts';

/** What `approval show` says a step will do: everything, one argument a line. */

test('an API call is told with its parameters', () => {
  const { call } = createCtStep('ovh1', 112, 'a', { hostname: 'a', description: 'one\ntwo', unprivileged: 1 });
  expect(effectText(call)).toBe(
    'POST /nodes/ovh1/lxc\n  vmid=112\n  hostname=a\n  description=one\\ntwo\n  unprivileged=1',
  );
});

test('a node call is told with its node and cluster, each line of a list by itself', () => {
  const args = { vmid: 103, sudo: false, lines: ['ssh-ed25519 AAAA a', 'ssh-ed25519 BBBB b'], none: [] };
  expect(effectText({ cluster: 'off', node: 'ovh1', verb: 'ct.keys.set', args })).toBe(
    [
      'ct.keys.set on ovh1 of off',
      '  vmid=103',
      '  sudo=false',
      '  lines:',
      '    - ssh-ed25519 AAAA a',
      '    - ssh-ed25519 BBBB b',
      '  none=[]',
    ].join('\n'),
  );
});

test('a script is told whole, below its size and SHA-256, without its secrets', () => {
  const script = `#!/bin/sh\nDB_PASSWORD=not-a-real-secret\n${'echo é\n'.repeat(200)}${'x'.repeat(450)}\n\nexit 0\n`;
  const text = effectText({ cluster: 'off', node: 'ovh1', verb: 'ct.script', args: { vmid: 103, script } });
  const sum = createHash('sha256').update(script).digest('hex');
  const lines = text.split('\n');
  expect(lines.slice(2, 5)).toEqual([
    `  script (${Buffer.byteLength(script)} bytes, SHA-256 ${sum}):`,
    '  | #!/bin/sh',
    '  | DB_PASSWORD=***secret-1***',
  ]);
  expect(lines.filter((line) => line === '  | echo é')).toHaveLength(200);
  expect(lines.slice(-5)).toEqual([
    `  | ${'x'.repeat(200)}`,
    `  | ${'x'.repeat(200)}`,
    `  | ${'x'.repeat(50)}`,
    '  | ',
    '  | exit 0',
  ]);
  const parts = inParts(text);
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.join('\n')).toBe(text);
  expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(2000);
});

test('an entry of our own books is told field by field, or that it goes', () => {
  const value = { person: 'bob', sudo: true, jump: { node: 'ovh1', ports: [{ n: 22 }] }, old: null };
  expect(effectText({ shelf: 'grants', key: 'off/103/bob', value })).toBe(
    [
      'write off/103/bob into our book of grants',
      '  person=bob',
      '  sudo=true',
      '  jump:',
      '    node=ovh1',
      '    ports:',
      '      -',
      '        n=22',
      '  old=null',
    ].join('\n'),
  );
  expect(effectText({ shelf: 'grants', key: 'k', value: 'x' })).toBe('write k into our book of grants\n  value=x');
  expect(effectText({ shelf: 'grants', key: 'k', value: null })).toBe('remove k from our book of grants');
});
