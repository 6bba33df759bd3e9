import { checkSuggestion, problemLines } from '../oracles/slack-blocks.ts';
import type { Pending } from './slack-delivery.ts';
import type { Exchange } from './slack-exchange.ts';
import { addView, replaceView, viewRefusal } from './slack-view-methods.ts';
import type { Json, SlackView, SlackWorld } from './slack-world.ts';

/** Does what the answer to a view_submission asks for: close, show errors, update, push or clear. */
export function answerSubmission(world: SlackWorld, sent: Exchange, view: SlackView): void {
  void sent.pending.done.then(({ status, body }) => {
    if (status !== 'ok') return;
    const action = body?.response_action;
    if (action === undefined) {
      view.closed = true;
      if (body && Object.keys(body).length > 0)
        world.violations.push(`view_submission: odd ack ${JSON.stringify(body)}`);
    } else if (action === 'errors') showErrors(world, sent, view, body?.errors);
    else if (action === 'clear') clear(world, view);
    else if (action === 'update' || action === 'push') {
      const bad = viewRefusal(body?.view);
      if (bad) world.violations.push(`view_submission ${action}: ${JSON.stringify(bad)}`);
      else if (action === 'update') replaceView(world, view, body?.view as Json);
      else addView(world, body?.view as Json, view.user, view);
    } else world.violations.push(`view_submission: unknown response_action ${String(action)}`);
    world.changed();
  });
}

function showErrors(world: SlackWorld, sent: Exchange, view: SlackView, errors: unknown): void {
  const inputs = (view.body.blocks as Json[]).filter((block) => block.type === 'input').map((block) => block.block_id);
  const entries = Object.entries((errors ?? {}) as Record<string, string>);
  if (entries.length === 0) world.violations.push('view_submission: errors without a field');
  for (const [block, text] of entries) {
    // An error for something that is no input makes Slack show its own "trouble connecting".
    if (!inputs.includes(block))
      world.violations.push(`view_submission: error for "${block}", which is no input block`);
    if (typeof text !== 'string' || text === '') world.violations.push(`view_submission: empty error for ${block}`);
    sent.errors[block] = text;
  }
}

function clear(world: SlackWorld, view: SlackView): void {
  for (const one of world.views.values()) if (one.rootId === view.rootId) one.closed = true;
}

/** The options of a block_suggestion as shown; an answer that Slack refuses shows none. */
export async function answerSuggestion(
  world: SlackWorld,
  pending: Pending,
): Promise<{ text: string; value: string }[]> {
  const { status, body } = await pending.done;
  if (status !== 'ok') {
    world.violations.push(`block_suggestion: ${status}`);
    return [];
  }
  const { problems } = checkSuggestion(body);
  if (problems.length > 0) {
    world.violations.push(`block_suggestion: ${problemLines(problems).join('; ')}`);
    return [];
  }
  const groups = (body?.option_groups ?? []) as { options: Json[] }[];
  const options = [...((body?.options ?? []) as Json[]), ...groups.flatMap((one) => one.options)];
  return options.map((one) => ({ text: String((one.text as Json).text), value: String(one.value) }));
}
