import type { Card, Prompt } from './card.ts';

export type Platform = 'slack' | 'discord' | 'web';

/** Who did something, by the platform's stable id. `name` is for display only and decides nothing. */
export interface Actor {
  /** `bot`: one of our schedules, by its name. No chat ever says so. */
  readonly platform: Platform | 'bot';
  readonly id: string;
  readonly name: string;
}

/** Where something was said. `channel` and `thread` are the platform's ids. */
export interface Place {
  readonly platform: Platform;
  readonly channel: string;
  readonly thread?: string;
}

/** A message that exists, so that it can be edited after a restart. Plain JSON: it lives in the store. */
export interface Posted {
  readonly platform: Platform;
  readonly channel: string;
  readonly message: string;
  readonly thread?: string;
}

/** A person asks for a command. Answer through `reply`; the adapter has already acknowledged the platform. */
export interface Ask {
  /** The platform's id of this delivery; the same delivery arriving twice is handled once. */
  readonly delivery: string;
  readonly actor: Actor;
  readonly place: Place;
  /** Text as typed after the root command, or a command with options already taken apart (Discord, forms). */
  readonly input:
    | { readonly text: string }
    | { readonly command: string; readonly options: Readonly<Record<string, string>> };
  readonly reply: Reply;
}

/**
 * Answers where the person asked. A card with `private` is seen only by the asker and yields nothing to edit
 * later; any other card becomes a message of the channel. `key` names the message for ever: it is never posted
 * twice under one key (see {@link Chat.post}).
 */
export type Reply = (card: Card, key?: string) => Promise<Posted | undefined>;

/** A person pressed a button. */
export interface Click {
  readonly delivery: string;
  readonly actor: Actor;
  readonly place: Place;
  readonly ref: string;
  /** What was typed into the button's {@link Prompt}, if it has one. */
  readonly typed?: string;
  /** Tells only the person who clicked. */
  readonly reply: Reply;
}

/** One way people talk to us. Slack, Discord and the web page look alike from here. */
export interface Chat {
  readonly platform: Platform;
  start(desk: Desk): Promise<void>;
  /**
   * Posts a message once per `key`. With `perhaps`, an earlier try may have reached the platform: look the key
   * up there (Slack message metadata, Discord nonce) before sending.
   * Throws Failed: `sent: 'no' | 'refused'` when it is certain that nothing was posted, `'unknown'` otherwise.
   */
  post(place: Place, card: Card, key: string, perhaps: boolean): Promise<Posted>;
  /** Replaces the content of a message in place. Later content wins over earlier. */
  update(posted: Posted, card: Card): Promise<void>;
  /** Which of `groups` (Slack user group ids, Discord role ids) the person is in now; at most 10 s old; throws Failed when it cannot be known. */
  groupsOf(userId: string, groups: readonly string[]): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** What the core offers to the chat adapters. None of these throw: failures come back as cards. */
export interface Desk {
  /** The commands, for registration, forms and completion. */
  readonly menu: readonly MenuEntry[];
  command(ask: Ask): Promise<void>;
  click(click: Click): Promise<void>;
  /** The form a button opens before its click counts. */
  prompt(ref: string): Promise<Prompt | undefined>;
  /** Fields still to be filled before `text` can run, or undefined when it can be sent to `command` as it is. */
  form(text: string): Form | undefined;
  /** Values for one option of a command, only what this person may see, best first, at most `limit`. */
  complete(query: CompletionQuery): Promise<readonly Choice[]>;
  /** What I may do and what waits for me. */
  home(actor: Actor): Promise<readonly Card[]>;
}

export interface MenuEntry {
  /** `ct create`; a noun alone (`quorum`) is a command without a verb. */
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** The answer may hold addresses or keys: only the asker sees it. Decided before the command runs (Discord must defer so). */
  readonly private: boolean;
  readonly risk: string;
  readonly options: readonly MenuOption[];
}

export interface MenuOption {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  /** A closed list, if it has one. */
  readonly choices?: readonly string[];
  /** True when {@link Desk.complete} has values for it. */
  readonly completes: boolean;
}

export interface Form {
  readonly command: string;
  readonly title: string;
  /** All options of the command, required ones first; `value` is what was already typed. */
  readonly fields: readonly (MenuOption & { readonly value?: string })[];
}

export interface CompletionQuery {
  readonly actor: Actor;
  readonly place: Place;
  readonly command: string;
  readonly option: string;
  readonly typed: string;
  /** Other options filled so far. */
  readonly options: Readonly<Record<string, string>>;
  readonly limit: number;
}

export interface Choice {
  readonly label: string;
  readonly value: string;
}

/** Switches beside the demo's chat: for example one plug per simulated node. */
export interface Panel {
  readonly title: string;
  switches(): Promise<
    readonly { readonly id: string; readonly label: string; readonly on: boolean; readonly hint: string }[]
  >;
  flip(id: string, on: boolean): Promise<void>;
}
