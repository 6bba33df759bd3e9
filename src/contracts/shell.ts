import type { Answer, ProbeAnswer } from './cluster.ts';
import type { Json, NodeCall } from './plan.ts';

/** dry-run looks and answers what it would do; probe tells what became of a change (shell/node/README.md). */
export type Mode = 'run' | 'probe' | 'dry-run';

/** One request to the helper on a node, as it travels: one JSON object on its standard input, with `v: 1`. */
export interface NodeRequest {
  /** A verb of the helper, such as `hello`. */
  readonly verb: string;
  readonly mode: Mode;
  /** The run's id, or one made up for looking; the node writes it into its log and its answer. */
  readonly id: string;
  readonly args: Json;
}

export interface RequestLimits {
  /** From the moment the request is sent; 60 unless told, at most an hour. */
  readonly seconds?: number;
  /** Of the answer; 1 MiB unless told, at most 16 MiB. */
  readonly bytes?: number;
  /** The verb changes nothing even when it is run: a lost answer is then no doubt. */
  readonly looks?: boolean;
}

/** What a helper says about itself. */
export interface Hello {
  readonly version: string;
  /** Of its own file, hex. It finds a helper of another version; against root on that node nothing of ours helps. */
  readonly sha256: string;
  /** Verbs it knows, and those and the vmids (`100`, `200-299`) that the node's own config allows. */
  readonly known: readonly string[];
  readonly verbs: readonly string[];
  readonly vmids: readonly string[];
  readonly sudo: boolean;
  readonly jump: readonly string[];
}

/** A machine is not the one it was, or somebody stands in between. Nothing was sent to it. */
export interface ChangedKey {
  /** The node, or `the jump host`. */
  readonly node: string;
  readonly expected: readonly string[];
  readonly seen: string;
}

/** Work on the nodes that the Proxmox API cannot do. Everything throws Failed, whose `sent` tells how far it got. */
export interface Shell {
  /** Whether this node can be asked at all. */
  has(node: string): boolean;
  /** Asks the helper on a node and returns its answer, which is foreign data: parse it. */
  ask(node: string, request: NodeRequest, limits?: RequestLimits): Promise<Json>;
  /** What the helper there is. Not held against the expected SHA-256, so that a doctor can tell. */
  hello(node: string): Promise<Hello>;
  /** Hears of every login that was given up because a machine shows another host key than the pinned one. */
  onChangedKey?(tell: (changed: ChangedKey) => void): void;
  close(): Promise<void>;
}

/** SSH access to the nodes of one cluster: looking, and the hands that only the engine may hold. */
export interface ShellConnection {
  /** Our name of the cluster. */
  readonly cluster: string;
  readonly view: NodeView;
  readonly hands: NodeHands;
  close(): Promise<void>;
  /** As of {@link Shell}. */
  onChangedKey?(tell: (changed: ChangedKey) => void): void;
}

/** Doing what a plan asks of the nodes of one cluster. Holes of the calls are filled. */
export interface NodeHands {
  /** Failed.failure.sent tells whether it may have been done. `onLog` hears how a long one gets on. */
  send(call: NodeCall, run: string, onLog?: (line: string) => void): Promise<Answer>;
  /** What became of that very call. Throws Failed when the node cannot tell now. */
  probe(call: NodeCall, run: string): Promise<ProbeAnswer>;
}

/**
 * Looking at nodes over SSH. Nothing here changes anything. All methods throw Failed: `unavailable` with what node
 * access would give, and how to set it up, where a node has none. Text is a container's own and hostile.
 */
export interface NodeView {
  /** Whether this node can be asked at all. */
  has(node: string): boolean;
  zfsSnapshots(node: string, vmid: number): Promise<ZfsSnapshots>;
  users(node: string, vmid: number): Promise<readonly CtUser[]>;
  quorumFacts(node: string): Promise<QuorumFacts>;
  /** `volume`: count the path from that volume's root, which is how replicas on other nodes are read. */
  versions(node: string, vmid: number, path: FilePath, volume?: string): Promise<FileVersions>;
  stat(node: string, vmid: number, path: FilePath, from: string, volume?: string): Promise<FileFacts>;
  show(node: string, vmid: number, path: FilePath, from: string, volume?: string): Promise<FileShown>;
  /** What a change would do, as the helper tells it without doing it: throws what the change would throw. */
  dryRun(call: Pick<NodeCall, 'node' | 'verb' | 'args' | 'asIs'>): Promise<Json>;
}

/** A path inside a container: as text, or as base64 of its bytes when they are not UTF-8. */
export type FilePath = { readonly path: string } | { readonly pathBase64: string };

export interface ZfsSnapshots {
  readonly vmid: number;
  /** False: only replicas of a guest of another node are here. */
  readonly here: boolean;
  readonly volumes: readonly {
    readonly dataset: string;
    readonly volume: string;
    readonly role: string;
    readonly used: number;
  }[];
  /** Oldest first. */
  readonly snapshots: readonly ZfsSnapshot[];
}

export interface ZfsSnapshot {
  readonly dataset: string;
  readonly volume: string;
  /** `rootfs`, `mp0` … */
  readonly role: string;
  readonly name: string;
  readonly class: 'autosnap' | 'replication' | 'vzdump' | 'base' | 'manual';
  /** Proxmox does not know of it. */
  readonly hidden: boolean;
  /** Epoch seconds. */
  readonly taken: number;
  /** Bytes only it holds. */
  readonly used: number;
  readonly guid: string;
  readonly holds: number;
}

export interface CtUser {
  readonly name: string;
  readonly uid: number;
  readonly shell: string;
  readonly home: string;
  /** No password lets anybody in. */
  readonly locked: boolean;
  readonly expired: boolean;
  readonly sudo: boolean;
  readonly groups: readonly string[];
  /** We made the account. */
  readonly ours: boolean;
  readonly note: string;
  /** Why its keys may not work or could not be read. */
  readonly troubles: readonly string[];
  readonly keys: readonly CtKey[];
}

/** One line of an authorized_keys file. */
export interface CtKey {
  readonly file: string;
  readonly line: number;
  readonly type?: string;
  readonly fingerprint?: string;
  readonly options?: string;
  readonly comment?: string;
  readonly marker?: string;
  readonly ours: boolean;
  /** Why the line is no key. */
  readonly unreadable?: string;
}

export interface QuorumFacts {
  readonly quorate: boolean;
  readonly expected: number;
  readonly total: number;
  readonly needed: number;
  /** "Activity blocked": nothing that needs quorum is done here. */
  readonly blocked: boolean;
  readonly flags: readonly string[];
  /** The QDevice has the node id 0. */
  readonly members: readonly {
    readonly nodeid: number;
    readonly name: string;
    readonly votes: number;
    readonly local: boolean;
    /** How a node stands with the QDevice: `A,V,NMW` (alive, voting, no master wins); N before a letter: not. */
    readonly qdevice?: string;
  }[];
}

export interface FileVersions {
  readonly path: string;
  readonly dataset: string;
  readonly volume: string;
  /** Snapshots without the file. */
  readonly absent: number;
  readonly troubles: readonly { readonly from: string; readonly why: string; readonly real?: string }[];
  /** `live` first, then newest first. */
  readonly versions: readonly FileVersion[];
}

export interface FileVersion {
  /** `live`, or a snapshot's name. */
  readonly from: string;
  readonly class: string;
  readonly guid: string;
  /** Epoch seconds of the snapshot. */
  readonly taken: number;
  readonly hidden: boolean;
  readonly type: string;
  readonly size: number;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Epoch seconds. */
  readonly mtime: number;
  readonly sha256?: string;
  /** The same text: untouched in between. */
  readonly identity: string;
}

export interface FileFacts {
  readonly path: string;
  readonly from: string;
  readonly type: string;
  readonly size: number;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly links: number;
  /** Of a folder: everything below it; `complete` false when it was too much to count. */
  readonly entries?: number;
  readonly bytes?: number;
  readonly complete?: boolean;
}

export interface FileShown extends FileFacts {
  readonly text?: string;
  readonly binary?: boolean;
  readonly target?: string;
  readonly names?: readonly { readonly name: string; readonly type: string; readonly size: number }[];
  /** False: there is more than what is shown. */
  readonly whole?: boolean;
}
