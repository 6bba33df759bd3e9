import { DEADLINE } from './discord-interactions.ts';
import type { DiscordMessage, DiscordWorld, Interaction, Json } from './discord-world.ts';

export interface DiscordModal {
  /** The interaction that opened it. */
  interaction: Interaction;
  body: Json;
}

export interface DiscordOutcome {
  /** `timeout` is "The application did not respond", `failed` means no bot was connected. */
  status: 'ok' | 'timeout' | 'failed';
  /** The callback type: 4 reply, 5 deferred reply, 6 deferred update, 7 update, 8 choices, 9 modal. */
  type?: number;
}

/** One thing a person did and everything that came back for it. */
export interface DiscordExchange {
  readonly interaction: Interaction;
  /** Resolves with the first callback or after 3 s of platform time. Never rejects. */
  acked(): Promise<DiscordOutcome>;
  /** The reply and the follow-ups, as the asker sees them now; a click's own message is no answer. */
  readonly answers: DiscordMessage[];
  /** The first of these that is no longer "thinking…". */
  answer(): Promise<DiscordMessage>;
  /** The modal it opened. */
  modal(): Promise<DiscordModal>;
}

export function exchange(world: DiscordWorld, interaction: Interaction, sessions: number): DiscordExchange {
  const outcome = (): DiscordOutcome | undefined => {
    if (sessions === 0) return { status: 'failed' };
    if (interaction.answered !== undefined) return { status: 'ok', type: interaction.answered };
    return world.clock.now() - interaction.at > DEADLINE ? { status: 'timeout' } : undefined;
  };
  const one: DiscordExchange = {
    interaction,
    acked: () => world.waitFor(outcome, `an answer to interaction ${interaction.id}`, 60_000),
    get answers() {
      const own = interaction.originalId === interaction.sourceId ? [] : [interaction.originalId];
      const ids = [...own, ...interaction.followUps];
      return structuredClone(world.messages.filter((message) => ids.includes(message.id) && !message.deleted));
    },
    answer: () => world.waitFor(() => one.answers.find((message) => !message.loading), 'a reply'),
    modal: () => world.waitFor(() => interaction.modal && { interaction, body: interaction.modal }, 'a modal'),
  };
  return one;
}
