import type { Inside } from './hands-inside.ts';

/** Accounts in a container's own passwd, shadow and group, as useradd and userdel leave them. Text is bytes. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
  readonly locked: boolean;
  readonly expired: boolean;
  readonly groups: readonly string[];
}

const rows = (text: string): string[][] => text.split('\n').map((line) => line.split(':'));

/** `now`: epoch seconds. */
export function accountsOf(inside: Inside, what: string, now: number): Account[] {
  const files = ['/etc/passwd', '/etc/shadow', '/etc/group'].map((path) => inside.must(path, what));
  const all = rows(files.join('\n'));
  const shadow = new Map(all.filter((row) => row.length === 9).map((row) => [row[0]!, row]));
  const groups = all.filter((row) => row.length === 4).map((row) => [row[0]!, row[3]!.split(',')] as const);
  return all
    .filter((row) => row.length === 7 && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/.test(row[0]!))
    .map(([name = '', , uid = '', , gecos = '', home = '', shell = '']) => {
      const [, password = '', , , , , , expires = ''] = shadow.get(name) ?? [];
      return {
        name,
        uid: /^[0-9]{1,10}$/.test(uid) ? Number(uid) : -1,
        gecos,
        home: /^\/[^\0]{0,1000}$/.test(home) ? home : '/',
        shell,
        locked: /^[!*]/.test(password),
        expired: /^[0-9]{1,9}$/.test(expires) && Number(expires) * 86_400 < now,
        groups: groups
          .filter(([, members]) => members.includes(name))
          .map(([group]) => group)
          .sort(),
      };
    });
}

const without = (text: string, name: string): string =>
  text.replace(/[^\n]*\n/g, (line) => (line.startsWith(`${name}:`) ? '' : line));

/** As `useradd --create-home --password '*'`. `what`: what did not happen, should it refuse. */
export function addAccount(
  inside: Inside,
  { name, gecos, shell }: { name: string; gecos: string; shell: string },
  what: string,
  now: number,
): void {
  const [passwd, shadow, group] = ['/etc/passwd', '/etc/shadow', '/etc/group'].map((path) => inside.must(path, what));
  if (rows(group!).some((row) => row[0] === name))
    inside.said(
      what,
      'useradd',
      `useradd: group ${name} exists - if you want to add this user to that group, use -g.`,
      9,
    );
  const taken = [...rows(passwd!), ...rows(group!)].map((row) => Number(row[2]));
  const id = Math.max(999, ...taken.filter((each) => each >= 1000 && each < 60_000)) + 1;
  const home = `/home/${name}`;
  inside.write('/etc/passwd', `${passwd}${name}:x:${id}:${id}:${gecos}:${home}:${shell}\n`);
  inside.write('/etc/shadow', `${shadow}${name}:*:${Math.floor(now / 86_400)}:0:99999:7:::\n`, 0o640);
  inside.write('/etc/group', `${group}${name}:x:${id}:\n`);
  if (!inside.stat(home)) {
    inside.folder(home, 0o700);
    inside.write(`${home}/.bashrc`, '# ~/.bashrc\n');
  }
}

/** As `userdel`, with `--remove` its home too. */
export function dropAccount(inside: Inside, { name, home }: Account, andHome: boolean): void {
  const what = `${name} was not removed`;
  inside.write('/etc/passwd', without(inside.must('/etc/passwd', what), name));
  inside.write('/etc/shadow', without(inside.must('/etc/shadow', what), name), 0o640);
  const group = without(inside.must('/etc/group', what), name).replace(/[^\n]*\n/g, (line) => {
    const row = line.trimEnd().split(':');
    if (!row[3]?.split(',').includes(name)) return line;
    row[3] = row[3]
      .split(',')
      .filter((member) => member !== name)
      .join(',');
    return `${row.join(':')}\n`;
  });
  inside.write('/etc/group', group);
  if (andHome) inside.remove(home);
}
