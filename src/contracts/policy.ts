/** The question policy answers. Pure data: who, what, about which thing, under which circumstances. */
export interface Question {
  readonly person: { readonly id: string; readonly roles: readonly string[]; readonly automation?: string };
  /** `ct.create`, `guest.see`, `approve`, `deny`, `withdraw` … Every command's action, and these built-in ones. */
  readonly action: string;
  readonly resource: Resource;
  readonly context: Circumstances;
}

export type Resource =
  | { readonly type: 'Cluster'; readonly cluster: string }
  | { readonly type: 'Node'; readonly cluster: string; readonly node: string }
  | {
      readonly type: 'Guest';
      readonly cluster: string;
      readonly vmid: number;
      readonly name: string;
      readonly node: string;
      readonly tags: readonly string[];
      readonly pool?: string;
      readonly protected: boolean;
    }
  | {
      readonly type: 'Request';
      readonly cluster: string;
      readonly id: string;
      /** Person id of the requester. */
      readonly requester: string;
      readonly command: string;
      readonly action: string;
      readonly risk: string;
    }
  /** For commands that need no cluster: the bot itself. */
  | { readonly type: 'Bot' };

export interface Circumstances {
  readonly platform: string;
  readonly channel: string;
  readonly risk: string;
  readonly riskCodes: readonly string[];
  /** 1 (Monday) to 7, and minutes since midnight, in the cluster's zone. */
  readonly weekday: number;
  readonly minuteOfDay: number;
  /** Votes per role; a person's vote counts once for each role they hold, never for the requester. */
  readonly approvals: Readonly<Record<string, number>>;
  /** All votes by distinct people other than the requester. */
  readonly approvers: number;
  /** The requester said yes to this very plan; `typed`: by typing the target's name or number. */
  readonly confirmed: boolean;
  readonly typed: boolean;
  readonly secondFactor: boolean;
  /** The requester has proved, by a signature, that a key of the account to be linked is theirs. */
  readonly proven: boolean;
  /** Empty string when none was given. */
  readonly reason: string;
  readonly readonly: boolean;
  /** True for the first question, before there is a plan: only refusals that no approval can lift count. */
  readonly early: boolean;
}

/** What would turn a no into a yes, exactly as it goes on the card. */
export type Need =
  | {
      readonly kind: 'approvals';
      readonly role: string;
      readonly have: number;
      readonly need: number;
      /** The requester's own proof would do as well. */
      readonly orProof?: boolean;
    }
  | { readonly kind: 'proof' }
  | { readonly kind: 'confirmation' }
  | { readonly kind: 'typed-confirmation' }
  | { readonly kind: 'second-factor' }
  | { readonly kind: 'reason' };

/** One need in words, as it goes on the card: `1 of 2 approvals from sre`; `word` is what has to be typed. */
export function needLine(need: Need, requester = 'the requester', word = "the target's name or number"): string {
  switch (need.kind) {
    case 'approvals':
      return `${need.have} of ${need.need} ${need.need === 1 ? 'approval' : 'approvals'} from ${need.role}${need.orProof ? `, or the proof of ${requester}, by a signature, that the account is theirs` : ''}`;
    case 'proof':
      return `the proof of ${requester}, by a signature, that the account is theirs`;
    case 'confirmation':
      return `confirmation by ${requester}`;
    case 'typed-confirmation':
      return `confirmation by ${requester}, typing ${word}`;
    case 'second-factor':
      return `a second factor from ${requester}`;
    case 'reason':
      return 'a reason';
  }
}

export interface Verdict {
  /** allowed: go. needs: allowed once `needs` is met. denied: nothing on a card can change it. */
  readonly answer: 'allowed' | 'needs' | 'denied';
  readonly needs: readonly Need[];
  /** @id of the policies that decided. */
  readonly policies: readonly string[];
  /** One line for people, for denied. */
  readonly why: string;
}

export interface Judge {
  /** Never throws for a well-formed question; any evaluation error is a denial that names it. */
  decide(question: Question): Verdict;
  /** Cheap yes or no, for filtering lists. */
  allows(question: Question): boolean;
}
