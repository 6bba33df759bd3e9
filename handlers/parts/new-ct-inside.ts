import { Buffer } from 'node:buffer';
import type { PlanContext } from '../../src/contracts/command.ts';
import { Failed, fail } from '../../src/contracts/failure.ts';
import { nodeStep } from '../../src/contracts/node-steps.ts';
import { isNodeCall, type Json, type NodeCall, type PlannedStep } from '../../src/contracts/plan.ts';
import { goesWithContainer, type Newcomers, type NewGuest, newcomerSteps, type PeopleWish } from './new-ct-people.ts';

/** What only the node's helper can do to a new container: features for Docker, and the house's scripts. */

export interface HandsWish extends PeopleWish {
  readonly docker?: boolean | undefined;
  readonly setup?: string | undefined;
}

type Spot = Pick<NewGuest, 'cluster' | 'node' | 'vmid'>;

/** keyctl is root's alone: no API token may set it, not even root's own (FACTS 5.2). */
function dockerStep({ cluster, node, vmid }: Spot): PlannedStep {
  const call: NodeCall = { cluster, node, verb: 'ct.features', args: { vmid, nesting: true, keyctl: true } };
  return goesWithContainer(nodeStep(call, { name: 'features', says: `Allowing Docker in CT ${vmid}` }));
}

export interface Setup {
  readonly name: string;
  readonly text: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Minutes a script may take; packages come over the network. */
const SETUP_MINUTES = 20;
/** The helper's own limit, characters. */
const LONGEST_SCRIPT = 65_000;

/** A script of the config by its name, as it stood when the bot started. */
export function findSetup(name: string, { house }: PlanContext, what: string): Setup {
  const names = Object.keys(house.scripts);
  const script = Object.hasOwn(house.scripts, name) ? house.scripts[name] : undefined;
  if (!script) {
    return fail('not-found', {
      what,
      why: `the config has no script ${name}`,
      next:
        names.length > 0
          ? `choose one of ${names.map((one) => `setup:${one}`).join(', ')}`
          : 'an admin names one in the config, under house.scripts',
    });
  }
  const unfit = (why: string) => fail('bad-input', { what, why: `script ${name} ${why}`, next: 'an admin mends it' });
  if (!script.text.startsWith('#!/')) unfit('does not begin with #!/ and its interpreter');
  if (script.text.length > LONGEST_SCRIPT) unfit(`has more than ${LONGEST_SCRIPT} characters`);
  return { name, text: script.text, sha256: script.sha256, bytes: Buffer.byteLength(script.text) };
}

function setupStep({ name, text }: Setup, { cluster, node, vmid }: Spot): PlannedStep {
  const call: NodeCall = {
    cluster,
    node,
    verb: 'ct.script',
    args: { vmid, run: '{run}', script: text, minutes: SETUP_MINUTES },
    seconds: SETUP_MINUTES * 60 + 60,
    asIs: ['script'],
  };
  const byHand = [`ssh root@${node} pct exec ${vmid} -- ls -l /var/lib/bascule/scripts`];
  return goesWithContainer(nodeStep(call, { name: 'setup', says: `Running ${name} in CT ${vmid}`, byHand }));
}

/**
 * Asks the nodes whether they would do these steps. The container is not there yet, and that it is missing is said
 * last: whatever else is said is a refusal that would come after the create.
 */
export async function nodesAgree(steps: readonly PlannedStep[], { nodes }: PlanContext, what: string): Promise<void> {
  const calls = steps.map(({ call }) => call).filter(isNodeCall);
  await Promise.all(
    calls.map(async (call) => {
      const { node, verb } = call;
      try {
        await nodes.dryRun(call);
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        const { kind, why, next } = error.failure;
        if (kind !== 'not-found' || !verb.startsWith('ct.')) fail(kind, { what, why: `${node}: ${why}`, next }, error);
      }
    }),
  );
}

/** Options that need the node's helper; those that need a running container refuse start:no. */
export function handsFor(wanted: HandsWish, start: boolean, { house }: PlanContext, what: string): readonly string[] {
  if (wanted.docker && !house.ct.unprivileged) {
    fail('conflict', {
      what,
      why: 'the house rules make privileged containers, where nesting and keyctl would open the node',
      next: 'leave docker: out',
    });
  }
  const inside = [...(wanted.person ? ['person:'] : []), ...(wanted.setup ? ['setup:'] : [])];
  if (inside.length > 0 && !start) {
    fail('bad-input', {
      what,
      why: `${inside.join(' and ')} can only be done in a container that runs`,
      next: 'leave start:no out',
    });
  }
  const needless = [
    ...(wanted.sudo === undefined ? [] : ['sudo:']),
    ...(wanted.expires === undefined ? [] : ['expires:']),
  ];
  if (needless.length > 0 && !wanted.person)
    fail('bad-input', {
      what,
      why: `${needless.join(' and ')} is for people, and none is named`,
      next: 'add person:@…',
    });
  return [...inside, ...(wanted.docker ? ['docker:'] : [])];
}

/** Before it starts, and once it runs. With sudo the script comes first: templates without sudo get it from there. */
export function insideSteps(docker: boolean, setup: Setup | undefined, people: Newcomers | undefined, made: NewGuest) {
  const accounts = people ? newcomerSteps(people, made) : [];
  const script = setup ? [setupStep(setup, made)] : [];
  return {
    before: docker ? [dockerStep(made)] : [],
    after: people?.sudo ? [...script, ...accounts] : [...accounts, ...script],
  };
}

export const setupIntent = ({ name, sha256, bytes }: Setup): Json => ({ name, sha256, bytes, minutes: SETUP_MINUTES });

/** A killed create leaves a lock that the node's helper can take. */
export function unlockHint({ node, vmid }: NewGuest, { nodes, root }: PlanContext): readonly string[] {
  return nodes.has(node) ? [`if it is locked (create): ${root}ct unlock ${vmid}, then ${root}ct destroy ${vmid}`] : [];
}
