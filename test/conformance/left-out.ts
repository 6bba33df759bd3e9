/** Recordings that the simulator does not claim to imitate, each with its reason. Patterns are anchored. */
export const leftOut: { names: RegExp; versions: readonly string[]; why: string }[] = [
  { names: /clone(_.*)?/, versions: ['8.4'], why: 'cloning is not imitated' },
  {
    names: /migrate(_.*)?|ha_migrate(_restricted)?|ct_migrate_precond9|lxc_migrate_precond/,
    versions: ['8.4', '9.2'],
    why: 'migration is not imitated',
  },
  {
    names: /vzdump_task_log|backup_list/,
    versions: ['8.4'],
    why: 'the log and the backups of the lab tell of its temporary folders and of older backups',
  },
  { names: /suspend(_.*)?/, versions: ['8.4'], why: 'checkpointing is not imitated' },
  {
    names: /vm_create(_.*)?|vm_template_.*|vm_agent_noagent/,
    versions: ['8.4'],
    why: 'VMs are only listed, shown, set, and powered',
  },
  { names: /notif_.*/, versions: ['8.4', '9.2'], why: 'the notification system is not imitated' },
  {
    names: /nodes?_services|lc_rrddata|cluster_log|cluster_config_join|bulk/,
    versions: ['8.4', '9.2'],
    why: 'no command reads it',
  },
  {
    names: /noquorum_start|noquorum_cluster_status/,
    versions: ['8.4'],
    why: 'recorded while the node still called itself quorate; the simulator follows FACTS §7 (500, quorate 0)',
  },
  { names: /repl_noperm9/, versions: ['9.2'], why: 'the recorded token did not exist on that node' },
];
