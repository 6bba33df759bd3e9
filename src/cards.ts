import { DateTime } from 'luxon';
import type { Action, Card } from './contracts/card.ts';
import type { ChangeCommand } from './contracts/command.ts';
import type { Failure } from './contracts/failure.ts';
import { type Need, needLine, type Verdict } from './contracts/policy.ts';
import type { RequestRecord, RunRecord, StepRecord } from './contracts/records.ts';
import type { ButtonVerb } from './contracts/store.ts';

/** Cards of the pipeline itself; what a command shows is in its handler. */

export function failureCard(failure: Failure, doubt?: string): Card {
  const tone =
    failure.kind === 'unavailable' || failure.kind === 'internal' || failure.kind === 'in-doubt' ? 'bad' : 'warning';
  return {
    title: failure.what,
    tone,
    lines: [...failure.why.split('\n'), ...(doubt ? [doubt] : []), `Next: ${failure.next}`],
    private: true,
  };
}

export function refusalCard(
  what: string,
  verdict: Verdict,
  doubt?: string,
  next = 'ask an admin, or see what you may do with whoami',
): Card {
  return {
    title: `${what}: not allowed`,
    tone: 'warning',
    lines: [verdict.why, ...(doubt ? [doubt] : []), `Next: ${next}`],
    ...(verdict.policies.length > 0 ? { footer: `decided by ${verdict.policies.join(', ')}` } : {}),
    private: true,
  };
}

export function brokenCard(reference: string): Card {
  return {
    title: 'Something in Bascule broke',
    tone: 'bad',
    lines: [
      'Your command was not finished. Nothing runs without an approved plan.',
      `Next: an admin finds the cause in the log under ${reference}`,
    ],
    private: true,
  };
}

/** Short, unguessable enough, stable for one plan: the button's row in the store says what it means. */
export function buttonRef(request: string, verb: ButtonVerb, fingerprint: string): string {
  return `${request}.${verb}.${fingerprint.slice(0, 8)}`;
}

export interface CardScene {
  readonly command: ChangeCommand | undefined;
  readonly requester: string;
  readonly nameOf: (person: string) => string;
  readonly zone: string;
  readonly root: string;
  readonly needs: readonly Need[];
  readonly steps: readonly StepRecord[];
  /** The newest log line of the step under way. */
  readonly log?: string;
}

/** The one card of a request, in whatever state it is. */
export function requestCard(request: RequestRecord, scene: CardScene): Card {
  switch (request.state) {
    case 'waiting':
      return waitingCard(request, scene);
    case 'approved':
      return {
        ...planCard(request, scene),
        tone: 'busy',
        // Only while it waits for another run is there time to change one's mind.
        ...(request.note
          ? { actions: [{ ref: buttonRef(request.id, 'withdraw', request.fingerprint), label: 'Withdraw' }] }
          : {}),
        footer: footer(request, scene, request.note || 'approved, starts now'),
      };
    case 'running':
    case 'undoing':
      return progressCard(request, scene);
    case 'done':
      return doneCard(request, scene);
    case 'failed':
    case 'in-doubt':
      return endedBadlyCard(request, scene);
    default:
      return {
        ...planCard(request, scene),
        tone: 'plain',
        title: `${request.plan.title}: ${request.state}`,
        footer: footer(request, scene, request.note),
      };
  }
}

function planCard(request: RequestRecord, scene: CardScene): Card {
  const { plan } = request;
  const preview = scene.command?.preview(plan) ?? { title: plan.title, tone: 'plain' as const };
  const said = new Set(preview.lines ?? []);
  const risks = plan.risks.map((risk) => risk.says).filter((line) => !said.has(line));
  // What a person is to type about this very request: its id is not known where the preview is made.
  const named = (text: string) => text.replaceAll('{run}', request.id);
  return {
    ...preview,
    lines: [...(preview.lines ?? []), ...risks].map(named),
    ...(preview.code ? { code: preview.code.map(named) } : {}),
  };
}

const VOTED = { approve: 'approved', confirm: 'confirmed', proof: 'proved', deny: 'denied' } as const;

function waitingCard(request: RequestRecord, scene: CardScene): Card {
  const card = planCard(request, scene);
  const votes = request.votes
    .filter((vote) => vote.fingerprint === request.fingerprint && vote.kind !== 'deny')
    .map((vote) => `${VOTED[vote.kind]} by ${scene.nameOf(vote.person)}`);
  const word = typedWord(request);
  const needs = scene.needs.map((need) => needLine(need, scene.nameOf(request.requester), word));
  const { facts = [], ...rest } = card;
  return {
    ...rest,
    // Facts as lines, so that what is missing stands last, right above the buttons.
    lines: [
      ...(card.lines ?? []),
      ...facts.map(({ label, value }) => `${label}: ${value}`),
      ...votes,
      ...(needs.length > 0 ? [`Needs: ${needs.join('; ')}`] : []),
    ],
    actions: waitingActions(request, scene.needs),
    footer: footer(
      request,
      scene,
      `expires ${clockTime(request.expiresAt, scene.zone)}${request.note ? ` · ${request.note}` : ''}`,
    ),
  };
}

function waitingActions(request: RequestRecord, needs: readonly Need[]): Action[] {
  const ref = (verb: ButtonVerb) => buttonRef(request.id, verb, request.fingerprint);
  const actions: Action[] = [];
  if (needs.some((need) => need.kind === 'confirmation'))
    actions.push({ ref: ref('confirm'), label: 'Run it', style: 'primary' });
  if (needs.some((need) => need.kind === 'typed-confirmation')) {
    const prompt = {
      title: 'Type it to confirm',
      label: `Type ${typedWord(request)} to confirm`,
      hint: request.plan.title,
    };
    actions.push({ ref: ref('confirm'), label: 'Run it…', style: 'danger', prompt });
  }
  if (needs.some((need) => need.kind === 'approvals')) {
    actions.push(
      { ref: ref('approve'), label: 'Approve', style: request.risk === 'destructive' ? 'danger' : 'primary' },
      { ref: ref('deny'), label: 'Deny' },
    );
  }
  actions.push({ ref: ref('withdraw'), label: 'Withdraw' });
  return actions;
}

/** What must be typed to confirm: the number where there is one, since it is what cannot be mistaken. */
export function typedWord(request: Pick<RequestRecord, 'plan'>): string {
  return request.plan.target.vmid === undefined ? request.plan.target.name : String(request.plan.target.vmid);
}

function progressCard(request: RequestRecord, scene: CardScene): Card {
  const total = request.plan.steps.length;
  const own = scene.steps.filter((step) => !step.name.startsWith('undo:'));
  const done = own.filter((step) => step.state === 'done').length;
  const current = scene.steps.find((step) => step.state === 'intent');
  const undoing = request.state === 'undoing';
  return {
    title: undoing ? `${request.plan.title}: taking it back` : request.plan.title,
    tone: 'busy',
    lines: [
      ...(undoing ? [request.note] : []),
      ...scene.steps.filter((step) => step.state !== 'pending').map((step) => stepLine(step)),
      ...(scene.log ? [scene.log] : []),
    ],
    progress: { done, total, says: current?.says ?? (undoing ? 'Taking back what was done' : 'Getting ready') },
    ...(undoing
      ? {}
      : {
          actions: [
            {
              ref: buttonRef(request.id, 'stop', request.fingerprint),
              label: 'Stop and undo',
              style: 'danger' as const,
            },
          ],
        }),
    footer: footer(request, scene, approvedBy(request, scene)),
  };
}

function stepLine(step: StepRecord, told = ''): string {
  const mark = { pending: '·', intent: '…', done: '✓', failed: '✗', 'in-doubt': '?', undone: '↩', 'undo-failed': '✗' }[
    step.state
  ];
  const seconds =
    step.startedAt !== undefined && step.endedAt !== undefined
      ? ` (${((step.endedAt - step.startedAt) / 1000).toFixed(1)} s)`
      : '';
  const why = step.note.split('\n')[0] ?? '';
  const ended = { failed: ': failed', 'in-doubt': ': nobody knows' }[step.state as string];
  const note =
    ended !== undefined
      ? why === '' || told.includes(why)
        ? ended
        : `: ${why}`
      : step.state === 'undone'
        ? ': taken back'
        : '';
  return `${mark} ${step.says}${note}${seconds}`;
}

function doneCard(request: RequestRecord, scene: CardScene): Card {
  const run: RunRecord = {
    id: request.id,
    state: request.state,
    steps: scene.steps,
    left: request.left,
    approvedAt: request.approvedAt,
    startedAt: request.startedAt,
    endedAt: request.endedAt,
  };
  const card = scene.command?.result(request.plan, run) ?? {
    title: `${request.plan.title}: done`,
    tone: 'good' as const,
  };
  return { ...card, footer: footer(request, scene, approvedBy(request, scene)) };
}

function endedBadlyCard(request: RequestRecord, scene: CardScene): Card {
  const inDoubt = request.state === 'in-doubt';
  const code = request.left.filter((line) => line.startsWith('ssh '));
  const left = request.left.filter((line) => !line.startsWith('ssh '));
  const untouched = scene.steps.length === 0;
  // Each reason stands once: a step does not repeat what the note above or the list below says.
  const told = [request.note, ...left].join('\n');
  const steps = scene.steps.filter((step) => step.state !== 'pending').map((step) => stepLine(step, told));
  const lines = [...request.note.split('\n'), ...steps];
  if (left.length > 0) lines.push(inDoubt ? 'Look at:' : 'Left behind:', ...left);
  else if (!inDoubt && !untouched)
    lines.push(request.plan.steps.some(({ alone }) => alone) ? 'What was done stays' : 'Nothing is left behind');
  if (code.length > 0) lines.push(inDoubt ? 'Look, and clear it, with:' : 'Clear it with:');
  if (inDoubt) lines.push(`When you have looked: ${scene.root}run cancel id:${request.id} closes it`);
  return {
    title: inDoubt ? `${request.plan.title}: IN DOUBT` : `${request.plan.title}: failed`,
    tone: 'bad',
    lines,
    ...(code.length > 0 ? { code } : {}),
    footer: footer(request, scene, approvedBy(request, scene)),
  };
}

function approvedBy(request: RequestRecord, scene: CardScene): string {
  const votes = request.votes.filter((vote) => vote.fingerprint === request.fingerprint);
  const names = votes.filter((vote) => vote.kind === 'approve').map((vote) => scene.nameOf(vote.person));
  if (names.length > 0) return `approved by ${names.join(', ')}`;
  if (votes.some((vote) => vote.kind === 'proof')) return `proved by ${scene.nameOf(request.requester)}`;
  return votes.some((vote) => vote.kind === 'confirm') ? `confirmed by ${scene.nameOf(request.requester)}` : '';
}

function footer(request: RequestRecord, scene: CardScene, last: string): string {
  return [`${request.id} · asked by ${scene.nameOf(request.requester)}`, request.cluster, last]
    .filter(Boolean)
    .join(' · ');
}

function clockTime(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toFormat('HH:mm ZZZZ');
}
