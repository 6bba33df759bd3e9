import { describe, expect, test } from 'vitest';
import { strayFields } from './discord-api.ts';
import { commandCharacters, commandProblems } from './discord-commands.ts';
import { limitsPresent } from './limits.ts';
import { manifestProblems } from './manifest.ts';
import { checkBlocks, checkView } from './slack-blocks.ts';

if (!limitsPresent) console.log('oracles: ../shared/chat is absent, nothing to hold bodies against');

const plain = (text: string) => ({ type: 'plain_text', text });
const button = (id: string, label = 'x') => ({ type: 'button', action_id: id, text: plain(label) });
const rich = (text: string) => ({
  type: 'rich_text',
  elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text, style: { bold: true } }] }],
});

describe.skipIf(!limitsPresent)('what the oracles accept and refuse', () => {
  test('a whole card passes', () => {
    const blocks = [
      { type: 'header', text: plain('CREATE CT 112') },
      rich('10.1.0.112/24'),
      { type: 'section', fields: [{ type: 'mrkdwn', text: '*node*' }, plain('ovh1')] },
      {
        type: 'table',
        rows: [[{ type: 'raw_text', text: 'a' }, rich('b')]],
        column_settings: [{ align: 'right' }, null],
      },
      { type: 'divider' },
      {
        type: 'actions',
        elements: [button('approve'), { ...button('deny'), style: 'danger', confirm: { text: plain('sure?') } }],
      },
      { type: 'context', elements: [{ type: 'mrkdwn', text: 'asked 14:02' }] },
    ];
    expect(checkBlocks(blocks)).toEqual({ problems: [], tooLong: false });
  });

  test.each([
    ['51 blocks', Array.from({ length: 51 }, () => ({ type: 'divider' })), '/blocks'],
    ['an unknown block', [{ type: 'banner' }], '/blocks/0/type'],
    ['an unknown field', [{ type: 'divider', colour: 'red' }], '/blocks/0/colour'],
    ['an empty text', [{ type: 'section', text: plain('') }], '/blocks/0/text/text'],
    ['mrkdwn in a header', [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }], '/blocks/0/text/type'],
    [
      '76 characters on a button',
      [{ type: 'actions', elements: [button('a', 'x'.repeat(76))] }],
      '/blocks/0/elements/0/text/text',
    ],
    [
      'one action_id twice',
      [{ type: 'actions', elements: [button('a'), button('a')] }],
      '/blocks/0/elements/1/action_id',
    ],
    [
      'one block_id twice',
      [
        { type: 'divider', block_id: 'b' },
        { type: 'divider', block_id: 'b' },
      ],
      '/blocks/1/block_id',
    ],
    ['a section without content', [{ type: 'section' }], '/blocks/0'],
    ['empty rich text', [rich('')], '/blocks/0/elements/0/elements/0/text'],
    [
      '21 cells in a row',
      [{ type: 'table', rows: [Array.from({ length: 21 }, () => ({ type: 'raw_text', text: 'x' }))] }],
      '/blocks/0/rows/0',
    ],
    ['no blocks but a string', 'blocks', '/blocks'],
  ])('%s is refused at its place', (_, blocks, pointer) => {
    expect(checkBlocks(blocks).problems.map((one) => one.pointer)).toEqual([pointer]);
  });

  test('lengths are code points, and all text of a message shares one budget', () => {
    expect(checkBlocks([{ type: 'header', text: plain('😀'.repeat(150)) }]).problems).toEqual([]);
    expect(checkBlocks([rich('x'.repeat(12_000))]).tooLong).toBe(false);
    expect(checkBlocks([rich('x'.repeat(6000)), rich('x'.repeat(6001))]).tooLong).toBe(true);
  });

  test('a form needs a way to send it and a short title', () => {
    const input = { type: 'input', label: plain('Hostname'), element: { type: 'plain_text_input', action_id: 'name' } };
    const view = { type: 'modal', title: plain('Create'), submit: plain('Plan'), blocks: [input] };
    expect(checkView(view).problems).toEqual([]);
    expect(checkView({ ...view, submit: undefined }).problems).not.toEqual([]);
    expect(checkView({ ...view, title: plain('x'.repeat(25)) }).problems[0]?.pointer).toBe('/view/title/text');
    const select = { type: 'static_select', action_id: 's', options: [{ text: plain('a'), value: 'v'.repeat(76) }] };
    const bad = checkView({ ...view, blocks: [{ ...input, element: select }] }).problems;
    expect(bad.map((one) => one.pointer)).toEqual(['/view/blocks/0/element/options/0/value']);
  });

  test('a manifest with a long name or an unknown key is refused', () => {
    const good = { display_information: { name: 'Bascule' } };
    expect(manifestProblems(good)).toEqual([]);
    expect(manifestProblems({ display_information: { name: 'x'.repeat(36) } })).not.toEqual([]);
    expect(manifestProblems({ ...good, extra: true })).not.toEqual([]);
  });

  test('a Discord command is counted through all levels and held against the written rules', () => {
    const option = { name: 'node', description: 'where', type: 3, choices: [{ name: 'one', value: 'ovh1' }] };
    const sub = { name: 'create', description: 'make', type: 1, options: [option] };
    const command = { name: 'ct', description: 'guests', options: [sub], default_member_permissions: '0' };
    expect(commandCharacters(command)).toBe('ctguestscreatemakenodewhereoneovh1'.length);
    expect(commandProblems(command)).toEqual([]);
    expect(commandProblems({ ...command, name: 'CT' })[0]?.message).toContain('bad name');
    const late = { name: 'b', description: 'b', type: 3, required: true };
    expect(commandProblems({ ...command, options: [{ ...sub, options: [option, late] }] })[0]?.message).toContain(
      'required options',
    );
  });

  test('a field that Discord would ignore is found inside components', () => {
    const row = (more: object) => ({
      components: [{ type: 1, components: [{ type: 2, style: 1, custom_id: 'a', label: 'x', ...more }] }],
    });
    expect(strayFields('MessageCreateRequest', row({}))).toEqual([]);
    expect(strayFields('MessageCreateRequest', row({ colour: 1 }))).toEqual(['/components/0/components/0/colour']);
  });
});
