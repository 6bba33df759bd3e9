import type { Books } from './books.ts';
import type { Card } from './card.ts';
import type { Clock } from './clock.ts';
import type { ClusterView } from './cluster.ts';
import type { Github } from './github.ts';
import type { HouseRules } from './house.ts';
import type { Json } from './plan.ts';
import type { RequestRecord } from './records.ts';
import type { NodeView } from './shell.ts';

/**
 * Work on a schedule. It looks, tells, and asks for commands as `Automation::<name>`, whose requests pass policy, plan,
 * budget, journal and audit like anyone's. It holds no hands.
 */
export interface Automation {
  /** `key-drift`; its settings stand under `automations:` in the config by this name. */
  readonly name: string;
  readonly summary: string;
  /** Cron pattern of five fields, in the cluster's zone, unless the config says another. */
  readonly schedule: string;
  /** Requests it may make a day and cluster, unless the config says another. */
  readonly budget: number;
  /** Runs once per cluster. Throws Failed when it could not look; that is told once, until it works again. */
  run(context: AutomationContext): Promise<void>;
}

export interface AutomationContext {
  readonly cluster: string;
  readonly clock: Clock;
  readonly zone: string;
  /** `/pve ` or `/` for texts. */
  readonly root: string;
  readonly view: ClusterView;
  readonly nodes: NodeView;
  readonly books: Books;
  readonly github: Pick<Github, 'keys'>;
  readonly house: HouseRules;
  /** Of this cluster, still open or ended a short while ago. */
  requests(states: readonly RequestRecord['state'][]): Promise<readonly RequestRecord[]>;
  /** Everybody listed or linked. */
  people(): Promise<readonly { readonly id: string; readonly name: string; readonly github?: string }[]>;
  /** Asks for a command, as this automation. Resolves what became of asking: a request, or why not (budget used up, policy, nothing to do). */
  ask(
    command: string,
    options: Readonly<Record<string, string>>,
  ): Promise<{ readonly request?: RequestRecord; readonly refused?: string }>;
  /** What it kept with {@link remember}, this automation on this cluster; undefined at first. An older Bascule may have written it: parse it. */
  recall(): Promise<Json | undefined>;
  /** What it has seen and told, so that it tells only news. Never what grants anything: that stands in the books. */
  remember(value: Json): Promise<void>;
  /** Posts a notice where the cluster's alerts go, or edits the one of this key. */
  tell(notice: Notice): Promise<void>;
}

/** A message of the bot's own accord, with commands that help as buttons. Edited in place under its key. */
export interface Notice {
  /** Names it for ever: `key-drift/alice/<hash>`. */
  readonly key: string;
  readonly card: Omit<Card, 'actions'>;
  /** A press is as if the person who pressed had typed the command: it is judged for them and planned for them. */
  readonly offers?: readonly Offer[];
}

export interface Offer {
  readonly label: string;
  readonly style?: 'primary' | 'danger';
  readonly command: string;
  readonly options: Readonly<Record<string, string>>;
}

export function defineAutomation(automation: Automation): Automation {
  return automation;
}
