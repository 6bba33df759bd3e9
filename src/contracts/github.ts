/** A key that may be written into an authorized_keys file. */
export interface GithubKey {
  readonly type: string;
  readonly fingerprint: string;
  readonly bits?: number;
  /** `type base64`: one line of printable ASCII without options, comment or line end. */
  readonly line: string;
}

/** The public SSH keys of a GitHub login, and how sure that is. */
export interface KeysSeen {
  /** As GitHub spells it. */
  readonly login: string;
  /** The account behind the login; stays when it is renamed. */
  readonly id: number;
  readonly keys: readonly GithubKey[];
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
  /**
   * The key that signed `message` (`ssh-keygen -Y sign -n bascule`, armoured; line ends may have become blanks), by
   * fingerprint; undefined when it is no sound signature of that message. Never throws.
   */
  signer(message: string, signature: string): string | undefined;
  close(): Promise<void>;
}
