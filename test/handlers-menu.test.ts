import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { commands } from '../handlers/index.ts';
import { cluster } from '../handlers/options.ts';
import { commandTable } from '../handlers/table.ts';
import { checkOptions, missingOptions, parseText } from '../src/parse.ts';
import { makeRegistry } from '../src/registry.ts';
import { answerOf, menuOf } from './views/ask.ts';
import { fourNodes } from './views/fake-view.ts';

const folder = new URL('../handlers/', import.meta.url);
const shared = ['habits.ts', 'index.ts', 'options.ts', 'power.ts', 'table.ts'];

describe('the menu', () => {
  test('has one file per command, named like it, and no other', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && !shared.includes(file));
    expect(files.sort()).toEqual(commands.map((command) => `${command.name.replace(' ', '-')}.ts`).sort());
    for (const file of shared) expect(existsSync(new URL(file, folder))).toBe(true);
  });

  test('is sorted, without twins, and holds what was promised', () => {
    const names = commands.map((command) => command.name);
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toEqual([
      'alert ack',
      'alert list',
      'alert show',
      'alert silence',
      'alert snooze',
      'alert test',
      'alert unsilence',
      'approval list',
      'approval show',
      'audit show',
      'backup list',
      'backup run',
      'cluster status',
      'ct create',
      'ct destroy',
      'ct list',
      'ct reboot',
      'ct show',
      'ct shutdown',
      'ct start',
      'ct stop',
      'ct unlock',
      'file restore',
      'file show',
      'file undo',
      'file versions',
      'help',
      'node list',
      'node show',
      'person add',
      'person list',
      'person prove',
      'person remove',
      'quorum',
      'replication add',
      'replication disable',
      'replication enable',
      'replication list',
      'replication remove',
      'replication run',
      'run cancel',
      'run show',
      'snapshot create',
      'snapshot delete',
      'snapshot keep',
      'snapshot list',
      'snapshot rollback',
      'ssh adopt',
      'ssh extend',
      'ssh grant',
      'ssh keep',
      'ssh keys',
      'ssh revoke',
      'ssh sync',
      'ssh who',
      'vm list',
      'vm reboot',
      'vm show',
      'vm shutdown',
      'vm start',
      'vm stop',
      'whoami',
    ]);
  });

  test('rescues and starts are routine, what stops a guest is disruptive, what destroys is destructive', () => {
    const risks = Object.fromEntries(commands.map(({ name, risk }) => [name, risk]));
    expect(risks).toMatchObject({
      'ct create': 'disruptive',
      'ct destroy': 'destructive',
      'ct start': 'routine',
      'vm stop': 'disruptive',
      'backup run': 'routine',
      'replication disable': 'routine',
      'replication run': 'routine',
      'replication remove': 'disruptive',
      'run cancel': 'control',
      'snapshot list': 'read',
      'snapshot create': 'routine',
      'snapshot delete': 'disruptive',
      'snapshot rollback': 'destructive',
      quorum: 'read',
    });
  });

  for (const command of commands) {
    test(`${command.name} fits Discord and its examples can be typed as they are`, () => {
      expect(command.summary.length).toBeLessThanOrEqual(100);
      expect(command.examples.length).toBeGreaterThan(0);
      for (const [name, option] of Object.entries(command.options)) {
        expect(name).toMatch(/^[a-z][a-z0-9-]{0,31}$/);
        expect(option.summary.length).toBeLessThanOrEqual(100);
        for (const choice of option.choices ?? []) expect(option.schema.safeParse(choice).success).toBe(true);
      }
      const registry = makeRegistry(commands, ['off'], cluster);
      for (const example of command.examples) {
        const parsed = parseText(example, registry, () => undefined, '/pve ');
        expect(parsed.command.name).toBe(command.name);
        expect(missingOptions(parsed)).toEqual([]);
        expect(() => checkOptions(parsed, '/pve ')).not.toThrow();
      }
    });
  }

  test('the table in the README is this menu', () => {
    const readme = readFileSync(new URL('README.md', folder), 'utf8');
    const between = readme.split('<!-- commands -->')[1]?.split('<!-- /commands -->')[0];
    expect(between?.trim()).toBe(commandTable(commands));
  });
});

describe('help', () => {
  test('groups what the asker may run by its first word and hides the rest', async () => {
    const menu = menuOf(commands).filter((entry) => entry.risk === 'read');
    const card = await answerOf('help', {}, fourNodes(), { menu });
    expect(card.facts).toContainEqual({ label: 'ct', value: 'list, show' });
    expect(JSON.stringify(card)).not.toContain('destroy');
    await expect(answerOf('help', { command: 'ct destroy' }, fourNodes(), { menu })).rejects.toThrow(/no such command/);
  });

  test('tells one noun and one command', async () => {
    const noun = await answerOf('help', { command: 'replication' }, fourNodes());
    expect(noun.facts?.map((fact) => fact.label)).toContain('replication disable');
    const one = await answerOf('help', { command: 'CT  create' }, fourNodes());
    expect(one.title).toBe('/pve ct create');
    expect(one.code?.[0]).toBe('/pve ct create hostname:robotoff node:ovh1');
    expect(one.facts?.[0]).toEqual({
      label: 'hostname',
      value: 'Name of the new container: letters, digits, hyphens, required',
    });
    expect((await answerOf('help', { command: 'quorum' }, fourNodes())).title).toBe('/pve quorum');
  });
});
