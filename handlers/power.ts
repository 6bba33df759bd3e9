import type { Card } from '../src/contracts/card.ts';
import type { Guest, HaService, Membership } from '../src/contracts/cluster.ts';
import type { ChangeCommand, Option, PlanContext } from '../src/contracts/command.ts';
import { defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import type { GuestType, Plan, PlannedStep, Risk } from '../src/contracts/plan.ts';
import { guestLabel, rebootStep, shutdownStep, startStep, stopStep } from '../src/contracts/steps.ts';
import { ct, optional, timeout, vm } from './options.ts';
import { guestTarget, previewCard, resultCard } from './parts/cards.ts';
import { quorate, reachable, unlocked } from './parts/checks.ts';
import { haServiceOf, noSpareNode, prodTag } from './parts/risks.ts';
import { span } from './parts/units.ts';

/** Power of containers and VMs: eight commands that differ in one row of the table below. */

export type Verb = 'start' | 'shutdown' | 'stop' | 'reboot';

interface VerbRow {
  readonly risk: 'routine' | 'disruptive';
  /** Begins the title: `Shut down CT 103 robotoff`. */
  readonly order: string;
  /** Completes `103 robotoff was not …`. */
  readonly done: string;
  readonly summary: string;
  /** Whether the guest must run for this. */
  readonly needs: 'running' | 'stopped';
  /** What will happen, for the preview. */
  readonly effect: (seconds: number) => string;
  readonly ha: string;
  readonly result: string;
  readonly step: (guest: Guest, seconds: number) => PlannedStep;
}

const VERBS: Readonly<Record<Verb, VerbRow>> = {
  start: {
    risk: 'routine',
    order: 'Start',
    done: 'started',
    summary: 'and wait until it runs',
    needs: 'stopped',
    effect: () => 'Starts it and waits until it runs',
    ha: 'HA starts it: the wanted state becomes "started"',
    result: 'runs',
    step: (guest) => startStep(guest),
  },
  shutdown: {
    risk: 'disruptive',
    order: 'Shut down',
    done: 'shut down',
    summary: 'cleanly; never cuts the power',
    needs: 'running',
    effect: (seconds) => `Asks it to power off and waits ${span(seconds)}; does not cut the power`,
    ha: 'HA keeps it down: the wanted state becomes "stopped", nothing restarts it until someone starts it',
    result: 'is shut down',
    step: shutdownStep,
  },
  stop: {
    risk: 'disruptive',
    order: 'Stop',
    done: 'stopped',
    summary: 'hard, like pulling its plug',
    needs: 'running',
    effect: () => 'Cuts the power: what it has not written is lost',
    ha: 'HA keeps it down: the wanted state becomes "stopped", nothing restarts it until someone starts it',
    result: 'is stopped',
    step: stopStep,
  },
  reboot: {
    risk: 'disruptive',
    order: 'Reboot',
    done: 'rebooted',
    summary: 'cleanly and wait until it runs again',
    needs: 'running',
    effect: (seconds) => `Asks it to power off, waits ${span(seconds)}, starts it again`,
    ha: 'HA stays in charge: the wanted state stays "started", and HA may be the one that starts it again',
    result: 'was rebooted and runs',
    step: rebootStep,
  },
};

const DEFAULT_SECONDS = { lxc: 60, qemu: 180 } as const;
const NOUN = { lxc: 'ct', qemu: 'vm' } as const;

type PowerOptions = { readonly vmid: Option<string>; readonly timeout: Option<number | undefined> };
type PlainOptions = { readonly vmid: Option<string> };

/** `shutdown` and `reboot` take `timeout:`, the others act at once. */
export function powerCommand(type: GuestType, verb: Verb): ChangeCommand<PlainOptions> {
  const row = VERBS[verb];
  const noun = NOUN[type];
  const patient = verb === 'shutdown' || verb === 'reboot';
  const vmid = type === 'lxc' ? ct : vm;
  const options: PlainOptions | PowerOptions = patient ? { vmid, timeout: optional(timeout) } : { vmid };
  const example = type === 'lxc' ? '103' : '200';
  return defineCommand<PlainOptions>({
    name: `${noun} ${verb}`,
    summary: `${row.order} a ${type === 'lxc' ? 'container' : 'VM'} ${row.summary}`,
    examples: [`${noun} ${verb} ${example}`, ...(patient ? [`${noun} ${verb} ${example} timeout:2m`] : [])],
    options,
    positional: ['vmid'],
    action: `${noun}.${verb}`,
    risk: row.risk,
    version: 1,
    plan(values, context) {
      const given = (values as { readonly timeout?: number }).timeout;
      return planPower(type, verb, values.vmid, given ?? DEFAULT_SECONDS[type], context);
    },
    preview: (plan) => preview(plan, row),
    result: (plan, run) => resultCard(`${label(type, plan)} ${row.result} on ${plan.target.node}`, run),
  });
}

async function planPower(
  type: GuestType,
  verb: Verb,
  wanted: string,
  seconds: number,
  context: PlanContext,
): Promise<Plan> {
  const { view } = context;
  const row = VERBS[verb];
  const guest = await view.findGuest(wanted, type);
  const what = `${guestLabel(guest)} was not ${row.done}`;
  const membership = await view.membership();
  const guards = [quorate(membership, what), await reachable(guest, context, what), unlocked(guest, what)];
  const service = await haServiceOf(context, guest);
  refuseWrongState(guest, verb, service, what);
  return {
    command: `${NOUN[type]} ${verb}`,
    version: 1,
    cluster: view.name,
    target: guestTarget(guest),
    title: `${row.order} ${guestLabel(guest)} on ${guest.node}`,
    intent: { node: guest.node, seconds: verb === 'shutdown' || verb === 'reboot' ? seconds : null },
    guards: [...guards, { code: `guest:${row.needs}`, says: `it is ${row.needs}` }],
    observations: [
      { label: 'State', value: `${guest.status}${guest.uptime ? ` for ${span(guest.uptime)}` : ''}` },
      { label: 'HA', value: service ? `${service.state ?? service.crmState ?? 'queued'}` : 'no' },
    ],
    risks: risksOf(guest, verb, service, membership),
    steps: [row.step(guest, seconds)],
    reserves: [],
    locks: [`guest/${view.name}/${guest.vmid}`],
  };
}

function refuseWrongState(guest: Guest, verb: Verb, service: HaService | undefined, what: string): void {
  if (guest.status === 'unknown') {
    fail('unavailable', { what, why: `${guest.node} does not tell whether it runs`, next: 'try again in a minute' });
  }
  const running = guest.status !== 'stopped';
  if (VERBS[verb].needs === 'stopped' && running) {
    fail('conflict', { what, why: `it is already ${guest.status}`, next: 'nothing to do' });
  }
  if (VERBS[verb].needs === 'running' && !running) {
    fail('conflict', {
      what,
      why: 'it is already stopped',
      next: verb === 'reboot' ? 'start it instead' : 'nothing to do',
    });
  }
  // HA ignores every wish for a service in error until it was disabled once (FACTS 1.3).
  if (service && (service.crmState === 'error' || service.state === 'error')) {
    fail('conflict', {
      what,
      why: 'HA gave up on it (state error) and ignores every wish until that is cleared',
      next: `find the cause, then on a node: ha-manager set ${service.sid} --state disabled, and after it --state started`,
    });
  }
}

function risksOf(guest: Guest, verb: Verb, service: HaService | undefined, membership: Membership): readonly Risk[] {
  if (verb === 'start') return [];
  return [
    ...(service ? [{ code: 'ha-managed', says: VERBS[verb].ha }] : []),
    ...prodTag(guest),
    ...noSpareNode(membership, 'it cannot be started again'),
  ];
}

function preview(plan: Plan, row: VerbRow): Card {
  const seconds = typeof plan.intent['seconds'] === 'number' ? plan.intent['seconds'] : 0;
  const managed = plan.observations.some((fact) => fact.label === 'HA' && fact.value !== 'no');
  return previewCard(plan, [row.effect(seconds), ...(row.risk === 'routine' && managed ? [row.ha] : [])]);
}

function label(type: GuestType, plan: Plan): string {
  return guestLabel({ type, vmid: Number(plan.target.id), name: plan.target.name });
}
