import { randomBytes } from 'node:crypto';
import type { CardView } from './render.ts';

/** One entry of the stream, as it is kept and as the page gets it. */
export interface Message {
  /** Unique over restarts, so that an edit meant for a message of an earlier life finds nothing. */
  readonly id: string;
  /** Order of creation: where it stands in the stream. */
  readonly order: number;
  /** Order of changes: what a page that reconnects has not seen yet. */
  readonly version: number;
  readonly channel: string;
  /** Id of the message it hangs under. */
  readonly thread?: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Person id of who said it; undefined for the bot. */
  readonly from?: string;
  /** Only this person may see it. */
  readonly only?: string;
  readonly text?: string;
  readonly card?: CardView;
  /** Said, and not answered yet. */
  readonly pending?: boolean;
  readonly edited?: boolean;
}

export type NewMessage = Omit<Message, 'id' | 'order' | 'version' | 'at' | 'edited'>;

/** The newest messages, in memory: the demo forgets with its process. */
export interface Messages {
  /** Names this life of the store; versions of another life mean nothing here. */
  readonly epoch: string;
  /** Adds once per key; under a key that is known, answers what was added first, even when it has been dropped since. */
  add(message: NewMessage, key?: string): Pick<Message, 'id' | 'channel' | 'thread'>;
  find(id: string): Message | undefined;
  /** Returns false when there is no such message (any more). */
  edit(id: string, change: Partial<Pick<Message, 'card' | 'pending'>>): boolean;
  /** What this person may see and that changed after `version`, oldest change first. */
  since(person: string, version: number): readonly Message[];
  /** Called with every new or changed message; returns the way to stop it. */
  watch(listener: (message: Message) => void): () => void;
}

const KEEP_KEYS = 20_000;

export function createMessages(keep = 1_000, now: () => number = Date.now): Messages {
  const epoch = [...randomBytes(12)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('');
  const messages = new Map<string, Message>();
  const keys = new Map<string, Pick<Message, 'id' | 'channel' | 'thread'>>();
  const listeners = new Set<(message: Message) => void>();
  let version = 0;
  let order = 0;

  const put = (message: Message) => {
    messages.set(message.id, message);
    dropOldest(messages, keep);
    for (const listener of listeners) listener(message);
  };

  return {
    epoch,
    add(fresh, key) {
      const known = key === undefined ? undefined : keys.get(key);
      if (known) return known;
      order += 1;
      version += 1;
      const message = { ...fresh, id: `${epoch}-${order}`, order, version, at: now() };
      const { id, channel, thread } = message;
      const posted = { id, channel, ...(thread !== undefined && { thread }) };
      if (key !== undefined) keys.set(key, posted);
      dropOldest(keys, KEEP_KEYS);
      put(message);
      return posted;
    },
    find: (id) => messages.get(id),
    edit(id, change) {
      const old = messages.get(id);
      if (!old) return false;
      version += 1;
      put({ ...old, ...change, version, ...(change.card && { edited: true }) });
      return true;
    },
    since: (person, after) =>
      [...messages.values()]
        .filter((message) => message.version > after && maySee(person, message))
        .sort((a, b) => a.version - b.version),
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function maySee(person: string, message: Pick<Message, 'only'>): boolean {
  return message.only === undefined || message.only === person;
}

function dropOldest<K>(map: Map<K, unknown>, keep: number): void {
  for (const key of map.keys()) {
    if (map.size <= keep) return;
    map.delete(key);
  }
}
