import type { Pve, Simulator } from '../../adapters/simulator/index.ts';
import type { GuestSpec, WorldSpec } from '../../adapters/simulator/types.ts';
import { ct100, ct102, ct110, ct120, labcluster, labnode, vm200 } from './labcluster.ts';
import type { Player } from './replay.ts';

/** A step is recordings' names with blanks between, or something that happened in between. */
export type Step = string | ((simulator: Simulator, player: Player) => void | Promise<void>);

export interface Scenario {
  name: string;
  pve: Pve;
  world: WorldSpec;
  /** The node asked. */
  entry: string;
  steps: Step[];
}

const lab = (name: string, guests: GuestSpec[], steps: Step[]): Scenario => ({
  name,
  pve: '8.4',
  world: labcluster(guests),
  entry: 'pve1',
  steps,
});
const alone = (name: string, guests: GuestSpec[], steps: Step[]): Scenario => ({
  name,
  pve: '9.2',
  world: labnode(guests),
  entry: 'pve4',
  steps,
});

const settle: Step = (_simulator, player) => player.tasksEnded();
const guest = (simulator: Simulator, vmid: number) => {
  const found = simulator.world.guest(vmid);
  if (!found) throw new Error(`no guest ${vmid} in this scenario`);
  return found;
};
const running =
  (vmid: number): Step =>
  (simulator) =>
    void Object.assign(guest(simulator, vmid), { running: true, pid: 2074, startedAt: Date.now() - 14_000 });
const stopped =
  (vmid: number): Step =>
  (simulator) =>
    void Object.assign(guest(simulator, vmid), { running: false, pid: undefined });
const locked =
  (vmid: number, lock: string | undefined): Step =>
  (simulator) =>
    void Object.assign(guest(simulator, vmid), { lock });
const haRound: Step = (simulator) => simulator.haRound();
const replicationRound: Step = (simulator) => simulator.replicationRound();
const replicationEnded: Step = async (simulator) => {
  const busy = () =>
    [...simulator.world.nodes.values()].some((node) =>
      [...node.replication.values()].some((each) => each.runningSince !== undefined),
    );
  while (busy()) await new Promise((resolve) => setTimeout(resolve, 2));
};
const replicated = [replicationRound, replicationEnded];

const reading = lab(
  'reading an idle cluster',
  [ct100, ct102],
  [
    `
      version version_noauth version_badtoken version_malformed_token version_unknown_token
      proxy_pvedaemon_down_get path_unknown method_unknown ha_rules_404 domains cluster_status
      cluster_resources cluster_resources_vm cluster_resources_badtype res_noperm cluster_nextid
      cluster_nextid_bad cluster_nextid_given cluster_options cluster_replication cluster_backup
      cluster_config_nodes nodes node_status node_version node_network node_storage node_replication
      node_unknown storage storage_status storage_content_tmpl lxc_list lxc_config_missing lxc_status_noperm
      lxc_create_badparams lxc_create_missing lxc_create_noperm post_json lxc_create_notemplate
    `,
    settle,
    `
      tasks tasks_noperm cluster_tasks lc_task_baduid lc_task_unknown lc_task_noperm pools pool_create
      pool_add
    `,
    running(102),
    `
      pools_get backup_job_create backup_jobs after_migrate_new_node after_migrate_old_node wrong_node
      proxied_noperm
    `,
  ],
);

const rights = lab(
  'who may what',
  [ct100, ct102],
  [
    `
      access_permissions access_permissions_path access_permissions_noperm access_permissions_ro access_roles
      roles_all role_admin acl users token_list token_get token_expired_setup token_reset user_disabled_setup
      user_reenable
    `,
  ],
);

const container = lab(
  'the life of a container',
  [ct100, ct102],
  [
    `
      lc_create lc_create_running_status lc_create_task_log lc_create_task_status lc_log_paged lc_create_dup
      nextid_after
    `,
    (simulator) => void Object.assign(guest(simulator, 110).config, { memory: 256 }),
    'lc_config lc_config_pending lc_config_while_locked',
    running(110),
    `
      lc_status_while_create lc_status_stopped lc_start lc_start_again lc_status_running lc_list
      lc_list_limited res_aud lc_interfaces lc_put_ok lc_put_bad lc_put_mem lc_put_empty lc_put_delete_bad
      lc_put_limited lc_put_noperm lc_resize
    `,
    settle,
    `
      lc_resize_shrink lc_feature_snap snap_list0 snap_badname snap_current snap_limited snap_noperm snap_create
      snap_create_task_log snap_create_task_status snap_list snap_config snap_dir_unsupported
      snap_dir_unsupported_task_log snap_dir_unsupported_task_status snap_rollback snap_rollback_task_log
      snap_rollback_task_status snap_rollback_unknown snap_rollback_unknown_task_log
      snap_rollback_unknown_task_status snap_delete snap_delete_task_log snap_delete_task_status
      snap_delete_unknown snap_delete_unknown_task_log snap_delete_unknown_task_status lc_put_delete
    `,
    running(110),
    `
      protection_on destroy_protected protection_off destroy_running shutdown shutdown_task_log
      shutdown_task_status stop_stopped start110 start110_task_log start110_task_status reboot reboot_task_log
      reboot_task_status backup_not_backed_up
    `,
    stopped(110),
    locked(110, 'backup'),
    'vzdump_lock_status vzdump_lock_put vzdump_lock_start',
    settle,
    locked(110, undefined),
    'vzdump_missing vzdump_badmode vzdump_noperm vzdump',
    settle,
    'vzdump_task_status vzdump_bad_content',
    settle,
  ],
);

const removal = lab(
  'removing a container',
  [ct100, { ...ct110, vmid: 111, name: 'clone1', running: false }],
  ['destroy', 'destroy_task_log', 'destroy_task_status'],
);

const elsewhere = lab(
  'a container on another node',
  [ct100, { ...ct110, node: 'pve2', running: false }],
  ['proxied_node'],
);

const replication = lab(
  'replication',
  [ct100, ct102, ct120],
  [
    `
      repl_noperm repl_noperm_list replication_create_badid repl_badsched repl_create_self
      repl_create_unknown_ct repl_create_unknown_node repl_get_unknown repl_del_unknown
    `,
    async (simulator) =>
      void simulator.world.state.jobs.set('120-0', {
        id: '120-0',
        guest: 120,
        jobnum: 0,
        source: 'pve1',
        target: 'pve2',
        schedule: '*/5',
      }),
    ...replicated,
    `
      repl_create_dup repl_create_same_target repl_bad_rate repl_cluster repl_job repl_node repl_node_guest
      repl_node2_view repl_status_ok repl_log repl_create_no_storage_on_target
    `,
    (simulator) => void simulator.world.state.jobs.delete('120-1'),
    'repl_update repl_schedule_now repl_schedule_now2 repl_status_pending',
    async (simulator) => simulator.partition(['pve1', 'pve3'], ['pve2']),
    ...replicated,
    'repl_node_failed repl_status_failed',
    (simulator) => simulator.heal(),
    `
      repl_disable repl_delete repl_delete_again snap_zfs2 snap_zfs2_task_log snap_zfs2_task_status snap_zfs3
      snap_zfs3_task_log snap_zfs3_task_status snap_rollback_not_latest snap_rollback_not_latest_task_log
      snap_rollback_not_latest_task_status
    `,
  ],
);

const ha = lab(
  'high availability',
  [ct100, { ...ct102, running: true }, ct110],
  [
    `
      ha_group_create ha_group_get ha_group_bad ha_groups ha_add ha_add_dup ha_add_unknown ha_add_badstate
      ha_add_noperm ha_del_unknown
    `,
    haRound,
    settle,
    haRound,
    `
      ha_resource ha_resources ha_status_current ha_manager_status ct_ha_status
    `,
    async (simulator, player) => {
      const upid = await stopThroughHa(simulator, player);
      player.alias('UPID:pve1:000017DA:000564D4:6B00E6CE:hastop:110:root@pam!rt:', upid);
    },
    'ha_managed_stop_task_log',
    haRound,
    settle,
    `
      ha_status_after_stop cluster_tasks2 ha_set ha_del ha_group_del
    `,
  ],
);

/** The recordings hold the log of this task but not the call that made it. */
async function stopThroughHa(simulator: Simulator, player: Player): Promise<string> {
  const recording = {
    name: 'stop',
    request: { auth: 'root', method: 'POST', path: '/api2/json/nodes/pve1/lxc/110/status/stop', params: null },
    response: { status: 200, reason: 'OK', body: { data: null }, headers: {} },
  };
  const answer = await player.play(recording);
  await player.tasksEnded();
  if (!simulator.world.guest(110)?.running)
    throw new Error('hastop must leave the container running until the LRM stops it');
  return (answer.body as { data: string }).data;
}

const withHa = lab(
  'resources with a pool, HA and a machine',
  [ct100, { ...ct102, running: true, pool: 'team-a' }, { ...ct110, running: false }, { ...ct120, node: 'pve2' }],
  [],
);
withHa.world.pools = [{ id: 'team-a' }];
withHa.world.ha = [{ sid: 'ct:102' }];
withHa.steps = ['res_all', (simulator) => simulator.world.state.pools.clear(), 'res_ha'];

const down = lab(
  'a node without power',
  [ct100, ct102],
  [
    haRound,
    (simulator) => simulator.unplug('pve3'),
    `
      node_down_cluster_status node_down_lxc node_down_status node_down_nodes node_down_noperm
      node_down_resources
    `,
  ],
);
down.world.ha = [{ sid: 'ct:102', state: 'stopped' }];

const deaf = lab(
  'a node that lives but does not answer',
  [ct100],
  [
    (simulator) => simulator.silence('pve2', 'refuse'),
    'pveproxy_remote_down',
    (simulator) => simulator.unsilence('pve2'),
    (simulator) => simulator.silence('pve2', 'hang'),
    'remote_hangs_596',
    (simulator) => simulator.unsilence('pve2'),
  ],
);

const inquorate = lab(
  'a node without quorum',
  [ct100, { ...ct102, running: true, pool: 'team-a' }, ct110],
  [
    async (simulator) => simulator.partition(['pve1'], ['pve2', 'pve3']),
    'noquorum_nextid noquorum_resources noquorum_put noquorum_aclput',
  ],
);
inquorate.world.pools = [{ id: 'team-a' }];
inquorate.world.ha = [{ sid: 'ct:102' }];

const machine = lab(
  'a virtual machine',
  [ct100, vm200],
  [
    `
      nextid_taken vm_list vm_status vm_config vm_noperm vm_destroy vm_put vm_put_task_log vm_put_task_status
      vm_put_sync vm_snapshot vm_snapshot_task_log vm_snapshot_task_status vm_snapshots vm_start vm_start_task_log
      vm_start_task_status
    `,
  ],
);

const nine = alone(
  'reading a lone 9.2',
  [],
  [
    `
      version_noauth version_badtoken version_malformed_token path_unknown method_unknown cluster_status
      cluster_resources_vm cluster_resources_badtype cluster_nextid cluster_nextid_given cluster_options
      cluster_replication cluster_backup nodes node_status node_network node_storage node_replication
      node_unknown storages9 lxc_list lxc_config_missing lxc_create_badparams lxc_create_missing ha_resources
      ha_rules_404 ha_groups ha_group_create9 ha_res_group9 ha_rule_bad2 ha_manager_status pools
      repl_create_perm9_limited repl_create_perm9 lxc_create_notemplate
    `,
    settle,
    'tasks vzdump_missing vzdump_unknown_vm',
    settle,
  ],
);

const nineRights = alone(
  'who may what on 9.2',
  [{ ...ct102, node: 'pve4', storage: 'local' }],
  [
    `
      access_permissions access_permissions_path access_permissions_noperm access_roles roles9 role9_admin acl
      users
    `,
  ],
);

const nineHa = alone(
  'a managed container on 9.2',
  [{ vmid: 100, node: 'pve4', name: 'c9', storage: 'local', disk: 1, config: { memory: 128, swap: 512 } }],
  [
    'ha_add9 ha_rule_create',
    haRound,
    settle,
    haRound,
    `
      ha_rule_get ha_rules2 ha_status9 ct_config9 ct_status9 res9
    `,
  ],
);

export const scenarios: Scenario[] = [
  reading,
  rights,
  container,
  removal,
  elsewhere,
  replication,
  ha,
  withHa,
  down,
  deaf,
  inquorate,
  machine,
  nine,
  nineRights,
  nineHa,
];

export const words = (text: string): string[] => text.trim().split(/\s+/);

/** Answers that must be equal word for word, moments aside. */
export const exact = new Set(
  words(`
    version node_version proxy_pvedaemon_down_get domains cluster_nextid cluster_nextid_given nextid_after
    noquorum_nextid cluster_options cluster_status node_down_cluster_status cluster_config_nodes
    access_permissions access_permissions_path access_permissions_noperm access_permissions_ro access_roles
    roles_all roles9 role_admin role9_admin acl users token_list token_get token_expired_setup token_reset
    lc_config repl_cluster repl_job repl_schedule_now ha_resource ha_resources ha_groups ha_group_get
    ha_rules2 ha_rule_get snap_list0
  `),
);

const labStorage = ['is_mountpoint', 'prune-backups', 'priority'];
const taskOptions = ['tokenid', 'pid'];

/**
 * Keys that a recording has or lacks for reasons of the lab, not of the API: storage options set there, tasks of other
 * callers, an emulated machine that pvestatd never reported.
 */
export const free: Record<string, readonly string[]> = {
  node_status: ['secureboot'],
  storage: labStorage,
  storages9: labStorage,
  tasks: taskOptions,
  cluster_tasks: taskOptions,
  cluster_tasks2: taskOptions,
  res_all: ['type:qemu'],
  vm_config: ['kvm'],
};
