import { defineCommand } from '../src/contracts/command.ts';
import type { Plan } from '../src/contracts/plan.ts';
import type { RunRecord } from '../src/contracts/records.ts';
import { ct, expires, option, optional, person, yesNo } from './options.ts';
import { intentText, previewCard, resultCard } from './parts/cards.ts';
import { planGrant } from './parts/grant-plan.ts';
import { planQueued } from './parts/grant-queued.ts';
import { moment, stampText } from './parts/leases.ts';
import { keysOfIntent } from './parts/linked.ts';
import { QUEUED_BY } from './parts/queue.ts';
import { count, span } from './parts/units.ts';

const stopped = option<'refuse' | 'wait'>({
  summary: 'What to do when it does not run: refuse, or wait until it does',
  example: 'stopped:wait',
  choices: ['refuse', 'wait'],
  read: (text) => {
    const word = text.toLowerCase();
    return word === 'refuse' || word === 'wait' ? { value: word } : { problem: 'stopped is refuse or wait' };
  },
});

export const sshGrant = defineCommand({
  name: 'ssh grant',
  summary: 'Let a person into a container with their GitHub keys, for a time',
  examples: ['ssh grant person:@alice vmid:103', 'ssh grant person:@alice vmid:103 expires:2d sudo:yes stopped:wait'],
  options: {
    person,
    vmid: ct,
    expires: optional(expires, "How long it lasts, from the approval; default: the house's lease"),
    sudo: optional(yesNo('sudo', 'May become root there; default no')),
    stopped: optional(stopped),
  },
  positional: ['person', 'vmid'],
  action: 'ssh.grant',
  risk: 'disruptive',
  version: 1,
  plan: (wanted, context) =>
    context.asker.automation === QUEUED_BY ? planQueued(wanted, context) : planGrant(wanted, context),
  preview,
  result,
});

function preview(plan: Plan) {
  const { intent } = plan;
  const keys = keysOfIntent(intent['keys']);
  if (intent['moot']) return previewCard(plan, [`Nothing is done in the container: ${intentText(plan, 'moot')}`]);
  return previewCard(plan, [
    `${intentText(plan, 'user')}: ${count(keys.length, 'key')}, ${intent['sudo'] ? 'SUDO' : 'no sudo'}, ${leaseText(plan)}`,
    ...keys.map((key) => `+ ${key}`),
    wayText(plan),
    intent['account'] === 'new'
      ? 'The account is made, without a password'
      : intent['waits']
        ? 'The account is made if there is none'
        : 'The account is there already; its other lines stay',
  ]);
}

function leaseText({ intent }: Plan): string {
  const { until, lease, zone } = intent;
  if (typeof until === 'string') return `until ${stampText(until, String(zone ?? 'UTC'))}`;
  return `for ${span(Number(lease))} from the approval`;
}

function wayText(plan: Plan): string {
  const { noJump, address, jump, through } = plan.intent;
  if (jump === undefined) return `No way in through a jump node: ${noJump}`;
  return `Way in: jump ${through} (${jump}) to ${address}:22 and nowhere else, ended by the same lease`;
}

function result(plan: Plan, run: RunRecord) {
  const { intent } = plan;
  const name = intentText(plan, 'name');
  const guest = intentText(plan, 'guest');
  const end = endOf(plan, run);
  if (intent['moot']) return resultCard(`Forgotten: ${name} into ${guest}`, run, [intentText(plan, 'moot')]);
  if (intent['waits']) {
    return resultCard(`${name} is let into ${guest} once it runs`, run, [
      `Until ${end}: the lease runs already`,
      'Nothing was changed in it yet',
    ]);
  }
  const card = resultCard(`${name} may log in to ${guest}`, run, [
    `Until ${end}: sshd lets nobody in after that; a session that is open goes on`,
    `${intentText(plan, 'user')}${intent['sudo'] ? ' with sudo' : ''}, ${count(keysOfIntent(intent['keys']).length, 'key')}`,
    ...(intent['jump'] === undefined ? [wayText(plan)] : []),
  ]);
  return { ...card, code: commands(plan) };
}

function endOf({ intent }: Plan, run: RunRecord): string {
  const zone = String(intent['zone'] ?? 'UTC');
  if (typeof intent['until'] === 'string') return stampText(intent['until'], zone);
  return run.approvedAt === undefined
    ? `${span(Number(intent['lease']))} from the approval`
    : moment(run.approvedAt + Number(intent['lease']) * 1000, zone);
}

/** The command to type once, and what to put into ~/.ssh/config to type less. */
function commands(plan: Plan): readonly string[] {
  const { user, address, through, guest } = plan.intent;
  const name = String(guest).split(' ').at(-1) ?? String(guest);
  if (address === undefined) return [];
  if (through === undefined) return [`ssh ${user}@${address}`];
  return [
    `ssh -J ${through} ${user}@${address}`,
    [`Host ${name}`, `  HostName ${address}`, `  User ${user}`, `  ProxyJump ${through}`].join('\n'),
  ];
}
