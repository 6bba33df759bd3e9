/** The public SSH keys of a GitHub login, and how sure that is. */
export interface KeysSeen {
  /** As GitHub spells it. */
  readonly login: string;
  readonly keys: readonly { readonly type: string; readonly fingerprint: string; readonly bits?: number }[];
  /** Keys that are not good enough to let anybody in. */
  readonly refused: readonly { readonly why: string; readonly type: string; readonly fingerprint?: string }[];
  /** When GitHub last confirmed it, epoch ms. */
  readonly at: number;
  readonly fresh: boolean;
  /** Why these are old and how old, when they are not fresh. */
  readonly stale?: string;
}

export interface Github {
  /** Throws Failed: not-found, conflict (the login is somebody else's by now), unavailable (out of reach, nothing stored). */
  keys(login: string, options?: { readonly mayBeEmpty?: boolean }): Promise<KeysSeen>;
  close(): Promise<void>;
}
