import { describe, expect, test } from 'vitest';
import { slackManifest } from '../../adapters/slack/index.ts';
import { manifestProblems, manifestSchemaPresent } from '../oracles/manifest.ts';
import { menu } from './desk.ts';

if (!manifestSchemaPresent)
  console.log('../shared/chat/slack-manifest-schema.json is absent: the manifest is not checked');

describe.skipIf(!manifestSchemaPresent)('the app manifest', () => {
  test.each([
    ['Socket Mode', { socket: true }],
    ['HTTP', { url: 'https://bascule.example.org/slack/events' }],
  ] as const)('for %s is what Slack takes', (_, mode) => {
    expect(manifestProblems(slackManifest(menu, '/pve', mode))).toEqual([]);
  });

  test('a root that Slack does not take is noticed', () => {
    expect(manifestProblems(slackManifest(menu, `/${'x'.repeat(40)}`, { socket: true }))).not.toEqual([]);
  });

  test('in HTTP mode Slack gets the address for commands, buttons, completion and events', () => {
    const text = JSON.stringify(slackManifest(menu, '/pve', { url: 'https://b.example.org/slack/events' }));
    expect([...text.matchAll(/https:\/\/b\.example\.org\/slack\/events/g)]).toHaveLength(4);
  });
});
