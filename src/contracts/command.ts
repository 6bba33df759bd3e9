import type { z } from 'zod';
import type { Books } from './books.ts';
import type { Card } from './card.ts';
import type { MenuEntry } from './chat.ts';
import type { Clock } from './clock.ts';
import type { ClusterView, Guest } from './cluster.ts';
import type { Github } from './github.ts';
import type { HouseRules } from './house.ts';
import type { AlertHands, Alerts, Incident, TestSent } from './incident.ts';
import type { Person } from './people.ts';
import type { Plan } from './plan.ts';
import type { AuditEntry, RequestRecord, RunRecord } from './records.ts';
import type { NodeView } from './shell.ts';
import type { Severity } from './watch.ts';

/**
 * read: looks only. routine, disruptive, destructive: changes a cluster, by rising harm.
 * control: changes only our own requests, runs and incidents (cancel, withdraw, acknowledge); never touches a cluster.
 */
export type Risk = 'read' | 'routine' | 'disruptive' | 'destructive' | 'control';

/** Where completion values of an option come from. */
export type CompletionSource =
  | 'cluster'
  | 'node'
  | 'guest'
  | 'ct'
  | 'vm'
  | 'template'
  | 'storage'
  | 'replication'
  /** Of the guest in the option `vmid`. */
  | 'snapshot'
  | 'request'
  /** Open ones. */
  | 'incident'
  | 'person'
  /** Folders and files of the guest in the option `vmid`, where a node can be asked. */
  | 'path'
  /** Versions of the file in the options `vmid` and `path`. */
  | 'version'
  | 'command';

/** One `name:value` of a command. The schema reads text, since every platform sends text in the end. */
export interface Option<T = unknown> {
  readonly schema: z.ZodType<T, string | undefined>;
  readonly summary: string;
  readonly completes?: CompletionSource;
  /** A closed list of values, shown by the platforms. */
  readonly choices?: readonly string[];
}

export type Options = Readonly<Record<string, Option>>;

/** The values of an options object after parsing. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

interface Described<O extends Options> {
  /** `ct create`, noun first; a noun alone is a command without a verb. The file is `handlers/ct-create.ts`. */
  readonly name: string;
  /** At most 100 characters (Discord). */
  readonly summary: string;
  /** Without the root command: `ct create hostname:robotoff node:ovh1`. */
  readonly examples: readonly string[];
  readonly options: O;
  /** Bare words fill these options in order: `ct show 103` is `ct show vmid:103`. */
  readonly positional?: readonly (keyof O & string)[];
  /** Cedar action, `ct.create`. */
  readonly action: string;
  /** Answers hold addresses or keys: only the asker sees them. */
  readonly private?: boolean;
  /** False for commands that need no cluster (help, whoami, approval list …). Default true. */
  readonly needsCluster?: boolean;
}

/** Looks and answers. */
export interface ReadCommand<O extends Options = Options> extends Described<O> {
  readonly risk: 'read';
  answer(options: Values<O>, context: ReadContext): Promise<Card>;
}

/** Changes a cluster: plans, is approved, and then exactly the plan runs. */
export interface ChangeCommand<O extends Options = Options> extends Described<O> {
  readonly risk: 'routine' | 'disruptive' | 'destructive';
  /** Raise when the same options mean something else; approvals of older versions do not count. */
  readonly version: number;
  /** Looks, never touches. Throws Failed with the reason when it cannot be done. */
  plan(options: Values<O>, context: PlanContext): Promise<Plan>;
  /** What people see before anyone approves; the pipeline adds what is missing and the buttons, and puts the request's id where `{run}` stands. */
  preview(plan: Plan): Card;
  /** What people see when the run ended well; failures and undos are told by the pipeline. */
  result(plan: Plan, run: RunRecord): Card;
}

/** Changes one of our own requests. */
export interface ControlCommand<O extends Options = Options> extends Described<O> {
  readonly risk: 'control';
  /** The option that holds the request's id; policy is asked about that request. */
  readonly request: keyof O & string;
  act(options: Values<O>, context: ControlContext): Promise<Card>;
}

/** Changes one of our own incidents, or speaks where they are told; policy is asked about the cluster. */
export interface AlertCommand<O extends Options = Options> extends Described<O> {
  readonly risk: 'control';
  /** The option that holds the incident's id; without one it acts on the cluster's alerts as such. */
  readonly incident?: keyof O & string;
  tell(options: Values<O>, context: AlertContext): Promise<Card>;
}

export type Command<O extends Options = Options> =
  | ReadCommand<O>
  | ChangeCommand<O>
  | ControlCommand<O>
  | AlertCommand<O>;

export interface AskContext {
  readonly asker: Person;
  readonly clock: Clock;
  /** `/pve ` (with the blank) on Slack, `/` on Discord: stands before a command name in texts, `${root}ct list`. */
  readonly root: string;
  /** Zone of the cluster or, without one, of the bot: an IANA name for luxon. */
  readonly zone: string;
}

export interface ReadContext extends AskContext {
  /** Only what the asker may see. Throws when the command has needsCluster false and reads it. */
  readonly view: ClusterView;
  readonly sites: readonly Site[];
  /** Commands the asker may run. */
  readonly menu: readonly MenuEntry[];
  /** Whether the asker may take a Cedar action that looks, on the cluster without looking at details, or on this guest. */
  readonly may: (action: string, guest?: Guest) => boolean;
  readonly records: Records;
  /** Names of the configured clusters the asker may see. */
  readonly clusters: readonly string[];
  readonly house: HouseRules;
  readonly github: Pick<Github, 'keys'>;
  /** Looking at the nodes of this cluster; every method throws where there is no SSH access. */
  readonly nodes: NodeView;
  readonly books: Books;
  /** Incidents of the clusters and about the guests the asker may see. */
  readonly alerts: Alerts;
  findPerson: FindPerson;
  /** Everybody listed or linked. */
  people(): Promise<readonly { readonly id: string; readonly name: string; readonly github?: string }[]>;
}

/**
 * Somebody by id, name or a mention of their account; `github` is from the config, or else from the book of links.
 * A mention of somebody who is not listed finds `<platform>:<id>`. Undefined: nobody.
 */
export type FindPerson = (
  text: string,
) => Promise<
  { readonly id: string; readonly name: string; readonly github?: string; readonly alias?: string } | undefined
>;

/** Nodes that share a place, from the config, so that a cut between sites can be foretold. */
export interface Site {
  readonly name: string;
  readonly nodes: readonly string[];
}

export interface PlanContext extends AskContext {
  /** Only what the asker may see. */
  readonly view: ClusterView;
  /** Everything our token sees: for uniqueness checks only, never to be shown. */
  readonly everything: ClusterView;
  readonly house: HouseRules;
  /** Names other requests have reserved ({@link Plan.reserves}); this request's own are not in it. */
  readonly reserved: ReadonlySet<string>;
  /** The approved plan, when planning again before the first step: keep its choices where they still hold. */
  readonly previous?: Plan;
  readonly nodes: NodeView;
  readonly books: Books;
  /** What was done before (`file undo`); only what the asker may see. */
  readonly records: Pick<Records, 'run' | 'request' | 'requests'>;
  readonly github: Pick<Github, 'keys'>;
  findPerson: FindPerson;
  /** Everybody listed or linked, as automations see them. */
  people(): Promise<readonly { readonly id: string; readonly name: string; readonly github?: string }[]>;
  /** Every configured cluster the asker may see, for plans that reach beyond one (`person remove`). */
  readonly clusters: readonly { readonly name: string; readonly view: ClusterView; readonly nodes: NodeView }[];
}

export interface ControlContext extends AskContext {
  readonly records: Records;
  /**
   * Withdraws a request that has not started, stops a running one after its current step and undoes it, or
   * closes one that is in doubt after a person has looked (its guest's lock is free again then).
   */
  cancel(id: string): Promise<'withdrawn' | 'stopping' | 'closed' | 'already-over'>;
  /** Counts a proof of the requester's for their waiting request; throws Failed when it is too late or not theirs. */
  prove(id: string): Promise<void>;
  readonly github: Pick<Github, 'keys' | 'signer'>;
}

export interface AlertContext extends AskContext {
  readonly cluster: string;
  /** Throws when the command names no incident. */
  readonly incident: Incident;
  readonly hands: AlertHands;
  /** Posts a test alert wherever a real one of that severity would go. */
  test(severity: Severity): Promise<readonly TestSent[]>;
}

/** Reading what the bot remembers; only what the asker may see. */
export interface Records {
  requests(filter: {
    readonly states?: readonly RequestRecord['state'][];
    readonly limit?: number;
  }): Promise<readonly RequestRecord[]>;
  /** Throws not-found with a hint. */
  request(id: string): Promise<RequestRecord>;
  run(id: string): Promise<RunRecord>;
  /** Everything joined by one request id, oldest first. */
  audit(id: string): Promise<readonly AuditEntry[]>;
}

/** Gives a command its exact option types. */
export function defineCommand<O extends Options>(command: ReadCommand<O>): ReadCommand<O>;
export function defineCommand<O extends Options>(command: ChangeCommand<O>): ChangeCommand<O>;
export function defineCommand<O extends Options>(command: ControlCommand<O>): ControlCommand<O>;
export function defineCommand<O extends Options>(command: AlertCommand<O>): AlertCommand<O>;
export function defineCommand(command: unknown): unknown {
  return command;
}
