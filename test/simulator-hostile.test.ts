import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { routes } from '../adapters/simulator/index.ts';
import { type Client, startClient } from './simulator/client.ts';

let client: Client;
const complaints = vi.spyOn(console, 'error').mockImplementation(() => {});

beforeAll(async () => {
  client = await startClient({ taskMs: 1 });
});
afterAll(async () => {
  await client.close();
  complaints.mockRestore();
});

const word = fc.oneof(
  fc.constantFrom(
    'ovh1',
    'ovh2',
    'nosuch',
    '101',
    '103',
    '115',
    '200',
    '103-0',
    'ct:103',
    'local-zfs',
    'local',
    '1',
    '0',
    '-1',
    'on',
    '%',
    '../..',
    'a,b=c,,',
    '=',
    'UPID:ovh1:0:0:0:x:y:z:',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const calls = routes('');
const names = [...new Set(calls.flatMap((route) => Object.keys(route.rules)).map((name) => name.replace('[n]', '0')))];

test('no call, whatever its parameters, gets anything but an answer in the shape of Proxmox', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...calls),
      fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 12 })), word, { maxKeys: 6 }),
      fc.array(word, { minLength: 4, maxLength: 4 }),
      fc.constantFrom('root@pam!root', 'bascule@pve!operate', 'nobody@pve!none'),
      async (route, params, values, token) => {
        let index = 0;
        const path = route.path.replace(/\{\w+\}/g, () => encodeURIComponent(values[index++]!.toWellFormed() || 'x'));
        const answer = await client.call(route.method, path, params, { token });
        expect([200, 400, 403, 404, 500, 501]).toContain(answer.status);
        expect(answer.reason).toMatch(/^[^\r\n]*$/);
        if (answer.status !== 404) expect(answer).toHaveProperty('data');
      },
    ),
    { numRuns: 400 },
  );
  expect(complaints.mock.calls).toEqual([]);
});

test('names that JavaScript objects are born with are unknown parameters like any other', async () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const answer = await client.call('PUT', '/nodes/ovh4/lxc/120/config', { [name]: '1', memory: 512 });
    expect(Object.keys(answer.errors ?? {})).toEqual([name]);
  }
  expect(({} as Record<string, unknown>)['1']).toBeUndefined();
});
