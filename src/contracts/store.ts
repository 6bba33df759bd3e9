import type { BookEntry } from './books.ts';
import type { Card } from './card.ts';
import type { Place, Posted } from './chat.ts';
import type { IncidentRows } from './incident.ts';
import type { AuditEntry, RequestRecord, RequestState, StepRecord, Vote } from './records.ts';
import type { WatchRows } from './watch.ts';

/**
 * What the bot remembers. Every verb is one transaction, and audit entries go into the same transaction as the
 * change they tell about. Verbs marked (leader) throw {@link LostLead} when another process leads by now.
 */
export interface Store extends IncidentRows, WatchRows {
  readonly kind: 'sqlite' | 'postgres';
  /**
   * Becomes the one process that runs things, or resolves undefined when another one is. `lost` is called once
   * when the proof of life is gone (PostgreSQL session ended). SQLite: a second process on the same file is
   * refused for as long as the first lives.
   */
  lead(lost: (why: string) => void): Promise<boolean>;

  /** True the first time a delivery id is seen, false for every repeat. */
  firstSeen(delivery: string, at: number): Promise<boolean>;
  /** Forgets deliveries seen before `at`. */
  forgetDeliveries(at: number): Promise<void>;

  audit(entries: readonly NewAudit[]): Promise<void>;
  auditOf(id: string): Promise<readonly AuditEntry[]>;
  /** In order of seq, starting after `after`. */
  auditFrom(after: number, limit: number): Promise<readonly AuditEntry[]>;

  /** Stores a request with its reservations and buttons; `taken` when somebody else holds one of them. `replaces` ends another request (superseded) in the same transaction. */
  createRequest(request: NewRequest): Promise<{ readonly taken?: { readonly slot: string; readonly by: string } }>;
  request(id: string): Promise<RequestRecord | undefined>;
  /** Newest first. */
  requests(filter: RequestFilter): Promise<readonly RequestRecord[]>;
  button(ref: string): Promise<Button | undefined>;
  reserved(cluster: string, except?: string): Promise<ReadonlySet<string>>;

  /**
   * Keeps one vote per person, kind and fingerprint; false when it was there already or the request is over. With
   * `denied` the vote ends the request in the same transaction, so that no approval can come in between.
   */
  vote(request: string, vote: Vote, audit: readonly NewAudit[], denied?: MovePatch): Promise<boolean>;
  /** Compare-and-set on the state; ending states release reservations and locks. False when the state was another. */
  move(
    request: string,
    from: readonly RequestState[],
    to: RequestState,
    patch: MovePatch,
    audit: readonly NewAudit[],
  ): Promise<boolean>;

  /**
   * (leader) Takes the plan's locks for a request that is approved or under way, and nothing for any other; names
   * the request that holds one of them otherwise.
   */
  lock(request: string, locks: readonly string[]): Promise<string | undefined>;
  steps(request: string): Promise<readonly StoredStep[]>;
  /** (leader) Writes a step row whole. */
  writeStep(step: StoredStep, audit: readonly NewAudit[]): Promise<void>;
  /** False when the request is not running (any more): nothing is asked then. */
  askToStop(request: string, audit: readonly NewAudit[]): Promise<boolean>;
  stopAsked(request: string): Promise<boolean>;

  /** Wants a message to show `card`; a newer wish replaces an older one. */
  wish(message: {
    readonly key: string;
    readonly place: Place;
    readonly card: Card;
    readonly at: number;
  }): Promise<void>;
  /** Messages whose last delivered card is not the wished one. */
  undelivered(): Promise<readonly Message[]>;
  message(key: string): Promise<Message | undefined>;
  /** Dead letters: wished for before `before` and never posted since, oldest first. They are still tried. */
  deadLetters(before: number, limit: number): Promise<readonly Message[]>;
  /** About to send for the first time: from now on a post may exist. */
  sending(key: string): Promise<void>;
  /** `version` as read before sending, so that a newer wish stays undelivered. */
  delivered(key: string, posted: Posted, version: number): Promise<void>;

  bookEntries(shelf: string): Promise<readonly BookEntry[]>;
  bookEntry(shelf: string, key: string): Promise<BookEntry | undefined>;
  /** (leader) Replaces an entry, or removes it when its value is null; with the audit in the same transaction. */
  writeBook(entry: BookEntry, audit: readonly NewAudit[]): Promise<void>;

  /** Keeps the commands behind buttons of notices; the same ref again changes nothing. */
  saveOffers(offers: readonly StoredOffer[]): Promise<void>;
  offer(ref: string): Promise<StoredOffer | undefined>;

  /**
   * Compare-and-set of a schedule's next time: true when it was `due` and is `next` now. A schedule never seen is stored
   * with `next` and answers false.
   */
  advance(schedule: string, due: number, next: number): Promise<boolean>;
  /** When that schedule is due; undefined when it was never seen. */
  due(schedule: string): Promise<number | undefined>;

  /** What a monitor wants to know, counted. */
  figures(): Promise<Figures>;

  setting(name: string): Promise<string | undefined>;
  saveSetting(name: string, value: string): Promise<void>;
  /** A round trip to the database; false or a throw when it does not work. */
  answers(): Promise<boolean>;
  close(): Promise<void>;
}

export interface Figures {
  readonly requests: readonly {
    readonly cluster: string;
    readonly command: string;
    readonly state: RequestState;
    readonly count: number;
  }[];
  readonly votes: readonly { readonly kind: string; readonly count: number }[];
  /** Messages whose last delivered card is not the wished one, and since when the oldest was never posted, epoch ms. */
  readonly backlog: number;
  readonly waitingSince?: number;
}

export interface RequestFilter {
  readonly states?: readonly RequestState[];
  readonly cluster?: string;
  /** Person id. */
  readonly requester?: string;
  /** Created then or later, epoch milliseconds. */
  readonly since?: number;
  /** 100 unless told. */
  readonly limit?: number;
}

export class LostLead extends Error {
  override readonly name = 'LostLead';
}

export type NewAudit = Pick<AuditEntry, 'at' | 'id' | 'kind' | 'who' | 'body'>;

export interface NewRequest {
  readonly record: RequestRecord;
  readonly buttons: readonly Button[];
  readonly replaces?: string;
  readonly audit: readonly NewAudit[];
}

export type ButtonVerb = 'approve' | 'deny' | 'confirm' | 'withdraw' | 'stop';

export interface Button {
  readonly ref: string;
  readonly request: string;
  readonly verb: ButtonVerb;
  /** The plan the button was shown under; a click on an older one does nothing. */
  readonly fingerprint: string;
  /** The text that must be typed into the button's prompt, for typed confirmations. */
  readonly typed?: string;
}

export interface MovePatch {
  readonly note?: string;
  readonly approvedAt?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly left?: readonly string[];
  /** Every vote of these people is forgotten in the same transaction. */
  readonly dropVotes?: readonly string[];
}

/** A step of a run, or one undo call (`undo:<step>:<n>`). `ours`: its effect is known to be this run's doing. */
export interface StoredStep extends StepRecord {
  readonly request: string;
  readonly n: number;
  readonly ours: boolean;
}

export interface Message {
  readonly key: string;
  readonly place: Place;
  readonly card: Card;
  readonly version: number;
  readonly posted?: Posted;
  /** A first send was begun and its answer never seen. */
  readonly perhaps: boolean;
  /** The version that was delivered last; 0 before the first. */
  readonly shows: number;
  /** First wished for, epoch ms. */
  readonly at: number;
}

/** A command behind a button of a notice. */
export interface StoredOffer {
  readonly ref: string;
  readonly notice: string;
  readonly cluster: string;
  readonly command: string;
  readonly options: Readonly<Record<string, string>>;
  readonly at: number;
}
