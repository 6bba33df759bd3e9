/** What a world can be made of. Everything is plain data, so that a test can write its own world down. */

export type Pve = '8.4' | '9.2';

/** The simulator's only source of time. Real by default; tests may pass their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `run` after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
}

export interface NodeSpec {
  name: string;
  /** Corosync node id, need not be contiguous. Default: position in the list, from 1. */
  nodeid?: number;
  /** Cluster address shown in answers (not the address of the listener). Default 10.0.0.<nodeid>. */
  ip?: string;
  votes?: number;
  cores?: number;
  /** Bytes. */
  memory?: number;
  bridges?: { iface: string; cidr?: string }[];
}

export interface StorageSpec {
  id: string;
  /** Proxmox's type. Only `zfspool` replicates; `dir` has no snapshots. */
  type: 'dir' | 'zfspool' | 'btrfs' | 'lvmthin' | 'nfs' | 'rbd' | 'pbs';
  content: string[];
  shared?: boolean;
  /** Nodes that have it; all when missing. */
  nodes?: string[];
  /** Bytes. */
  total?: number;
  /** Bytes in use before any volume of the world. */
  used?: number;
  path?: string;
}

export interface TemplateSpec {
  /** `local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst` */
  volid: string;
  size?: number;
  /** Nodes that have it; all when missing. */
  nodes?: string[];
}

export interface GuestSpec {
  vmid: number;
  kind?: 'lxc' | 'qemu';
  node: string;
  name: string;
  running?: boolean;
  /** Configuration keys as Proxmox names them; they win over what is derived from the rest. */
  config?: Record<string, string | number>;
  storage?: string;
  /** GiB of the first disk. */
  disk?: number;
  tags?: string;
  protection?: boolean;
  onboot?: boolean;
  lock?: string;
  pool?: string;
  template?: boolean;
  /** Every start of it fails inside the task. */
  startFails?: boolean;
}

export interface ReplicationSpec {
  id: string;
  target: string;
  schedule?: string;
  comment?: string;
  rate?: number;
  disable?: boolean;
}

export interface HaSpec {
  /** `ct:103` or `vm:200` */
  sid: string;
  state?: 'started' | 'stopped' | 'enabled' | 'disabled' | 'ignored';
  maxRestart?: number;
  maxRelocate?: number;
  comment?: string;
  group?: string;
  failback?: boolean;
}

/** 9.2: a rule; 8.4: served as the group of the same nodes. */
export interface HaRuleSpec {
  name: string;
  /** `ovh2:2,ovh3:1` */
  nodes: string;
  /** `ct:103,ct:110` */
  resources: string;
  strict?: boolean;
}

export interface UserSpec {
  userid: string;
  enable?: boolean;
  /** Epoch seconds, 0 never. */
  expire?: number;
  comment?: string;
}

export interface TokenSpec {
  /** `bascule@pve!operate` */
  id: string;
  secret?: string;
  privsep?: boolean;
  expire?: number;
  comment?: string;
}

export interface AclSpec {
  path: string;
  role: string;
  /** A user (`bascule@pve`) or token (`bascule@pve!operate`). */
  ugid: string;
  propagate?: boolean;
}

export interface RoleSpec {
  id: string;
  privs: string[];
}

export interface QdeviceSpec {
  /** `10.0.9.9:5403` */
  host: string;
  /** Default 1. */
  votes?: number;
}

export interface BackupJobSpec {
  id: string;
  storage: string;
  schedule: string;
  /** `100,103`, or `all`. */
  vmid: string;
  enabled?: boolean;
  comment?: string;
}

export interface WorldSpec {
  /** Undefined: a stand-alone host without cluster. */
  cluster?: string;
  nodes: NodeSpec[];
  storages: StorageSpec[];
  templates?: TemplateSpec[];
  guests?: GuestSpec[];
  pools?: { id: string; comment?: string }[];
  replication?: ReplicationSpec[];
  ha?: HaSpec[];
  haRules?: HaRuleSpec[];
  qdevice?: QdeviceSpec;
  backupJobs?: BackupJobSpec[];
  users?: UserSpec[];
  roles?: RoleSpec[];
  tokens?: TokenSpec[];
  acl?: AclSpec[];
  /** First free vmid that nextid looks at. Default 100. */
  nextIdFrom?: number;
}
