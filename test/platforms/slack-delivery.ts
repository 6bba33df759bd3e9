import type { Json, SlackWorld } from './slack-world.ts';

export type DeliveryKind = 'slash_commands' | 'interactive' | 'events_api';

/**
 * How a delivery ended for the person: `timeout` and `failed` are the red error under the input box.
 * `body` is the ack payload (socket) or the parsed HTTP body.
 */
export interface Outcome {
  status: 'ok' | 'timeout' | 'failed';
  body: Json | undefined;
  /** Why it failed, such as `no connection` or `http 500`. */
  reason?: string;
}

/** One thing handed to the app, through all its attempts. */
export interface Pending {
  id: string;
  kind: DeliveryKind;
  payload: Json;
  attempts: { at: number; via: string; reason?: string }[];
  acks: { at: number; via: string; body: Json | undefined; counted: boolean }[];
  outcome?: Outcome;
  /** The first outcome; events may be retried after a timeout and still be acked. */
  done: Promise<Outcome>;
}

/** Carries one attempt to the app; answers through `ack` and `fail`. */
export interface Transport {
  /** Returns undefined when nobody can take it, otherwise the name of the connection or URL used. */
  send(pending: Pending, attempt: number, reason?: string): string | undefined;
}

export interface Retries {
  /** Kinds that are sent again; real Slack promises it for events only. */
  kinds: Set<DeliveryKind>;
  /** Platform time an app has to ack. */
  deadlineMs: number;
  /** Platform time between a failed attempt and the next. */
  delaysMs: number[];
}

export interface Delivery {
  retries: Retries;
  /** Deliveries that nobody acked yet. */
  open: Set<Pending>;
  deliver(kind: DeliveryKind, payload: Json): Pending;
  ack(pending: Pending, via: string, body: Json | undefined, counted?: boolean): void;
  fail(pending: Pending, reason: string): void;
  stop(): void;
}

interface Waiting {
  pending: Pending;
  resolve(outcome: Outcome): void;
  /** Platform time of the next attempt. */
  retryAt?: number;
  retryReason?: string;
}

export function slackDelivery(world: SlackWorld, transport: () => Transport): Delivery {
  const retries: Retries = { kinds: new Set(['events_api']), deadlineMs: 3000, delaysMs: [0, 60_000, 300_000] };
  const waiting = new Map<Pending, Waiting>();
  const open = new Set<Pending>();

  const settle = (one: Waiting, outcome: Outcome) => {
    one.pending.outcome = outcome;
    one.resolve(outcome);
    world.changed();
  };

  const attempt = (one: Waiting, reason?: string) => {
    one.retryAt = undefined;
    const { pending } = one;
    const record: Pending['attempts'][number] = { at: world.clock.now(), via: '', reason };
    pending.attempts.push(record);
    const via = transport().send(pending, pending.attempts.length - 1, reason);
    if (via === undefined) lost(one, 'no connection');
    else record.via = via;
  };

  /** An attempt failed: retry if this kind is retried, otherwise it is over. */
  const lost = (one: Waiting, reason: string) => {
    const { pending } = one;
    if (!pending.outcome) settle(one, { status: reason === 'timeout' ? 'timeout' : 'failed', body: undefined, reason });
    const delay = retries.kinds.has(pending.kind) ? retries.delaysMs[pending.attempts.length - 1] : undefined;
    if (delay === undefined) waiting.delete(pending);
    else Object.assign(one, { retryAt: world.clock.now() + delay, retryReason: reason.replaceAll(' ', '_') });
  };

  const sweep = setInterval(() => {
    const now = world.clock.now();
    for (const one of waiting.values()) {
      if (one.retryAt !== undefined) {
        if (now >= one.retryAt) attempt(one, one.retryReason);
      } else if (now - one.pending.attempts.at(-1)!.at > retries.deadlineMs) lost(one, 'timeout');
    }
  }, 20);
  sweep.unref();

  return {
    retries,
    open,
    deliver(kind, payload) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const pending: Pending = { id: crypto.randomUUID(), kind, payload, attempts: [], acks: [], done: promise };
      const one = { pending, resolve };
      waiting.set(pending, one);
      open.add(pending);
      attempt(one);
      return pending;
    },
    ack(pending, via, body, counted = true) {
      const onTime = world.clock.now() - (pending.attempts.at(-1)?.at ?? 0) <= retries.deadlineMs;
      const counts = counted && onTime && !pending.acks.some((one) => one.counted);
      if (pending.acks.some((one) => one.counted))
        world.violations.push(`second ack for ${pending.kind} ${pending.id}`);
      pending.acks.push({ at: world.clock.now(), via, body, counted: counts });
      if (!counts) return;
      open.delete(pending);
      const one = waiting.get(pending);
      waiting.delete(pending);
      if (one) settle(one, { status: 'ok', body });
    },
    fail(pending, reason) {
      const one = waiting.get(pending);
      if (one && one.retryAt === undefined) lost(one, reason);
    },
    stop: () => clearInterval(sweep),
  };
}
