/** One line of `bascule doctor`. */
export interface Finding {
  /** `node ovh1: helper`, as short as can be. */
  readonly about: string;
  /** warning: works, but not as it should. unknown: could not be looked at. */
  readonly state: 'ok' | 'warning' | 'wrong' | 'unknown';
  readonly says: string;
  /** What to do; only where something is not ok. */
  readonly remedy?: string;
}
