import type { Membership } from '../src/contracts/cluster.ts';
import { defineCommand, type PlanContext, type Values } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { type Call, MARKER, type Plan, type PlannedStep, type Risk } from '../src/contracts/plan.ts';
import { addReplicationStep, createCtStep, startStep } from '../src/contracts/steps.ts';
import * as options from './options.ts';
import { inside } from './parts/address.ts';
import { quorate } from './parts/checks.ts';
import { newCtPreview, newCtResult } from './parts/new-ct-cards.ts';
import { findSetup, handsFor, insideSteps, nodesAgree, setupIntent, unlockHint } from './parts/new-ct-inside.ts';
import { chooseNumber, freeHostname, macFor, type Numbered, takenAddresses } from './parts/new-ct-names.ts';
import { type NewGuest, newcomers, newcomersIntent } from './parts/new-ct-people.ts';
import { choosePlace, type Place } from './parts/new-ct-place.ts';
import { freeJobId, mayReplicate } from './parts/replication.ts';
import { noSpareNode } from './parts/risks.ts';
import { readSchedule } from './parts/schedule.ts';
import { size, usedOf } from './parts/units.ts';

const takes = {
  hostname: options.hostname,
  node: options.optional(options.node, 'Node to create it on; default: the one with most free memory'),
  vmid: options.optional(options.newVmid),
  template: options.optional(options.template),
  storage: options.optional(options.storage),
  disk: options.optional(options.disk),
  cores: options.optional(options.cores),
  memory: options.optional(options.memory),
  start: options.optional(options.yesNo('start', 'Start it when it is made; default: yes')),
  replicate: options.optional(options.replicate),
  tags: options.optional(options.tags),
  person: options.optional(options.people),
  sudo: options.optional(options.yesNo('sudo', 'Whether those people may become root in it; default: no')),
  expires: options.optional(options.expires, 'How long those people get in; default: as the config says'),
  docker: options.optional(options.yesNo('docker', 'Let Docker run in it (nesting and keyctl); default: no')),
  setup: options.optional(options.setup),
};

type Wanted = Values<typeof takes>;

export const ctCreate = defineCommand({
  name: 'ct create',
  summary: 'Create a container by the house rules, start it and replicate it',
  examples: [
    'ct create hostname:robotoff node:ovh1',
    'ct create robotoff ovh1 memory:4G disk:20 replicate:ovh3',
    'ct create hostname:scratch start:no replicate:no tags:test',
    'ct create hostname:metabase person:@alice sudo:yes docker:yes setup:base',
  ],
  options: takes,
  positional: ['hostname', 'node'],
  action: 'ct.create',
  risk: 'disruptive',
  version: 2,
  plan: (wanted, context) => plan(wanted, context),
  preview: (plan) => newCtPreview(plan),
  result: (plan, run) => newCtResult(plan, run),
});

async function plan(wanted: Wanted, context: PlanContext): Promise<Plan> {
  const { view, house } = context;
  const { hostname } = wanted;
  const what = `${hostname} was not created`;
  const membership = await view.membership();
  const quorum = quorate(membership, what);
  await freeHostname(hostname, context, what);
  const start = wanted.start ?? true;
  const hands = handsFor(wanted, start, context, what);
  const setup = wanted.setup === undefined ? undefined : findSetup(wanted.setup, context, what);
  const people = await newcomers(wanted, context, what);
  const place = await choosePlace({ ...wanted, hands }, context, what);
  const taken = await takenAddresses(context);
  const numbered = await chooseNumber(wanted.vmid, taken, context, what);
  const { vmid, address } = numbered;
  const job = place.replicaOn === undefined ? undefined : await planJob(vmid, place.replicaOn, context, what);
  const tags = [...new Set([...house.ct.tags, ...(wanted.tags ?? [])])];
  const size = { cores: wanted.cores ?? house.ct.cores, memory: wanted.memory ?? house.ct.memory };
  const guest = { node: place.node.name, type: 'lxc', vmid, name: hostname } as const;
  const mac = people ? macFor(vmid, hostname, context) : undefined;
  const made: NewGuest = { ...guest, cluster: view.name, mac: mac ?? '', ip: address.ip };
  const extra = insideSteps(wanted.docker ?? false, setup, people, made);
  await nodesAgree([...extra.before, ...extra.after], context, what);
  const params = parameters(hostname, place, { ...numbered, mac }, size, tags, context);
  const create = createCtStep(place.node.name, vmid, hostname, params);
  const steps: PlannedStep[] = [
    { ...create, byHand: [...unlockHint(made, context), ...(create.byHand ?? [])] },
    ...extra.before,
    ...(start ? [startStep(guest, { undo: true })] : []),
    ...(job ? [addReplicationStep(job.id, job.target, job.schedule, `Replicating to ${job.target}`)] : []),
    ...extra.after,
  ];
  return {
    command: 'ct create',
    version: 2,
    cluster: view.name,
    target: {
      kind: 'guest',
      id: String(vmid),
      name: hostname,
      node: place.node.name,
      vmid,
      tags,
      ...(house.ct.pool ? { pool: house.ct.pool } : {}),
      protected: house.ct.protection,
    },
    title: `Create CT ${vmid} ${hostname} on ${place.node.name}`,
    intent: {
      node: place.node.name,
      vmid,
      hostname,
      address: address.cidr,
      gateway: house.ct.gateway,
      gatewayInside: inside(address, house.ct.gateway),
      bridge: place.bridge,
      template: place.template.volid,
      templateName: place.template.name,
      storage: place.storage.id,
      diskGiB: place.disk,
      cores: size.cores,
      memoryMiB: size.memory,
      swapMiB: house.ct.swap,
      unprivileged: house.ct.unprivileged,
      onboot: house.ct.onboot,
      protection: house.ct.protection,
      tags,
      pool: house.ct.pool ?? null,
      start,
      replicateTo: job?.target ?? null,
      replicationJob: job?.id ?? null,
      schedule: job?.schedule ?? null,
      mac: mac ?? null,
      access: people ? newcomersIntent(people) : null,
      zone: context.zone,
      docker: wanted.docker ?? false,
      setup: setup ? setupIntent(setup) : null,
    },
    guards: [
      quorum,
      ...place.guards,
      { code: `vmid-free:${vmid}`, says: `the number ${vmid} is free` },
      { code: `hostname-free:${hostname}`, says: `the name ${hostname} is free` },
      { code: `address-free:${address.ip}`, says: `no guest has ${address.ip}` },
    ],
    observations: [
      ...observations(place),
      ...(job?.unchecked ? [{ label: 'Token rights', value: job.unchecked }] : []),
    ],
    risks: [...risks(numbered, taken.unread, membership, context), ...(people?.risks ?? [])],
    steps,
    reserves: [
      `vmid/${view.name}/${vmid}`,
      `address/${view.name}/${address.ip}`,
      `hostname/${view.name}/${hostname}`,
      ...(job ? [`replication/${view.name}/${job.id}`] : []),
    ],
    // Whoever is taken out is let in nowhere at the same time.
    locks: [`guest/${view.name}/${vmid}`, ...(people?.people ?? []).map(({ id }) => `link/${id}`)],
  };
}

/** What Proxmox is told. No password: people come in by SSH keys. Switches are 1 and 0 (ODDITIES 3). */
function parameters(
  hostname: string,
  place: Place,
  { address, mac }: Numbered & { readonly mac: string | undefined },
  size: { readonly cores: number; readonly memory: number },
  tags: readonly string[],
  { house, asker }: PlanContext,
): Call['params'] {
  const { ct } = house;
  return {
    hostname,
    ostemplate: place.template.volid,
    rootfs: `${place.storage.id}:${place.disk}`,
    cores: size.cores,
    memory: size.memory,
    swap: ct.swap,
    net0: `name=eth0,bridge=${place.bridge},ip=${address.cidr},gw=${ct.gateway}${mac ? `,hwaddr=${mac}` : ''}`,
    ...(ct.nameserver ? { nameserver: ct.nameserver } : {}),
    ...(ct.searchdomain ? { searchdomain: ct.searchdomain } : {}),
    unprivileged: ct.unprivileged ? 1 : 0,
    onboot: ct.onboot ? 1 : 0,
    protection: ct.protection ? 1 : 0,
    ...(tags.length > 0 ? { tags: tags.join(';') } : {}),
    ...(ct.pool ? { pool: ct.pool } : {}),
    description: `Made for ${asker.id} by Bascule\n${MARKER}`,
    start: 0,
  };
}

async function planJob(vmid: number, target: string, context: PlanContext, what: string) {
  const { house, view, everything, reserved } = context;
  const schedule = readSchedule(house.ct.replicateSchedule);
  if ('problem' in schedule) {
    return fail('bad-input', {
      what,
      why: `house rule replicateSchedule: ${schedule.problem}`,
      next: 'correct the config',
    });
  }
  const unchecked = await mayReplicate(context, { vmid, pool: house.ct.pool }, what);
  const jobs = await everything.replicationJobs();
  return {
    id: freeJobId(vmid, jobs, reserved, view.name),
    target,
    schedule: schedule.value,
    unchecked: unchecked && `right to replicate not checked: ${unchecked}`,
  };
}

function risks(
  { address }: Numbered,
  unread: readonly string[],
  membership: Membership,
  { house }: PlanContext,
): readonly Risk[] {
  const { gateway } = house.ct;
  return [
    ...(inside(address, gateway)
      ? []
      : [
          {
            code: 'gateway-outside',
            says: `gateway ${gateway} is outside ${address.cidr}: it works only where the network routes it on-link`,
          },
        ]),
    ...unread.map((node) => ({
      code: `addresses-unread:${node}`,
      says: `guests of ${node} cannot be read (it is down): one of them may have ${address.ip}`,
    })),
    ...noSpareNode(membership, 'it cannot be started again'),
  ];
}

function observations({ node, storage }: Place): Plan['observations'] {
  return [
    { label: `Free on ${storage.id}`, value: storage.free === undefined ? 'unknown' : size(storage.free) },
    { label: `Memory of ${node.name}`, value: `${usedOf(node.memoryUsed, node.memoryTotal)} used` },
  ];
}
