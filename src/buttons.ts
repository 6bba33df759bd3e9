import { failureCard, refusalCard } from './cards.ts';
import type { Card } from './contracts/card.ts';
import type { Click } from './contracts/chat.ts';
import { failure } from './contracts/failure.ts';
import type { Person } from './contracts/people.ts';
import type { RequestRecord } from './contracts/records.ts';
import type { Button, Store } from './contracts/store.ts';
import type { Planning } from './planning.ts';
import type { Requests } from './requests.ts';

export interface ButtonParts {
  readonly store: Store;
  readonly planning: Planning;
  readonly requests: Requests;
  readonly clock: { now(): number };
}

/**
 * A click is judged for the person who clicked, at that moment. Resolves a private card when the person must be
 * told something; nothing when the request's own card tells it all.
 */
export async function decideButton(
  click: Click,
  person: Person,
  doubt: string | undefined,
  parts: ButtonParts,
): Promise<Card | undefined> {
  const button = await parts.store.button(click.ref);
  const request = button && (await parts.store.request(button.request));
  if (!button || !request)
    return failureCard(
      failure('not-found', {
        what: 'Nothing was done',
        why: 'this button is not known here any more',
        next: 'ask for the command again',
      }),
    );
  const over = overCard(button, request);
  if (over) return over;
  if (doubt) {
    return failureCard(
      failure('unavailable', { what: 'Nothing was done', why: doubt, next: 'press it again in a minute' }),
    );
  }
  if (button.verb === 'confirm') return confirm(click, button, request, person, parts);
  const action = { approve: 'approve', deny: 'deny', withdraw: 'withdraw', stop: 'run.cancel' }[button.verb];
  const verdict = parts.planning.mayDecide(action, request, person, click.place);
  if (verdict.answer !== 'allowed') {
    await parts.store.audit([
      {
        at: parts.clock.now(),
        id: request.id,
        kind: 'refused',
        who: person.id,
        body: { button: button.verb, why: verdict.why, policies: verdict.policies, actor: { ...click.actor } },
      },
    ]);
    const own = person.id === request.requester && button.verb === 'approve';
    const next = own ? 'ask somebody else who may approve' : 'ask an operator or admin; whoami tells what you may do';
    return refusalCard(`${button.verb} ${request.id}`, verdict, undefined, next);
  }
  if (button.verb === 'withdraw' || button.verb === 'stop') {
    await parts.requests.cancel(request.id, person.id, verdict.policies);
    return undefined;
  }
  const failed = await parts.requests.vote(request, person, click.actor, button.verb, false, verdict.policies);
  return failed && failureCard(failed);
}

/** A click on something that is over, or on the button of an older plan, does nothing and says so. */
function overCard(button: Button, request: RequestRecord): Card | undefined {
  const open: readonly string[] =
    button.verb === 'stop' ? ['running'] : button.verb === 'withdraw' ? ['waiting', 'approved'] : ['waiting'];
  if (button.fingerprint !== request.fingerprint || request.state === 'superseded') {
    return failureCard(
      failure('changed', {
        what: 'Nothing was done',
        why: `this button belongs to an older plan${request.note ? ` (${request.note})` : ''}`,
        next: 'look at the newest card and decide there',
      }),
    );
  }
  if (open.includes(request.state)) return undefined;
  const why = `request ${request.id} is ${request.state}${request.note ? ` (${request.note.split('\n')[0]})` : ''}`;
  return failureCard(
    failure('conflict', { what: 'Nothing was done', why, next: 'its card shows how it ended or where it stands' }),
  );
}

async function confirm(
  click: Click,
  button: Button,
  request: RequestRecord,
  person: Person,
  parts: ButtonParts,
): Promise<Card | undefined> {
  if (person.id !== request.requester) {
    await parts.store.audit([
      {
        at: parts.clock.now(),
        id: request.id,
        kind: 'refused',
        who: person.id,
        body: { button: 'confirm', why: `asked for by ${request.requester}`, actor: { ...click.actor } },
      },
    ]);
    return failureCard(
      failure('forbidden', {
        what: 'Nothing was done',
        why: 'only the person who asked can confirm their own request',
        next: `it waits for ${request.requester}`,
      }),
    );
  }
  if (button.typed !== undefined && click.typed?.trim() !== button.typed) {
    return failureCard(
      failure('bad-input', {
        what: 'Nothing was done',
        why: `what was typed is not ${button.typed}`,
        next: 'press the button again and type exactly that',
      }),
    );
  }
  const failed = await parts.requests.vote(request, person, click.actor, 'confirm', button.typed !== undefined);
  return failed && failureCard(failed);
}
