/** `bascule setup pve`: what an administrator pastes on a node so that Proxmox VE speaks to the bot. Touches nothing. */

export interface PveSetup {
  /** Our name of the cluster. */
  readonly cluster: string;
  /** Where the nodes reach our webhooks, without a path: `https://bot.example`. */
  readonly url: string;
  /** Where our config has the secret from; the secret itself is never printed. */
  readonly hasSecret: boolean;
  /** Whether the address is one that other machines can reach. */
  readonly reachable: boolean;
}

/** As FACTS 3.3 proves it: parses whatever the title and the message hold. */
export function bodyTemplate(cluster: string): string {
  return `{"v":1,"cluster":"${cluster}","severity":"{{ severity }}","timestamp":{{ timestamp }},"title":"{{ escape title }}","message":"{{ escape message }}","fields":{{ json fields }}}`;
}

const TARGET = 'bascule';

export function pveSetupText({ cluster, url, hasSecret, reachable }: PveSetup): string {
  const hook = `${url}/hooks/pve/${cluster}`;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return [
    `# Proxmox VE, cluster ${cluster}: rights to look, and notifications to ${hook}`,
    '# Everything below is run once, as root, on any one node of the cluster. Nothing was changed by printing it.',
    ...(hasSecret
      ? []
      : [
          '#',
          `# ! clusters.${cluster}.watch.hookSecret is not set: its webhooks are refused until it is. Make one with`,
          '#   openssl rand -base64 33',
        ]),
    ...(reachable
      ? []
      : [
          '#',
          `# ! ${url} cannot be reached from the nodes: set hooks: with a host and publicUrl, and print this again.`,
        ]),
    '',
    '# 1. Rights: looking only. The same on PVE 8 and 9.',
    `pveum role add BasculeWatch --privs 'Datastore.Audit,Pool.Audit,SDN.Audit,Sys.Audit,VM.Audit'`,
    `pveum user add bascule@pve --comment 'Bascule, the chat bot'`,
    'pveum user token add bascule@pve watch --privsep 1',
    `pveum acl modify / --roles BasculeWatch --users 'bascule@pve' --tokens 'bascule@pve!watch'`,
    '#    Proxmox shows the backups of a guest only to who may also make some. Leave these two lines out, and Bascule',
    '#    watches the backup jobs, but not how old the last good backup of a guest is:',
    `pveum role add BasculeBackups --privs 'VM.Audit,VM.Backup'`,
    `pveum acl modify /vms --roles BasculeBackups --users 'bascule@pve' --tokens 'bascule@pve!watch'`,
    '',
    '# 2. The target. Type the secret when you are asked: it stays out of the history and of this text.',
    `read -rsp 'hookSecret of ${cluster}: ' SECRET; echo`,
    `pvesh create /cluster/notifications/endpoints/webhook --name ${TARGET} --method post \\`,
    `  --url '${hook}' \\`,
    `  --header "name=Authorization,value=$(printf '%s' 'Bearer {{ secrets.bot }}' | base64 -w0)" \\`,
    `  --header 'name=Content-Type,value=${base64('application/json')}' \\`,
    `  --secret "name=bot,value=$(printf '%s' "$SECRET" | base64 -w0)" \\`,
    `  --body '${base64(bodyTemplate(cluster))}'`,
    'unset SECRET',
    '#    In the GUI: Datacenter, Notifications, Add, Webhook. Method POST, the URL above, header Authorization with',
    '#    Bearer {{ secrets.bot }}, secret bot, and as the body exactly:',
    `#    ${bodyTemplate(cluster)}`,
    '#    The body must be this one: without escape and json it is no JSON as soon as a message has two lines.',
    '',
    '# 3. The matcher: everything, so that the bot and not Proxmox decides what is worth a word. Forwarded system mail',
    '#    (SMART, ZED) has the severity unknown, which a filter by severity would drop.',
    `pvesh create /cluster/notifications/matchers --name ${TARGET} --target ${TARGET} --comment 'All to Bascule'`,
    '#    Mail goes on as before: the default matcher is left alone.',
    '',
    '# 4. Backup jobs that send mail by themselves never reach a webhook. Those that do:',
    `pvesh get /cluster/backup --output-format json | perl -MJSON -0777 -ne \\`,
    `  'for (@{decode_json $_}) { my $m = $_->{"notification-mode"} // "auto"; print "$_->{id}\\n" if $m eq "legacy-sendmail" || ($m eq "auto" && $_->{mailto}) }'`,
    '#    For each of them (the matcher default-matcher goes on sending mail to root):',
    `#    pvesh set /cluster/backup/JOB --notification-mode notification-system`,
    '',
    '# 5. Try it: the bot answers with a line in the alert channel, and bascule logs "a webhook …" when it refuses.',
    `pvesh create /cluster/notifications/targets/${TARGET}/test`,
    '',
    '# TLS: the node checks the certificate of the address against its own authorities. A self-signed one must be added on',
    '# every node (/usr/local/share/ca-certificates, update-ca-certificates). http_proxy of datacenter.cfg is used as well.',
  ].join('\n');
}
