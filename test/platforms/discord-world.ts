import { type Changes, changes } from './changes.ts';
import { type PlatformClock, platformClock } from './clock.ts';
import { visibleText } from './discord-text.ts';
import { type Faults, faults } from './faults.ts';

export type Json = Record<string, unknown>;

/** One message as it stands now; the driver hands out copies. */
export interface DiscordMessage {
  id: string;
  channelId: string;
  authorId: string;
  content: string;
  embeds: Json[];
  components: Json[];
  flags: number;
  /** Set for a message that only this person sees. */
  ephemeralTo?: string;
  attachments: { name: string; content: string }[];
  nonce?: string;
  /** The interaction it answers. */
  interactionId?: string;
  /** Shown as "thinking…" until the first edit. */
  loading: boolean;
  /** The thread that hangs on it. */
  threadId?: string;
  /** Ids (or `everyone`) that were really notified. */
  pings: string[];
  edits: { content: string; embeds: Json[]; components: Json[]; at: number }[];
  createdAt: number;
  deleted: boolean;
}

export interface DiscordMember {
  id: string;
  username: string;
  roles: Set<string>;
  administrator: boolean;
}

export interface DiscordChannel {
  id: string;
  name: string;
  /** 0 text, 1 DM, 11 public thread. */
  type: number;
  parentId?: string;
}

export interface Interaction {
  id: string;
  token: string;
  /** 2 command, 3 component, 4 autocomplete, 5 modal submit. */
  type: number;
  userId: string;
  channelId: string;
  at: number;
  /** The callback type that answered it. */
  answered?: number;
  answeredAt?: number;
  /** Message a component click came from. */
  sourceId?: string;
  /** The message behind @original. */
  originalId?: string;
  /** Ephemeral state chosen by a deferral; cannot change later. */
  followUps: string[];
  modal?: Json;
  choices?: Json[];
  /** Autocomplete: how the focused option types its values. */
  payload: Json;
}

export interface DiscordWorld extends Changes {
  clock: PlatformClock;
  faults: Faults;
  token: string;
  applicationId: string;
  guildId: string;
  origin: string;
  members: Map<string, DiscordMember>;
  roles: Map<string, { id: string; name: string; permissions: string }>;
  channels: Map<string, DiscordChannel>;
  commands: { global: Json[]; guild: Json[] };
  messages: DiscordMessage[];
  interactions: Map<string, Interaction>;
  calls: { operation: string; path: string; body: unknown; at: number; status: number }[];
  violations: string[];
  newId(): string;
  /** Sends an event to every session that asked for it by intent; returns how many there are. */
  dispatch(type: string, data: Json, intent?: number): number;
}

const DISCORD_EPOCH = 1_420_070_400_000;

export function discordWorld(): DiscordWorld {
  const clock = platformClock();
  const messages: DiscordMessage[] = [];
  let counter = 0n;
  // Real snowflakes: milliseconds since 2015 in the upper bits. discord.js buckets routes by 17 to 19 digits.
  const newId = () => ((BigInt(clock.now() - DISCORD_EPOCH) << 22n) | (counter++ & 0x3fffffn)).toString();
  const dump = () =>
    messages
      .filter((one) => !one.deleted)
      .slice(-20)
      .map((one) => `${one.channelId}${one.ephemeralTo ? ` (only ${one.ephemeralTo})` : ''}: ${visibleText(one)}`)
      .join('\n---\n');
  const guildId = newId();
  const applicationId = newId();
  const everyone = { id: guildId, name: '@everyone', permissions: '2147600448' };
  const bot = { id: applicationId, username: 'bascule', roles: new Set<string>(), administrator: false };
  return {
    ...changes(dump),
    clock,
    faults: faults(),
    token: `${Buffer.from(applicationId).toString('base64url')}.stand.in-bot-token`,
    applicationId,
    guildId,
    origin: '',
    members: new Map([[applicationId, bot]]),
    roles: new Map([[guildId, everyone]]),
    channels: new Map(),
    commands: { global: [], guild: [] },
    messages,
    interactions: new Map(),
    calls: [],
    violations: [],
    newId,
    dispatch: () => 0,
  };
}

export const findMessage = (world: DiscordWorld, channelId: string, id: string): DiscordMessage | undefined =>
  world.messages.find((one) => one.id === id && one.channelId === channelId && !one.deleted);

export const wireUser = (member: DiscordMember, world: DiscordWorld): Json => ({
  id: member.id,
  username: member.username,
  global_name: member.username,
  discriminator: '0',
  avatar: null,
  ...(member.id === world.applicationId && { bot: true }),
});

export const wireMember = (member: DiscordMember, world: DiscordWorld): Json => ({
  user: wireUser(member, world),
  nick: null,
  avatar: null,
  roles: [...member.roles],
  joined_at: '2024-01-01T00:00:00.000000+00:00',
  premium_since: null,
  deaf: false,
  mute: false,
  pending: false,
  flags: 0,
  communication_disabled_until: null,
});

export const wireChannel = (channel: DiscordChannel, world: DiscordWorld): Json => ({
  id: channel.id,
  type: channel.type,
  name: channel.name,
  guild_id: world.guildId,
  permission_overwrites: [],
  position: 0,
  nsfw: false,
  parent_id: channel.parentId ?? null,
  last_message_id: null,
  rate_limit_per_user: 0,
  flags: 0,
  ...(channel.type === 11 && {
    owner_id: world.applicationId,
    message_count: 0,
    member_count: 1,
    thread_metadata: {
      archived: false,
      auto_archive_duration: 1440,
      archive_timestamp: '2024-01-01T00:00:00Z',
      locked: false,
    },
  }),
});

export function wireMessage(message: DiscordMessage, world: DiscordWorld): Json {
  const thread = message.threadId ? world.channels.get(message.threadId) : undefined;
  return {
    id: message.id,
    channel_id: message.channelId,
    type: message.interactionId ? 20 : 0,
    author: wireUser(world.members.get(message.authorId)!, world),
    content: message.content,
    timestamp: new Date(message.createdAt).toISOString(),
    edited_timestamp: message.edits.length > 0 ? new Date(message.edits.at(-1)!.at).toISOString() : null,
    tts: false,
    mention_everyone: false,
    mentions: [],
    mention_roles: [],
    attachments: message.attachments.map((one, index) => ({
      id: String(index),
      filename: one.name,
      size: Buffer.byteLength(one.content),
      url: `${world.origin}/attachments/${message.id}/${one.name}`,
      proxy_url: `${world.origin}/attachments/${message.id}/${one.name}`,
    })),
    embeds: message.embeds,
    components: message.components,
    pinned: false,
    flags: message.flags | (message.loading ? 128 : 0),
    ...(message.nonce !== undefined && { nonce: message.nonce }),
    ...(thread && { thread: wireChannel(thread, world) }),
  };
}
