import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GithubPlatform, githubPlatform } from './platforms/github.ts';
import { ed25519, fingerprint, rsa } from './platforms/github-keys.ts';
import { openWorld, PEOPLE, type World } from './world.ts';

let world: World;
let github: GithubPlatform;
const key = ed25519('alice');
const weak = rsa(1024);

beforeEach(async () => {
  github = await githubPlatform(() => Date.now());
  github.person('alice-hub', key, weak);
  const people = Object.fromEntries(
    Object.entries(PEOPLE).map(([name, { slack, roles }]) => [name, { slack, roles: [...roles] }]),
  );
  world = await openWorld({
    config: {
      people: { ...people, alice: { ...people['alice'], github: 'alice-hub' } },
      github: { apiUrl: github.apiUrl, webUrl: github.webUrl },
    },
  });
});
afterEach(async () => {
  await world.close();
  await github.close();
});

test('ssh keys shows what a person has on GitHub, good and too weak, to the asker alone', async () => {
  await world.oscar.says('ssh keys person:@alice');
  const card = await world.oscar.reads('alice (github alice-hub): 1 key', fingerprint(key));
  expect(card).toContain('refused, ');
  expect(card).toContain(fingerprint(weak));
  expect(world.nina.sees().join('\n')).not.toContain(fingerprint(key));
});

test('a person may be named by a mention of their account, and is oneself when nobody is named', async () => {
  await world.vera.says(`ssh keys person:<@${PEOPLE.alice.slack}|somebody>`);
  await world.vera.reads('github alice-hub', fingerprint(key));
  await world.alice.says('ssh keys');
  await world.alice.reads('github alice-hub', fingerprint(key));
});

test('nobody by that name, nobody linked, nobody without a role', async () => {
  await world.oscar.says('ssh keys person:@nobody');
  await world.oscar.reads('No keys were looked up', 'nobody here is called @nobody');
  await world.oscar.says('ssh keys');
  await world.oscar.reads('oscar has no GitHub login here', 'person add person:oscar github:');
  await world.mallory.says('ssh keys person:@alice');
  await world.mallory.reads('ssh keys: not allowed');
  expect(github.asked).toEqual([]);
});

test('when GitHub is down, what it last said is shown with its age; when it never answered, that is said', async () => {
  await world.oscar.says('ssh keys person:@alice');
  await world.oscar.reads('1 key', fingerprint(key));
  github.down.add('api').add('web');
  await world.nina.says('ssh keys person:@alice');
  await world.nina.reads('1 key', fingerprint(key), 'GitHub');
  await world.store.saveSetting('github/alice-hub', 'null');
  await world.vera.says('ssh keys person:@alice');
  await world.vera.reads('Next:');
});
