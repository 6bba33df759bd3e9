import { manifestProblems, manifestSchemaPresent } from '../oracles/manifest.ts';
import type { Json, SlackWorld } from './slack-world.ts';

interface Manifest {
  features?: { slash_commands?: { command: string; should_escape?: boolean }[] };
  oauth_config?: { scopes?: { bot?: string[] } };
  settings?: { event_subscriptions?: { bot_events?: string[] }; interactivity?: { is_enabled?: boolean } };
}

/** Events that come only with a scope. */
const EVENT_SCOPES: Record<string, string> = { app_mention: 'app_mentions:read', 'message.im': 'im:history' };

/** Makes the workspace as narrow as the manifest says, so that a forgotten scope fails here as it would at a customer's. */
export function install(world: SlackWorld, manifest: Json): void {
  const problems = manifestSchemaPresent ? manifestProblems(manifest) : [];
  const { features, oauth_config, settings } = manifest as Manifest;
  const scopes = new Set(oauth_config?.scopes?.bot ?? []);
  const commands = new Map(
    (features?.slash_commands ?? []).map((one) => [one.command, { escape: one.should_escape === true }]),
  );
  const events = new Set(settings?.event_subscriptions?.bot_events ?? []);
  if (commands.size > 0 && !scopes.has('commands')) problems.push('slash commands need the scope commands');
  for (const event of events) {
    const scope = EVENT_SCOPES[event];
    if (scope && !scopes.has(scope)) problems.push(`the event ${event} needs the scope ${scope}`);
  }
  if (settings?.interactivity?.is_enabled !== true)
    problems.push('interactivity is off: no button and no form would work');
  if (problems.length > 0) throw new Error(`Slack refuses this manifest: ${problems.join('; ')}`);
  Object.assign(world, { scopes, commands, events });
}
