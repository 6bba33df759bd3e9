/**
 * A Discord guild on loopback that speaks Discord's own wire protocols and refuses what Discord refuses:
 * REST v10, the gateway with resume, interactions with their deadlines, commands, nonces, ephemeral messages.
 * Bodies are held against Discord's API description (../shared/chat) and the rules it leaves out.
 */
import { discordApiPresent } from '../oracles/discord-api.ts';
import type { PlatformClock } from './clock.ts';
import { type DiscordPerson, discordPerson } from './discord-driver.ts';
import type { DiscordExchange, DiscordModal } from './discord-exchange.ts';
import { type DiscordGateway, discordGateway } from './discord-gateway.ts';
import { rest } from './discord-rest.ts';
import { liveMarkup, modalText, visibleText } from './discord-text.ts';
import {
  type DiscordMember,
  type DiscordMessage,
  type DiscordWorld,
  discordWorld,
  type Json,
} from './discord-world.ts';
import type { Fault } from './faults.ts';
import { listen } from './loopback.ts';

export type { DiscordPerson } from './discord-driver.ts';
export type { DiscordExchange, DiscordModal, DiscordOutcome } from './discord-exchange.ts';
export type { ModalValues } from './discord-modal.ts';
export type { OptionValues } from './discord-options.ts';
export type { DiscordMessage, Interaction } from './discord-world.ts';

export interface FakeDiscord {
  /** `rest.api` of discord.js; it appends /v10. */
  readonly apiUrl: string;
  readonly token: string;
  readonly applicationId: string;
  readonly guildId: string;
  readonly clock: PlatformClock;
  readonly world: DiscordWorld;
  readonly gateway: DiscordGateway;
  /** What the platform let pass although it harms people; tests expect it empty. */
  readonly violations: string[];

  /** A member of the guild, made on first use; roles by name replace the old ones. */
  user(name: string, facts?: { roles?: string[]; administrator?: boolean }): DiscordPerson;
  /** The id of a role, made on first use. */
  role(name: string): string;
  /** The id of a channel by name (or of an id), made on first use; the default one is `ops`. */
  channel(name?: string): string;
  /** Whom the server's admin lets use commands that are hidden by default_member_permissions: all, or these ids. */
  permit(who: 'everyone' | string[]): void;

  /** Hands the same interaction over once more, as after a reconnect. */
  again(exchange: DiscordExchange): void;
  /** Copies of what everyone sees in a channel, oldest first; `as` (a user id) adds what only they see. */
  messages(channel?: string, options?: { as?: string }): DiscordMessage[];
  message(id: string): DiscordMessage;
  visibleText(of: DiscordMessage | DiscordModal): string;
  liveMarkup(of: DiscordMessage): ReturnType<typeof liveMarkup>;
  waitFor: DiscordWorld['waitFor'];
  /** The first message in the channel whose visible text holds this. */
  shows(channel: string | undefined, text: string | RegExp, options?: { as?: string }): Promise<DiscordMessage>;

  /**
   * Faults for the next calls of an operation: create-message, edit-message, get-message, list-messages, callback,
   * edit-original, get-original, delete-original, follow-up, create-thread, put-commands, get-commands, get-member,
   * get-roles, get-gateway, `*`.
   */
  failNext(operation: string, ...faults: Fault[]): void;
  /** How often each nonce was posted per channel; more than 1 is a double post. */
  postCounts(): Map<string, number>;
  calls(operation: string): DiscordWorld['calls'];
  stop(): Promise<void>;
}

// Once per test file, not once per server.
if (!discordApiPresent) console.log('Discord stand-in: ../shared/chat is absent, bodies are not validated');

export async function startDiscord(): Promise<FakeDiscord> {
  const world = discordWorld();
  const loopback = await listen((request) => rest(request, world));
  world.origin = `http://127.0.0.1:${loopback.port}`;
  const gateway = discordGateway(world, loopback);
  let permitted: 'everyone' | string[] = 'everyone';

  const sees = (member: DiscordMember, command: Json): boolean => {
    if (command.default_member_permissions === null || member.administrator || permitted === 'everyone') return true;
    return permitted.includes(member.id) || permitted.some((one) => member.roles.has(one));
  };
  const role = (name: string): string => {
    const old = [...world.roles.values()].find((one) => one.name === name || one.id === name);
    if (old) return old.id;
    const id = world.newId();
    world.roles.set(id, { id, name, permissions: '0' });
    return id;
  };
  const channel = (name = 'ops'): string => {
    const old = [...world.channels.values()].find((one) => one.name === name || one.id === name);
    if (old) return old.id;
    const id = world.newId();
    world.channels.set(id, { id, name, type: 0 });
    return id;
  };
  channel();

  const discord: FakeDiscord = {
    apiUrl: `${world.origin}/api`,
    token: world.token,
    applicationId: world.applicationId,
    guildId: world.guildId,
    clock: world.clock,
    world,
    gateway,
    violations: world.violations,
    user(name, facts = {}) {
      const old = [...world.members.values()].find((one) => one.username === name || one.id === name);
      const member = old ?? { id: world.newId(), username: name, roles: new Set<string>(), administrator: false };
      if (facts.roles) member.roles = new Set(facts.roles.map(role));
      if (facts.administrator !== undefined) member.administrator = facts.administrator;
      world.members.set(member.id, member);
      return discordPerson(world, member.id, channel, sees);
    },
    role,
    channel,
    permit(who) {
      permitted = who;
    },
    again: ({ interaction }) => void world.dispatch('INTERACTION_CREATE', interaction.payload),
    messages(where, { as } = {}) {
      const id = channel(where);
      const seen = world.messages.filter(
        (one) => one.channelId === id && !one.deleted && (!one.ephemeralTo || one.ephemeralTo === as),
      );
      return structuredClone(seen);
    },
    message(id) {
      const found = world.messages.find((one) => one.id === id);
      if (!found) throw new Error(`no message ${id}`);
      return structuredClone(found);
    },
    visibleText: (of) => ('body' in of ? modalText(of.body) : visibleText(of)),
    liveMarkup,
    waitFor: world.waitFor,
    shows(where, wanted, options) {
      const hit = (one: DiscordMessage) =>
        typeof wanted === 'string' ? visibleText(one).includes(wanted) : wanted.test(visibleText(one));
      return world.waitFor(() => discord.messages(where, options).findLast(hit), `"${wanted}" in ${where ?? 'ops'}`);
    },
    failNext: world.faults.next,
    postCounts() {
      const counts = new Map<string, number>();
      for (const { nonce, channelId } of world.messages) {
        if (nonce === undefined) continue;
        const key = `${channelId} ${nonce}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return counts;
    },
    calls: (operation) => world.calls.filter((one) => one.operation === operation),
    async stop() {
      await gateway.stop();
      await loopback.close();
    },
  };
  return discord;
}
