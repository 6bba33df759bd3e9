import { createHash } from 'node:crypto';
import { lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';

/** What a container's first volume holds before anybody touches it: a small Debian with nginx and one application. */

export interface SeedFacts {
  readonly vmid: number;
  readonly hostname: string;
  /** `10.1.0.103` */
  readonly address: string;
  /** When the container was made, when the world began, and the moment to show. Epoch seconds. */
  readonly born: number;
  readonly began: number;
  readonly at: number;
  /** Accounts made by hand, with lines for their authorized_keys. */
  readonly people: readonly SeedPerson[];
}

export interface SeedPerson {
  readonly name: string;
  readonly about: string;
  readonly sudo?: boolean;
  readonly keys: readonly string[];
}

interface Entry {
  readonly path: string;
  readonly mode: number;
  /** Epoch seconds. */
  readonly at: number;
  readonly text?: string | Buffer;
  readonly target?: string;
}

const hour = 3600;

/** Times at which the files changed, oldest first; those before a container was made did not happen. */
const changes = ({ born, began }: SeedFacts): readonly number[] => [born, began - 26 * hour, began - 3 * hour];

const nginx = (connections: number, more = ''): string => `user www-data;
worker_processes auto;
pid /run/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;

events {
    worker_connections ${connections};
}

http {
    sendfile on;
    keepalive_timeout 65;
${more}    include /etc/nginx/mime.types;
    access_log /var/log/nginx/access.log;
    include /etc/nginx/sites-enabled/*;
}
`;

const site = (hostname: string): string => `server {
    listen 80 default_server;
    server_name ${hostname};
    root /var/www/html;
    location /api/ {
        proxy_pass http://127.0.0.1:8000;
    }
}
`;

const page = (hostname: string, line: string): string =>
  `<!doctype html>\n<title>${hostname}</title>\n<h1>${hostname}</h1>\n<p>${line}</p>\n`;

/** Not text, and the same for the same name. */
const noise = (name: string, size: number): Buffer => {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, index) =>
    createHash('sha256').update(`${name} ${index}`).digest(),
  );
  return Buffer.concat([Buffer.from([0x89, 0, 0x0a]), ...blocks]).subarray(0, size);
};

const log = (facts: SeedFacts, until: number): string =>
  Array.from({ length: Math.min(40, Math.max(1, Math.floor((until - facts.born) / (6 * hour)))) }, (_, index) => {
    const at = new Date((until - index * 6 * hour) * 1000).toISOString();
    return `10.1.0.254 - - [${at}] "GET / HTTP/1.1" 200 ${600 + ((index * 37) % 300)}\n`;
  })
    .reverse()
    .join('');

function accounts(facts: SeedFacts): { passwd: string; shadow: string; group: string } {
  const rows = facts.people.map(({ name, about }, index) => ({ name, about, id: 1000 + index }));
  const system = ['daemon:x:1:1:daemon:/usr/sbin', 'www-data:x:33:33:www-data:/var/www'];
  const admins = facts.people.filter(({ sudo }) => sudo).map(({ name }) => name);
  const days = Math.floor(facts.born / 86_400);
  return {
    passwd: `root:x:0:0:root:/root:/bin/bash\n${system.map((row) => `${row}:/usr/sbin/nologin\n`).join('')}nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n${rows.map(({ name, about, id }) => `${name}:x:${id}:${id}:${about}:/home/${name}:/bin/bash\n`).join('')}`,
    shadow: ['root', 'daemon', 'www-data', 'nobody', ...rows.map(({ name }) => name)]
      .map((name) => `${name}:*:${days}:0:99999:7:::\n`)
      .join(''),
    group: `root:x:0:\ndaemon:x:1:\nsudo:x:27:${admins.join(',')}\nwww-data:x:33:\nnogroup:x:65534:\n${rows.map(({ name, id }) => `${name}:x:${id}:\n`).join('')}`,
  };
}

const past = (facts: SeedFacts): number[] =>
  changes(facts).filter((moment) => moment >= facts.born && moment <= Math.max(facts.at, facts.born));

/** When the files became what they were at `at`. */
export const lastChange = (facts: SeedFacts): number => past(facts).at(-1)!;

/** The files as they were at `at`. */
function entries(facts: SeedFacts): Entry[] {
  const { born, hostname, address } = facts;
  const turns = past(facts);
  const turn = turns.length - 1;
  const since = lastChange(facts);
  const file = (path: string, text: string | Buffer, when = born, mode = 0o644): Entry => ({
    path,
    mode,
    at: when,
    text,
  });
  const link = (path: string, target: string): Entry => ({ path, mode: 0o777, at: born, target });
  const folder = (path: string, mode = 0o755): Entry => ({ path, mode, at: born });
  const { passwd, shadow, group } = accounts(facts);
  // The last change is a mistake that somebody will want to undo: a time-out of one second, and a file deleted.
  const conf = [nginx(768), nginx(1024, '    gzip on;\n'), nginx(1024, '    gzip on;\n    proxy_read_timeout 1s;\n')];
  const env = (turn: number) =>
    `# settings of the application\nDATABASE_HOST=10.1.0.104\nDATABASE_PASSWORD=${turn === 0 ? 'not-a-real-secret-1' : 'not-a-real-secret-2'}\nWORKERS=${turn === 0 ? 2 : 4}\n`;
  return [
    ...['etc', 'usr', 'usr/bin', 'usr/sbin', 'usr/lib', 'home', 'var', 'var/lib', 'var/log', 'run', 'srv'].map((path) =>
      folder(path),
    ),
    folder('tmp', 0o1777),
    folder('root', 0o700),
    link('bin', 'usr/bin'),
    link('sbin', 'usr/sbin'),
    link('lib', 'usr/lib'),
    file('usr/bin/bash', noise('bash', 4096), born, 0o755),
    file('etc/debian_version', '13.1\n'),
    file('etc/hostname', `${hostname}\n`),
    file('etc/hosts', `127.0.0.1 localhost\n${address} ${hostname}\n`),
    file('etc/passwd', passwd),
    file('etc/shadow', shadow, born, 0o640),
    file('etc/group', group),
    folder('etc/ssh'),
    file('etc/ssh/sshd_config', 'PermitRootLogin no\nPasswordAuthentication no\nUsePAM yes\n'),
    folder('etc/sudoers.d', 0o750),
    file('etc/sudoers.d/README', '# files here are read by sudo\n', born, 0o440),
    folder('etc/nginx'),
    folder('etc/nginx/sites-available'),
    folder('etc/nginx/sites-enabled'),
    file('etc/nginx/nginx.conf', conf[turn]!, since),
    file('etc/nginx/sites-available/default', site(hostname)),
    link('etc/nginx/sites-enabled/default', '/etc/nginx/sites-available/default'),
    folder('var/www'),
    folder('var/www/html'),
    file('var/www/html/index.html', page(hostname, turn === 0 ? 'It works.' : 'Welcome.'), turns[Math.min(turn, 1)]),
    file('var/www/html/logo.png', noise('logo', 1500)),
    folder('var/log/nginx'),
    file('var/log/nginx/access.log', log(facts, since), since, 0o640),
    folder('srv/app'),
    file('srv/app/.env', env(Math.min(turn, 1)), turns[Math.min(turn, 1)], 0o600),
    file('srv/app/run.sh', '#!/bin/sh\nexec /srv/app/serve --workers "$WORKERS"\n', born, 0o755),
    ...(turn < 2 ? [file('srv/app/routes.json', '{\n  "api": "/v2",\n  "health": "/healthz"\n}\n')] : []),
    ...facts.people.flatMap(({ name, keys }) => [
      folder(`home/${name}`, 0o700),
      file(`home/${name}/.bashrc`, '# ~/.bashrc\n'),
      ...(keys.length > 0
        ? [
            folder(`home/${name}/.ssh`, 0o700),
            file(`home/${name}/.ssh/authorized_keys`, `${keys.join('\n')}\n`, born, 0o600),
          ]
        : []),
    ]),
  ];
}

/** Writes them into an empty folder. */
export function writeSeed(root: string, facts: SeedFacts): void {
  const all = entries(facts);
  for (const { path, mode, text, target } of all) {
    if (target !== undefined) symlinkSync(target, `${root}/${path}`);
    else if (text !== undefined) writeFileSync(`${root}/${path}`, text, { mode });
    else mkdirSync(`${root}/${path}`, { mode });
  }
  // Folders last, since making an entry changes the time of its folder.
  for (const { path, at } of all) (path === '' ? utimesSync : lutimesSync)(`${root}/${path}`, at, at);
  utimesSync(root, facts.born, facts.born);
}

/** A further volume of a container: one folder and one file of its application. */
export function writeDataSeed(root: string, facts: SeedFacts): void {
  mkdirSync(`${root}/data`, { mode: 0o755 });
  writeFileSync(`${root}/data/records.csv`, `id,name\n1,${facts.hostname}\n`, { mode: 0o644 });
  for (const path of [`${root}/data/records.csv`, `${root}/data`, root]) utimesSync(path, facts.born, facts.born);
}
