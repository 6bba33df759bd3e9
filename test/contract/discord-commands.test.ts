import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { discordCommands, finder, weight } from '../../adapters/discord/commands.ts';
import { type RegisterOptions, register, told } from '../../adapters/discord/index.ts';
import { commands } from '../../handlers/index.ts';
import type { MenuEntry, MenuOption } from '../../src/contracts/chat.ts';
import type { Option } from '../../src/contracts/command.ts';
import { makeRegistry } from '../../src/registry.ts';
import { commandCharacters, commandProblems } from '../oracles/discord-commands.ts';
import { type FakeDiscord, startDiscord } from '../platforms/discord.ts';
import { menu } from './desk.ts';
import { failureOf } from './discord-room.ts';

const option = (name: string, more: Partial<MenuOption> = {}): MenuOption => ({
  name,
  summary: `The ${name}`,
  required: false,
  completes: false,
  ...more,
});
const entry = (name: string, options: MenuOption[] = [], summary = `What ${name} does`): MenuEntry => ({
  name,
  summary,
  examples: [name],
  private: false,
  risk: 'read',
  options,
});
type Json = Record<string, unknown>;
const asJson = (entries: readonly MenuEntry[]) => discordCommands(entries) as unknown as Json[];

describe('commands on Discord', () => {
  test('a noun is a root command, its verbs are subcommands, a noun alone is a command', async () => {
    const commands = asJson(menu);
    expect(commands.flatMap(commandProblems)).toEqual([]);
    await expect(`${JSON.stringify(commands, null, 2)}\n`).toMatchFileSnapshot('../golden/discord/commands.json');
  });

  test('every command is hidden by default and exists in servers only', () => {
    for (const command of asJson(menu)) expect(command).toMatchObject({ default_member_permissions: 0, contexts: [0] });
  });

  test('required options come first, whatever the order in the menu', () => {
    const [made] = discordCommands([entry('ct move', [option('why'), option('to', { required: true })])]);
    expect(commandProblems(made as unknown as Json)).toEqual([]);
    expect(JSON.stringify(made)).toMatch(/"to".*"why"/);
  });

  test('a short closed list becomes choices, a long one is completed while typing', () => {
    const many = Array.from({ length: 26 }, (_, at) => `v${at}`);
    const [made] = asJson([
      entry('x', [option('few', { choices: ['yes', 'no'], completes: true }), option('many', { choices: many })]),
    ]);
    const [few, more] = made!.options as Json[];
    expect(few).toMatchObject({
      choices: [
        { name: 'yes', value: 'yes' },
        { name: 'no', value: 'no' },
      ],
    });
    expect(few).not.toHaveProperty('autocomplete');
    expect(more).toMatchObject({ autocomplete: true });
    expect(commandProblems(made!)).toEqual([]);
  });

  test('a noun that is also a command keeps its answer under a verb of its own', () => {
    const both = [entry('cluster'), entry('cluster status'), entry('cluster show')];
    const find = finder(both);
    expect(asJson(both).flatMap(commandProblems)).toEqual([]);
    expect(find('cluster', 'status')?.name).toBe('cluster status');
    expect(find('cluster', 'all')?.name).toBe('cluster');
    expect(find('cluster')).toBeUndefined();
  });

  test('every command of the menu is found again by what Discord calls it', () => {
    const find = finder(menu);
    for (const one of discordCommands(menu)) {
      const verbs = (one.options ?? []).filter((part) => part.type === 1);
      const found = verbs.length > 0 ? verbs.map((verb) => find(one.name, verb.name)) : [find(one.name)];
      expect(found.every(Boolean)).toBe(true);
    }
  });

  test('long and hidden words in a summary are cut and spelled out', () => {
    const [made] = asJson([entry('x', [], `a\u202Eb ${'long '.repeat(40)}`)]);
    expect(commandProblems(made!)).toEqual([]);
    expect(made!.description).toContain('\\u{202E}');
  });

  test('the weight of a command is counted as Discord counts it', () => {
    for (const command of discordCommands(menu)) {
      expect(weight(command)).toBe(commandCharacters(command as unknown as Json));
      expect(weight(command)).toBeLessThanOrEqual(8000);
    }
  });

  test('everything the bot can do fits into what Discord can hold, with room to grow', () => {
    const cluster = { schema: z.string().optional(), summary: 'Name of the cluster', completes: 'cluster' } as const;
    const all = asJson(makeRegistry(commands, ['a', 'b'], cluster as Option).menu);
    expect(all.flatMap(commandProblems)).toEqual([]);
    for (const one of all) expect(commandCharacters(one)).toBeLessThanOrEqual(8000);
  });

  test.each([
    [
      'a noun with more than 8,000 characters',
      Array.from({ length: 25 }, (_, at) =>
        entry(
          `ct v${at}`,
          Array.from({ length: 5 }, (_, o) => option(`o${o}`, { summary: 'y'.repeat(100) })),
          'z'.repeat(100),
        ),
      ),
    ],
    ['a noun with more than 25 verbs', Array.from({ length: 26 }, (_, at) => entry(`ct v${at}`))],
    [
      'more than 25 options',
      [
        entry(
          'x',
          Array.from({ length: 26 }, (_, at) => option(`o${at}`)),
        ),
      ],
    ],
    ['a name in capitals', [entry('CT list')]],
    ['a name with a dot', [entry('ct.list')]],
    ['an option with a blank', [entry('x', [option('a b')])]],
    ['more than 100 nouns', Array.from({ length: 101 }, (_, at) => entry(`n${at}`))],
  ])('%s is an error before Discord sees it', async (_, entries) => {
    const failed = await failureOf(Promise.resolve().then(() => discordCommands(entries)));
    expect(failed).toMatchObject({ kind: 'internal', what: 'Discord cannot hold our commands' });
  });
});

describe('bascule setup discord', () => {
  let discord: FakeDiscord;
  let options: RegisterOptions;
  beforeEach(async () => {
    discord = await startDiscord();
    options = { botToken: discord.token, guildId: discord.guildId, apiUrl: discord.apiUrl };
  });
  afterEach(() => discord.stop());
  const puts = () => discord.calls('put-commands').length;

  test('registers all commands at once, and says so', async () => {
    const outcome = await register(options, menu);
    expect(outcome).toEqual({ changed: true, added: ['ct', 'quorum', 'whoami'], altered: [], removed: [] });
    expect(told(outcome)).toEqual(['added: /ct /quorum /whoami']);
    expect(discord.world.commands.guild.map((one) => one.name).sort()).toEqual(['ct', 'quorum', 'whoami']);
  });

  test('leaves Discord alone when nothing changed', async () => {
    await register(options, menu);
    const outcome = await register({ ...options, applicationId: discord.applicationId }, [...menu]);
    expect(outcome.changed).toBe(false);
    expect(told(outcome)).toEqual(['Discord has these commands already; nothing was changed']);
    expect(puts()).toBe(1);
  });

  test('does not mistake what Discord adds to a command for a change', async () => {
    await register(options, menu);
    const filledIn = (part: Json): Json => ({
      ...part,
      name_localizations: null,
      ...(part.type === 3 && { required: part.required ?? false, autocomplete: part.autocomplete ?? false }),
      ...(part.options ? { options: (part.options as Json[]).map(filledIn) } : {}),
    });
    discord.world.commands.guild = discord.world.commands.guild.map((one) => ({
      ...filledIn(one),
      default_member_permissions: '0',
      contexts: null,
    }));
    expect((await register(options, menu)).changed).toBe(false);
  });

  test('says which commands came, changed and went', async () => {
    await register(options, menu);
    const changed = [
      entry('ct list'),
      entry('quorum', menu[1]!.options as MenuOption[], menu[1]!.summary),
      entry('node list'),
    ];
    const outcome = await register(options, changed);
    expect(outcome).toEqual({ changed: true, added: ['node'], altered: ['ct'], removed: ['whoami'] });
    expect(told(outcome)).toEqual(['added: /node', 'changed: /ct', 'removed: /whoami']);
  });

  test('a wrong token, server or id is told without the token', async () => {
    const wrong = { ...options, botToken: 'MTIzNDU2Nzg5MDEyMzQ1Njc4.secret.secret' };
    const failed = await failureOf(register(wrong, menu));
    expect(failed).toMatchObject({ next: expect.stringContaining('bot token'), status: 401 });
    expect(JSON.stringify(failed)).not.toContain('secret');
    expect(await failureOf(register({ ...options, guildId: '100000000000000001' }, menu))).toMatchObject({
      status: 403,
    });
    expect(await failureOf(register({ ...options, guildId: '../../users' }, menu))).toMatchObject({
      kind: 'bad-input',
    });
    expect(puts()).toBe(0);
  });
});
