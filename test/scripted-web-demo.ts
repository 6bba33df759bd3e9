import { createWeb, type Web } from '../adapters/web/index.ts';
import type { Card } from '../src/contracts/card.ts';
import type { Actor, Ask, Choice, Click, Desk, MenuEntry, Panel, Posted } from '../src/contracts/chat.ts';
import { cards, hostile } from './cards.ts';
import { spoken } from './contract/desk.ts';

/** A desk that plays the demo's story from a script, for looking at the page without a cluster. */

export const PEOPLE = [
  { id: 'olga', name: 'Olga', about: 'operator' },
  { id: 'anton', name: 'Anton', about: 'admin' },
  { id: 'vera', name: 'Vera', about: 'viewer' },
  { id: 'sam', name: 'Sam', about: 'admin' },
];
export const CHANNELS = [
  { id: 'ops', name: 'ops', about: 'Cluster off: four nodes in two sites' },
  { id: 'alerts', name: 'alerts', about: 'What the bot noticed by itself' },
];
const NODES = ['ovh1', 'ovh2', 'ovh3', 'ovh4'];

const text = (name: string, summary: string, required = false, completes = false, choices?: readonly string[]) => ({
  name,
  summary,
  required,
  completes,
  ...(choices && { choices }),
});
const entry = (name: string, summary: string, options: MenuEntry['options'] = [], risk = 'read'): MenuEntry => ({
  name,
  summary,
  examples: [name],
  private: name === 'whoami',
  risk,
  options,
});

export const MENU: readonly MenuEntry[] = [
  entry('help', 'What you may ask', [text('command', 'explain this one', false, true)]),
  entry('whoami', 'Who you are to the bot'),
  entry('quorum', 'Votes, quorum, who is missing, how many more may fail', [
    text('cluster', 'which cluster', false, true),
  ]),
  entry('ct list', 'Containers of the cluster', [text('node', 'only on this node', false, true)]),
  {
    ...entry(
      'ct create',
      'Create a container with the house rules',
      [
        text('hostname', 'name of the new container', true),
        text('node', 'where it shall run', true, true),
        text('template', 'OS template', false, true),
        text('start', 'start it at once', false, false, ['yes', 'no']),
      ],
      'routine',
    ),
    examples: ['ct create hostname:robotoff node:ovh1'],
  },
  entry('ct destroy', 'Destroy a container', [text('vmid', 'number or name', true, true)], 'destructive'),
  entry('ct show', 'One container in full', [text('vmid', 'number or name', true, true)]),
  entry('hostile', 'Untrusted text in every field', [text('name', 'which sample', false, true)]),
];

export interface ScriptedDemo {
  readonly web: Web;
  readonly desk: Desk;
  readonly asks: Ask[];
  readonly clicks: Click[];
  /** Whose plug is in. */
  readonly plugs: Map<string, boolean>;
}

/** Not started yet: call `web.start(desk)`. */
export function createScriptedDemo(port = 0): ScriptedDemo {
  const plugs = new Map(NODES.map((node) => [node, true]));
  const asks: Ask[] = [];
  const clicks: Click[] = [];
  const plans = new Map<string, { asker: Actor; hostname: string; node: string; posted: Posted | undefined }>();
  const panel: Panel = {
    title: 'Power plugs',
    switches: async () => [...plugs].map(([id, on]) => ({ id, label: id, on, hint: on ? 'plugged in' : 'no power' })),
    flip: async (id, on) => void plugs.set(id, on),
  };
  const web = createWeb({
    host: '127.0.0.1',
    port,
    people: PEOPLE,
    channels: CHANNELS,
    panel,
    log: { warn: console.warn, error: console.error },
  });

  const run = async (ref: string, click: Click) => {
    const plan = plans.get(ref);
    if (!plan) return void (await click.reply({ title: 'Nothing left to approve', tone: 'warning', private: true }));
    if (plan.asker.id === click.actor.id)
      return void (await click.reply({
        title: 'Someone else has to approve this',
        tone: 'bad',
        lines: ['Nobody approves their own request', 'Next: ask Anton or Sam'],
        private: true,
      }));
    plans.delete(ref);
    if (!plan.posted) return;
    const title = `Creating CT 112 ${plan.hostname} on ${plan.node}`;
    for (const [done, says] of ['Creating', 'Starting', 'Waiting until it runs', 'Adding replication'].entries())
      await web.update(plan.posted, { title, tone: 'busy', progress: { done, total: 4, says } });
    await web.post(
      { platform: 'web', channel: plan.posted.channel, thread: plan.posted.message },
      { title: 'Task log of CT 112', tone: 'plain', code: ['extracting archive\nTotal bytes read: 552megs\nTASK OK'] },
      `log-${ref}`,
      false,
    );
    await web.update(plan.posted, {
      title: `CT 112 ${plan.hostname} runs on ${plan.node}`,
      tone: 'good',
      lines: ['10.1.0.112/24, replicated to ovh3 every 5 minutes'],
      code: [`ssh root@10.1.0.112`],
      footer: `Request ${ref}, approved by ${click.actor.name}`,
    });
  };

  const desk: Desk = {
    menu: MENU,
    async command(ask) {
      asks.push(ask);
      const said = spoken(ask.input);
      const name = MENU.find((one) => said === one.name || said.startsWith(`${one.name} `))?.name;
      if (name !== 'ct create') return void (await ask.reply(answer(name, said, plugs, ask.actor)));
      const [hostname = 'ct', node = 'ovh1'] = ['hostname', 'node'].map((key) => optionOf(said, key));
      const ref = `plan-${asks.length}`;
      const posted = await ask.reply(planCard(hostname, node, ref, ask.actor));
      plans.set(ref, { asker: ask.actor, hostname, node, posted });
    },
    async click(click) {
      clicks.push(click);
      if (click.ref === 'd1')
        return void (await click.reply({ title: `You typed ${click.typed}`, tone: 'good', private: true }));
      await run(click.ref, click);
    },
    prompt: async (ref) => (ref === 'd1' ? cards.prompt.actions.find((one) => one.ref === ref)?.prompt : undefined),
    form(said) {
      const found = MENU.find((one) => said === one.name || said.startsWith(`${one.name} `));
      if (!found?.options.some((one) => one.required && optionOf(said, one.name) === undefined)) return undefined;
      const fields = found.options.map((one) => ({ ...one, value: optionOf(said, one.name) }));
      return { command: found.name, title: found.summary, fields };
    },
    async complete({ option, typed, limit }): Promise<readonly Choice[]> {
      const values = option === 'node' ? NODES : option === 'name' ? Object.keys(hostile) : ['103', '110'];
      return values
        .filter((value) => value.startsWith(typed))
        .slice(0, limit)
        .map((value) => ({ label: value, value }));
    },
    home: async (actor) => [
      { title: `${actor.name} may run 8 commands`, tone: 'plain', lines: ['ct create needs one other person'] },
      { title: 'Nothing waits for you', tone: 'good' },
    ],
  };
  return { web, desk, asks, clicks, plugs };
}

const optionOf = (said: string, name: string) => new RegExp(`(?:^|\\s)${name}:(\\S+)`).exec(said)?.[1];

function answer(name: string | undefined, said: string, plugs: Map<string, boolean>, actor: Actor): Card {
  if (name === 'quorum') return quorumCard(plugs);
  if (name === 'ct list') return cards.table;
  if (name === 'ct destroy') return cards.prompt;
  if (name === 'ct show') return cards.backup;
  if (name === 'help') return cards.failover;
  if (name === 'hostile') return hostile[(optionOf(said, 'name') ?? 'html') as keyof typeof hostile];
  if (name === 'whoami')
    return {
      title: `You are ${actor.name}`,
      tone: 'plain',
      facts: [{ label: 'Account', value: `web:${actor.id}` }],
      private: true,
    };
  return {
    title: 'I do not know that command',
    tone: 'warning',
    lines: [`You typed: ${said}`, 'Next: type help'],
    private: true,
  };
}

function planCard(hostname: string, node: string, ref: string, asker: Actor): Card {
  return {
    title: `CREATE CT 112 ${hostname} on ${node}`,
    tone: 'plain',
    facts: [
      { label: 'Address', value: '10.1.0.112/24 on vmbr0, gateway 10.1.0.1' },
      { label: 'System', value: 'debian-13, 2 cores, 2 GiB, swap 256 MiB' },
      { label: 'Disk', value: '20 GiB on local-zfs, 412 GiB free' },
      { label: 'Rules', value: 'unprivileged, onboot, protection' },
      { label: 'Replication', value: 'to ovh3 every 5 minutes' },
      { label: 'Missing', value: '0 of 1 approvals from admin' },
    ],
    actions: [
      { ref, label: 'Approve', style: 'primary' },
      { ref: `${ref}-deny`, label: 'Deny' },
    ],
    footer: `Request ${ref} by ${asker.name}, expires in 1 h`,
  };
}

function quorumCard(plugs: Map<string, boolean>): Card {
  const up = [...plugs].filter(([, on]) => on).map(([node]) => node);
  const down = NODES.filter((node) => !up.includes(node));
  const spare = up.length - 3;
  return {
    title: `OFF: ${spare >= 0 ? 'QUORATE' : 'NO QUORUM'} ${up.length}/4 votes, need 3`,
    tone: spare > 0 ? 'good' : spare === 0 ? 'warning' : 'bad',
    lines: [spare > 0 ? `${spare} more node may fail` : 'No more node may fail'],
    facts: [
      { label: 'Up', value: up.join(' ') },
      ...(down.length > 0 ? [{ label: 'Down', value: down.join(' ') }] : []),
      { label: 'Sites', value: 'Roubaix 2, Strasbourg 1' },
    ],
  };
}

if (import.meta.main) {
  const { web, desk } = createScriptedDemo();
  await web.start(desk);
  console.log(web.url);
}
