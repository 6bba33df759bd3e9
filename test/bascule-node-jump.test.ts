import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type NodeWorld, OPEN_CONFIG, openNode } from './bascule-node/world.ts';
import { ed25519 } from './platforms/github-keys.ts';

/** sshd takes the first line of a key that has not ended, and asks no other line what else that key may open. */
let node: NodeWorld;
const alice = ed25519('alice');
const bob = ed25519('bob');

beforeEach(() => {
  node = openNode();
  node.allow(OPEN_CONFIG);
  node.write('passwd', 'root:x:0:0:root:/root:/bin/bash\nbascule-jump:x:998:998::/nonexistent:/usr/sbin/nologin\n');
});
afterEach(() => node.remove());

const line = (key: string, vmid: number, end: string) =>
  `restrict,port-forwarding,permitopen="10.1.0.${vmid}:22",expiry-time="${end}Z" ${key} bascule:run:${vmid}:a`;
const call = (vmid: number, lines: string[], mode = 'run') =>
  node.ask('jump.keys.set', { user: 'bascule-jump', marker: `bascule:run:${vmid}:a`, lines }, mode);
const set = async (vmid: number, lines: string[]) => {
  const { answer } = await call(vmid, lines);
  expect(answer).toMatchObject({ ok: true });
  return answer.result;
};
/** What each line opens, in order. */
const opens = () =>
  node
    .read('jump/bascule-jump')
    .trim()
    .split('\n')
    .map((text) => [...text.matchAll(/permitopen="10\.1\.0\.(\d+):22"/g)].map(([, vmid]) => Number(vmid)));

const SOON = '20991121080000';
const LATER = '20991122';
const LAST = '209911221200';

describe('several grants of one key on one jump account', () => {
  test('the earliest ending line comes first and opens what the later ones open too, and nothing for longer', async () => {
    await set(105, [line(alice, 105, LAST)]);
    await set(103, [line(alice, 103, SOON)]);
    await set(104, [line(alice, 104, LATER), line(bob, 104, LATER)]);
    expect(opens()).toEqual([[103, 104, 105], [104, 105], [104], [105]]);
  });

  test('what is asked again is so already, and a probe finds it as it was asked', async () => {
    await set(105, [line(alice, 105, LATER)]);
    await set(103, [line(alice, 103, SOON)]);
    expect(await set(103, [line(alice, 103, SOON)])).toMatchObject({ changed: false });
    for (const vmid of [103, 105]) {
      const probe = await call(vmid, [line(alice, vmid, vmid === 103 ? SOON : LATER)], 'probe');
      expect(probe.answer.result).toMatchObject({ state: 'done' });
    }
  });

  test('a grant that ends takes what it lent with it', async () => {
    await set(105, [line(alice, 105, LATER)]);
    await set(103, [line(alice, 103, SOON)]);
    await set(105, []);
    expect(node.read('jump/bascule-jump')).toBe(`${line(alice, 103, SOON)}\n`);
  });

  test('a longer lease changes the order', async () => {
    await set(103, [line(alice, 103, SOON)]);
    await set(105, [line(alice, 105, LATER)]);
    await set(103, [line(alice, 103, LAST)]);
    expect(opens()).toEqual([[105, 103], [103]]);
  });

  test('lines of others stay byte for byte and are lent nothing', async () => {
    const foreign = `# by hand\nrestrict,port-forwarding,permitopen="10.1.0.9:22" ${alice} admin@desk\n`;
    node.write('jump/bascule-jump', foreign.trimEnd());
    await set(103, [line(alice, 103, SOON)]);
    expect(node.read('jump/bascule-jump')).toBe(`${foreign}${line(alice, 103, SOON)}\n`);
  });

  test('a request cannot lend by itself', async () => {
    const lent = line(alice, 103, SOON).replace('Z" ', 'Z",port-forwarding,permitopen="10.1.0.9:22" ');
    expect((await call(103, [lent])).answer.error).toMatchObject({ kind: 'bad-input' });
  });
});
