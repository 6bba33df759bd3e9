import { fail } from '../../src/contracts/failure.ts';

/** Accounts and groups of Debian, Ubuntu and Red Hat; useradd makes a group of the same name, and some of those give rights. */
const TAKEN = new Set(
  `root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody nogroup _apt sshd
  messagebus polkitd polkituser tcpdump tss landscape syslog uuidd pollinate usbmux dnsmasq avahi rtkit ntp chrony
  statd rpc postfix postdrop dbus halt shutdown operator ftp apache nginx mysql postgres redis mongodb rabbitmq git
  sudo wheel admin adm staff users shadow disk kmem tty dialout fax voice cdrom floppy tape audio video dip plugdev
  netdev input kvm render sgx crontab utmp docker lxd lxc libvirt libvirt-qemu incus podman ssh ssl-cert puppet
  ansible vagrant bascule bascule-jump all none default`.split(/\s+/),
);

/** What useradd and the helper take: no dot, since sudo skips files with one in sudoers.d. */
const NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/** Why a text cannot be the name of somebody's Linux account; undefined when it can. */
export function nameFlaw(name: string): string | undefined {
  if (name.length > 32) return `${name} has ${name.length} characters, Linux takes 32`;
  if (/^[0-9-]/.test(name)) return `${name} begins with ${name[0]}, and an account begins with a letter or _`;
  if (!NAME.test(name)) return 'an account has letters in lower case, digits, _ and -';
  if (!/[a-z]/.test(name)) return `${name} has no letter`;
  if (TAKEN.has(name) || name.startsWith('systemd')) return `${name} is an account or group of the system`;
  return undefined;
}

/** The account of a GitHub login: the login in lower case, or the alias. Throws bad-input when that is no name for one. */
export function linuxName(login: string, alias?: string): string {
  const name = alias ?? login.toLowerCase();
  const flaw = nameFlaw(name);
  if (flaw === undefined) return name;
  return fail('bad-input', {
    what: `${alias ?? login} cannot be the name of a Linux account`,
    why: flaw,
    next: `link the person with a name of its own: person add person:… github:${login} name:…`,
  });
}
