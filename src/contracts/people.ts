/** Somebody we know, with every role they hold now (inherited ones included). */
export interface Person {
  /** The key under `people:` in the config, or `<platform>:<id>` for somebody not listed there. */
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  /** Stable ids of linked accounts, for example { slack: 'U1', discord: '123', github: 'alice' }. */
  readonly accounts: Readonly<Record<string, string>>;
  /** Not a person but a schedule of ours (`key-drift`); then id is `automation:key-drift` and policy sees `Automation::"key-drift"`. */
  readonly automation?: string;
}
