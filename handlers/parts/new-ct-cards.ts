import type { Card } from '../../src/contracts/card.ts';
import type { Plan } from '../../src/contracts/plan.ts';
import type { RunRecord } from '../../src/contracts/records.ts';
import { intentText, resultCard } from './cards.ts';
import { moment } from './leases.ts';
import { count, mebibytes, span } from './units.ts';

/** What people see of a new container, before and after. */

interface Access {
  readonly people: readonly { readonly user: string; readonly keys: readonly string[] }[];
  readonly sudo: boolean;
  readonly leaseSeconds: number;
  readonly jump: {
    readonly node: string;
    readonly account: string;
    readonly host: string;
    readonly port: number;
  } | null;
}

interface Setup {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly minutes: number;
}

const accessIn = ({ intent }: Plan): Access | null => intent['access'] as unknown as Access | null;
const setupIn = ({ intent }: Plan): Setup | null => intent['setup'] as unknown as Setup | null;

export function newCtPreview(plan: Plan): Card {
  const text = (key: string) => intentText(plan, key);
  const { intent } = plan;
  const tags = plan.target.tags ?? [];
  const prefix = `/${text('address').split('/')[1]}`;
  return {
    title: plan.title,
    tone: plan.risks.length > 0 ? 'warning' : 'plain',
    lines: [
      `${text('address')} ${text('bridge')} gw ${text('gateway')}${intent['gatewayInside'] ? '' : ` (outside ${prefix}!)`}`,
      `${text('templateName')}, ${text('cores')} ${text('cores') === '1' ? 'core' : 'cores'}, ${mebibytes(Number(intent['memoryMiB']))}, swap ${text('swapMiB')}`,
      `${text('diskGiB')} GiB ${text('storage')}`,
      [
        intent['unprivileged'] ? 'unprivileged' : 'PRIVILEGED',
        ...(intent['docker'] ? ['Docker (nesting, keyctl)'] : []),
        ...(intent['onboot'] ? ['onboot'] : []),
        intent['protection'] ? 'protection' : 'NO protection',
        intent['start'] ? 'starts now' : 'stays off',
      ].join(', '),
      intent['replicateTo'] ? `Replicate ${text('replicateTo')} ${text('schedule')}; HA: no` : 'NOT replicated; HA: no',
      ...peopleLines(plan),
      ...setupLines(plan),
      ...(tags.length > 0 || intent['pool']
        ? [
            [
              ...(tags.length > 0 ? [`tags ${tags.join(' ')}`] : []),
              ...(intent['pool'] ? [`pool ${text('pool')}`] : []),
            ].join(', '),
          ]
        : []),
    ],
    facts: plan.observations,
  };
}

/** `alice: 2 keys, sudo, jump ovh1, for 8 h`, and the keys by fingerprint. */
function peopleLines(plan: Plan): readonly string[] {
  const access = accessIn(plan);
  if (!access) return ['No root password: people come in by SSH keys'];
  const { people, sudo, leaseSeconds, jump } = access;
  const more = [...(sudo ? ['sudo'] : []), jump ? `jump ${jump.node}` : 'NO jump', `for ${span(leaseSeconds)}`];
  return people.flatMap(({ user, keys }) => [
    `${user}: ${[count(keys.length, 'key'), ...more].join(', ')}`,
    ...keys.map((key) => `+ ${key}`),
  ]);
}

/** Not the script itself, which is long: the sum says which it is, and people read it before they approve. */
function setupLines(plan: Plan): readonly string[] {
  const setup = setupIn(plan);
  if (!setup) return [];
  const { name, sha256, bytes, minutes } = setup;
  return [
    `Runs ${name} in it: ${bytes} bytes, SHA-256 ${sha256}, at most ${minutes} min; its output comes into the thread`,
    'To read it first: approval show {run}',
    'When it ends badly, all of this is taken back and the container destroyed',
  ];
}

export function newCtResult(plan: Plan, run: RunRecord): Card {
  const text = (key: string) => intentText(plan, key);
  const { start, replicateTo } = plan.intent;
  const setup = setupIn(plan);
  const access = accessIn(plan);
  return {
    ...resultCard(
      `CT ${text('vmid')} ${text('hostname')} ${start ? 'runs' : 'is made, not started,'} on ${text('node')}`,
      run,
      [
        `${text('address')} on ${text('bridge')}, gateway ${text('gateway')}`,
        ...(access
          ? [waysIn(access, text('zone'), run)]
          : [`No root password yet: ssh root@${text('node')}, then pct enter ${text('vmid')}`]),
        ...(setup ? [`${setup.name} ran in it; its output is in the thread`] : []),
        replicateTo
          ? `Replicates to ${text('replicateTo')} ${text('schedule')} (job ${text('replicationJob')}); the first, full copy starts with its next run`
          : 'Not replicated: it lives only on this node',
      ],
    ),
    ...(access ? { code: access.people.map(({ user }) => loginLine(user, access, text('address'))) } : {}),
  };
}

function waysIn({ people, sudo, leaseSeconds }: Access, zone: string, { approvedAt }: RunRecord): string {
  const names = people.map(({ user }) => user).join(', ');
  const until =
    approvedAt === undefined
      ? `for ${span(leaseSeconds)} from the approval`
      : `until ${moment(approvedAt + leaseSeconds * 1000, zone)}`;
  return `${names} can log in ${until}${sudo ? ', with sudo' : ''}; sshd lets nobody in after that`;
}

function loginLine(user: string, { jump }: Access, cidr: string): string {
  const ip = cidr.split('/')[0];
  if (!jump) return `ssh ${user}@${ip}`;
  return `ssh -J ${jump.account}@${jump.host}${jump.port === 22 ? '' : `:${jump.port}`} ${user}@${ip}`;
}
