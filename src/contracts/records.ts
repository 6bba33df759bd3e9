import type { Actor, Place, Posted } from './chat.ts';
import type { Json, Plan } from './plan.ts';

/**
 * waiting: plan shown, something is missing. approved: nothing is missing, a run will start within five minutes.
 * in-doubt: a step's effect is unknown and a person must look. failed: a step failed, finished steps were undone
 * (or named as left). superseded: the world changed, a new card was made.
 */
export type RequestState =
  | 'waiting'
  | 'approved'
  | 'running'
  | 'undoing'
  | 'done'
  | 'failed'
  | 'in-doubt'
  | 'denied'
  | 'withdrawn'
  | 'expired'
  | 'superseded';

/** A request to change a cluster. Its id is also the run's id and joins all of its audit. Times: epoch ms. */
export interface RequestRecord {
  readonly id: string;
  readonly state: RequestState;
  readonly cluster: string;
  readonly command: string;
  readonly action: string;
  readonly risk: string;
  /** Options as text, as they can be typed again. */
  readonly options: Readonly<Record<string, string>>;
  /** Person id of the requester, and the account used. */
  readonly requester: string;
  readonly actor: Actor;
  readonly place: Place;
  readonly posted?: Posted;
  readonly plan: Plan;
  readonly fingerprint: string;
  readonly votes: readonly Vote[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly approvedAt?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** What is still there after a failure, in words, and how to clear it. */
  readonly left: readonly string[];
  /** Why it ended, or what it waits for, in one line. */
  readonly note: string;
}

/** confirm: the requester's own go-ahead. proof: they have shown that a key of the account they link is theirs. Votes count per person and only for their fingerprint. */
export interface Vote {
  readonly person: string;
  readonly kind: 'approve' | 'deny' | 'confirm' | 'proof';
  readonly actor: Actor;
  /** Roles held when the vote was cast; looked up again before the run. */
  readonly roles: readonly string[];
  readonly fingerprint: string;
  /** The requester typed the guest's name or vmid. */
  readonly typed: boolean;
  readonly reason?: string;
  readonly at: number;
}

export interface RunRecord {
  readonly id: string;
  readonly state: RequestState;
  readonly steps: readonly StepRecord[];
  /** What is still there after a failure, in words, and how to clear it. */
  readonly left: readonly string[];
  /** When the last needed vote came: leases begin then. */
  readonly approvedAt?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/**
 * pending: not begun. intent: about to call or calling. done: effect known and ours. failed: no effect, or undone
 * by Proxmox. in-doubt: nobody knows. undone: taken back. undo-failed: still there.
 */
export type StepState = 'pending' | 'intent' | 'done' | 'failed' | 'in-doubt' | 'undone' | 'undo-failed';

export interface StepRecord {
  readonly name: string;
  readonly says: string;
  readonly state: StepState;
  readonly upid?: string;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** What Proxmox, a node or a probe said. */
  readonly note: string;
  /** Small facts the call answered ({@link Answer.result}). */
  readonly result?: Json;
  /** How many times the call was sent. */
  readonly sent: number;
}

/** One link of the audit chain. `hash` covers every other field and the hash before it. */
export interface AuditEntry {
  readonly seq: number;
  readonly at: number;
  /** Request id, or the delivery's own id for what never became a request. */
  readonly id: string;
  /** `request`, `refused`, `plan`, `verdict`, `vote`, `approved`, `replan`, `run`, `intent`, `result`, `undo`, `outcome`, `read` … */
  readonly kind: string;
  /** Person id, `bot`, or `<platform>:<id>`. */
  readonly who: string;
  readonly body: { readonly [key: string]: unknown };
  readonly previous: string;
  readonly hash: string;
}
