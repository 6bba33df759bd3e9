/** What a world is made of at run time. Plain data: a node that loses quorum keeps a copy of it, frozen. */

export interface Snapshot {
  name: string;
  description: string;
  snaptime: number;
  parent?: string;
  /** `prepare` while being made, `delete` while being deleted, and for good when that was cut off. */
  snapstate?: string;
  /** Holds the memory too. */
  vmstate?: boolean;
  config: Record<string, string | number>;
}

export interface Guest {
  vmid: number;
  kind: 'lxc' | 'qemu';
  node: string;
  /** Keys as in the configuration file, without `lock` and `digest`. */
  config: Record<string, string | number>;
  lock?: string;
  running: boolean;
  pid?: number;
  /** Epoch milliseconds of the start. */
  startedAt?: number;
  /** Oldest first. */
  snapshots: Snapshot[];
  /** The snapshot it has gone on from. */
  parent?: string;
  /** Snapshots of its disks that were made with zfs on the node, which no API shows. Epoch seconds. */
  onDisk?: { name: string; at: number }[];
  template: boolean;
  /** Every start fails inside the task with this text. */
  startFails?: string;
}

export interface ReplicationJob {
  id: string;
  guest: number;
  jobnum: number;
  source?: string;
  target: string;
  schedule?: string;
  rate?: number;
  comment?: string;
  disable?: boolean;
  removeJob?: 'local' | 'full';
}

export interface HaResource {
  sid: string;
  type: 'ct' | 'vm';
  state?: string;
  max_restart?: number;
  max_relocate?: number;
  comment?: string;
  group?: string;
  failback?: number;
}

export interface HaRule {
  rule: string;
  type: 'node-affinity' | 'resource-affinity';
  resources: string;
  nodes?: string;
  strict?: number;
  affinity?: string;
  disable?: number;
  comment?: string;
  order: number;
}

export interface HaGroup {
  group: string;
  nodes: string;
  restricted?: number;
  nofailback?: number;
  comment?: string;
}

export interface HaService {
  node: string;
  state: string;
  uid: string;
  running?: number;
  target?: string;
  failedNodes?: string[];
}

export interface HaManager {
  master?: string;
  /** Epoch seconds. */
  timestamp?: number;
  nodeStatus: Record<string, string>;
  /** When each node was last seen by the manager, epoch milliseconds. */
  unknownSince: Record<string, number>;
  services: Record<string, HaService>;
  /** Node to the last write of its LRM. */
  lrm: Record<string, { state: string; mode: string; timestamp: number }>;
}

export interface Pool {
  id: string;
  comment?: string;
  vms: number[];
}

export interface User {
  userid: string;
  enable: boolean;
  expire: number;
  comment?: string;
}

export interface Token {
  /** `bascule@pve!operate` */
  id: string;
  user: string;
  tokenid: string;
  secret: string;
  privsep: boolean;
  expire: number;
  comment?: string;
}

export interface Acl {
  path: string;
  role: string;
  ugid: string;
  propagate: boolean;
}

export interface Storage {
  id: string;
  type: string;
  content: string[];
  shared: boolean;
  nodes?: string[];
  total: number;
  used: number;
  path?: string;
  /** It does not answer: its content cannot be read, and nothing is written to it. */
  offline?: boolean;
}

export interface BackupJob {
  id: string;
  storage: string;
  schedule: string;
  vmid: string;
  enabled: boolean;
  comment?: string;
  mode: string;
  compress?: string;
  pruneBackups?: Record<string, string>;
}

/** All that lives in /etc/pve, shared by the quorate nodes. */
export interface ClusterState {
  guests: Map<number, Guest>;
  jobs: Map<string, ReplicationJob>;
  ha: {
    resources: Map<string, HaResource>;
    rules: Map<string, HaRule>;
    groups: Map<string, HaGroup>;
    manager: HaManager;
  };
  pools: Map<string, Pool>;
  users: Map<string, User>;
  tokens: Map<string, Token>;
  roles: Map<string, { privs: string[]; special: boolean }>;
  acl: Acl[];
  storages: Map<string, Storage>;
  backupJobs: Map<string, BackupJob>;
}

/** A volume on one node's storage, or on a shared one (`node` missing). */
export interface Volume {
  volid: string;
  storage: string;
  node?: string;
  vmid?: number;
  content: 'rootdir' | 'images' | 'vztmpl' | 'iso' | 'backup';
  format: string;
  /** Bytes. */
  size: number;
  used: number;
  ctime: number;
  notes?: string;
  protected?: boolean;
}

/** What only the node itself knows: /var/lib/pve-manager/pve-replication-state.json. Epoch seconds, 0 = never. */
export interface ReplicationState {
  lastSync: number;
  lastTry: number;
  lastNode: string;
  failCount: number;
  error?: string;
  duration?: number;
  runningSince?: number;
  /** A rollback took the snapshot of the last run away. */
  lostBase?: boolean;
  log: string[];
}

export interface NodeState {
  name: string;
  nodeid: number;
  ip: string;
  votes: number;
  cores: number;
  memory: number;
  bridges: { iface: string; cidr?: string }[];
  powered: boolean;
  /** Health of ZFS pools that are not ONLINE. */
  pools?: Map<string, string>;
  /** Epoch seconds. */
  certificateEnds?: number;
  /** Packages that could be updated. */
  updates?: string[];
  /** Epoch milliseconds. */
  bootedAt: number;
  /** Which side of a network split it is on; all 0 when whole. */
  side: number;
  /** When the others lost sight of it, and what its guests were last reported as. */
  lost?: { at: number; running: Map<number, number> };
  /** What it remembers of /etc/pve since it lost quorum. */
  frozen?: ClusterState;
  replication: Map<string, ReplicationState>;
}
