import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Masker } from '../src/contracts/secrets.ts';

/** What looks like a secret in a file is never shown; what is none stays readable. */

const mask = (text: string): string => new Masker().mask(text);

/** Every line holds HUNTER2xyz where its secret is. */
const SECRETS = [
  'password=HUNTER2xyz',
  'password = HUNTER2xyz with blanks; and a semicolon',
  'export DB_PASSWORD=HUNTER2xyz',
  'DB_PASSWORD="HUNTER2xyz"',
  "SMTP_PASS='HUNTER2xyz'",
  'PGPASSWORD=HUNTER2xyz psql -h db',
  'db_password: HUNTER2xyz',
  '  password: "HUNTER2xyz" # for the app',
  '- POSTGRES_PASSWORD=HUNTER2xyz',
  '      - "POSTGRES_PASSWORD=HUNTER2xyz and more"',
  '# old: password=HUNTER2xyz',
  '#password = HUNTER2xyz',
  '{"user":"bob","password":"HUNTER2xyz","port":5432}',
  '  "clientSecret": "HUNTER2xyz",',
  '"api_key" : "HUNTER2\\"xyz"',
  "  'password' => 'HUNTER2xyz',",
  "define('DB_PASSWORD', 'HUNTER2xyz');",
  "$db_password = 'HUNTER2xyz';",
  "$config['db_password'] = 'HUNTER2xyz';",
  'define( "AUTH_KEY", "HUNTER2xyz" );',
  'NONCE_SALT = HUNTER2xyz',
  'accessToken: HUNTER2xyz',
  'token := "HUNTER2xyz"',
  'PrivateKey = HUNTER2xyz+abc/def=',
  'PresharedKey = HUNTER2xyz=',
  'psk="HUNTER2xyz"',
  'requirepass HUNTER2xyz',
  'masterauth "HUNTER2xyz"',
  'bindpw HUNTER2xyz',
  '    auth_pass HUNTER2xyz',
  'set $upstream_token "HUNTER2xyz";',
  'secure_link_secret HUNTER2xyz;',
  'machine api.example login bob password HUNTER2xyz',
  'mysqldump --password=HUNTER2xyz db',
  'restic --password HUNTER2xyz backup',
  'curl -u bob:HUNTER2xyz https://example.org',
  'curl -H "Authorization: Bearer HUNTER2xyz"',
  'proxy_set_header Authorization "Basic HUNTER2xyz";',
  'Authorization: token HUNTER2xyz',
  'authorization = "Bearer HUNTER2xyz"',
  'DATABASE_URL=postgres://bob:HUNTER2xyz@db:5432/app',
  'url: redis://:HUNTER2xyz@cache',
  'amqp://bob:HUNTER2xyz@a@mq/vhost',
  'https://example.org/hook?api_key=HUNTER2xyz&x=1',
  'Server=db;User Id=sa;Password=HUNTER2xyz;Encrypt=yes',
  'host=db user=bob password=HUNTER2xyz sslmode=require',
  "CREATE USER 'bob'@'%' IDENTIFIED BY 'HUNTER2xyz';",
  "ALTER ROLE bob WITH PASSWORD 'HUNTER2xyz';",
  '<password>HUNTER2xyz</password>',
  '<add key="x" password="HUNTER2xyz" />',
  '<connection-password type="x">HUNTER2xyz</connection-password>',
  'rocommunity HUNTER2xyz',
  'secret_id = HUNTER2xyz',
  'Authorization=PVEAPIToken=bot@pve!chatops=HUNTER2xyz',
  'aws_secret_access_key = HUNTER2xyz',
  'STRIPE_SECRET_KEY=HUNTER2xyz',
  'APP_KEY=base64:HUNTER2xyz=',
  'bob:$6$salt$HUNTER2xyz:19000:0:99999:7:::',
  'bob:$y$j9T$salt$HUNTER2xyz:19000:0:99999:7:::',
  'bob:$apr1$salt$HUNTER2xyz',
  'bob:$2y$10$HUNTER2xyz',
  'hash: pbkdf2_sha256$600000$salt$HUNTER2xyz=',
  'userPassword: {SSHA}HUNTER2xyz==',
  'https://hooks.slack.com/services/T000/B000/HUNTER2xyz',
  'https://discord.com/api/webhooks/123456/HUNTER2xyz',
  '-----BEGIN OPENSSH PRIVATE KEY-----\nHUNTER2xyz\nHUNTER2xyz\n-----END OPENSSH PRIVATE KEY-----',
  'x\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4\n\nHUNTER2xyz',
  '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nHUNTER2xyz\n-----END PGP PRIVATE KEY BLOCK-----',
  'PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nHUNTER2xyz\nPrivate-MAC: 0',
  'password: |\n  HUNTER2xyz\n  HUNTER2xyz\nuser: bob',
  'env:\n- name: DB_PASSWORD\n  value: HUNTER2xyz',
  'kind: Secret\nmetadata:\n  name: db\ndata:\n  anything: HUNTER2xyz\n',
] as const;

/** What tells of itself that it is a secret, in a line that does not. */
const TOKENS = [
  'AKIAIOSFODNN7EXAMPLE',
  `ghp_${'a1'.repeat(18)}`,
  `github_pat_${'a1_'.repeat(12)}`,
  `glpat-${'a1'.repeat(12)}`,
  'xoxb-123456789012-abcdefghij',
  'xapp-1-A000-123-abcdef',
  `sk_live_${'a1'.repeat(12)}`,
  `sk-ant-${'a1'.repeat(20)}`,
  `AIza${'a1'.repeat(17)}b`,
  `npm_${'a1'.repeat(18)}`,
  `SG.${'a1'.repeat(11)}.${'b2'.repeat(20)}`,
  `hvs.${'a1'.repeat(12)}`,
  `123456789:AA${'a1'.repeat(17)}`,
  `eyJ${'a1'.repeat(8)}.eyJ${'b2'.repeat(8)}.c3c3`,
  `AGE-SECRET-KEY-1${'A1'.repeat(29)}`,
] as const;

const HARMLESS = [
  'PasswordAuthentication no',
  'PermitRootLogin prohibit-password',
  'PASS_MAX_DAYS\t99999',
  'proxy_pass http://backend:8080;',
  'fastcgi_pass unix:/run/php.sock;',
  'ssl_certificate_key /etc/ssl/private/site.key;',
  'private_key: /etc/ssl/private/site.key',
  'password_file: /run/secrets/db',
  'auth_basic_user_file /etc/nginx/.htpasswd;',
  'password\trequired\tpam_unix.so obscure sha512',
  'password [success=1 default=ignore] pam_unix.so obscure',
  'passwd:         files systemd',
  'token_ttl = 3600',
  'max_tokens: 4096',
  'min_password_length=12',
  'DB_PASSWORD=${DB_PASSWORD}',
  'password: "{{ vault_db_password }}"',
  'password = os.environ["DB_PASSWORD"]',
  'password = getenv("X")',
  'url: postgres://bob:${PW}@db/app',
  'password: null',
  'secret: false',
  'PWD=/root',
  '# The password is kept in the vault, ask there',
  'public_key = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc bob',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc bob@laptop',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----',
  'root:x:0:0:root:/root:/bin/bash',
  'daemon:*:19000:0:99999:7:::',
  'listen 443 ssl http2;',
  'https://example.org:8443/a@b',
  'key = value',
  'keyboard_layout = de',
  'primary_key: id',
  'secretary: bob',
  'tokenizer = wordpiece',
  'worker_processes auto;',
  'server 10.0.0.1:8080 weight=5;',
  'image: postgres:16',
  'commit 8ccbe86d3f1d2e4b5a697887766554433221100f',
  'WantedBy=multi-user.target',
] as const;

describe('masking', () => {
  test.each(SECRETS)('%j', (text) => {
    const masked = mask(text);
    expect(masked).not.toContain('HUNTER2');
    expect(masked).toMatch(/\*\*\*secret-\d\*\*\*/);
  });

  test.each(TOKENS)('%s', (token) => {
    for (const text of [`x ${token} y`, `"${token}"`, `see:${token}`, token])
      expect(mask(text)).toBe(text.replace(token, '***secret-1***'));
  });

  test.each(HARMLESS)('leaves %j as it is', (text) => {
    expect(mask(text)).toBe(text);
  });

  test('keeps what stands around a secret', () => {
    expect(mask('  "password": "x1y2", "port": 1')).toBe('  "password": "***secret-1***", "port": 1');
    expect(mask('DATABASE_URL=postgres://bob:x1y2@db/app')).toBe('DATABASE_URL=postgres://bob:***secret-1***@db/app');
    expect(mask('a: 1\npassword: x1y2\nb: 2\n')).toBe('a: 1\npassword: ***secret-1***\nb: 2\n');
    expect(mask('-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nafter')).toBe(
      '-----BEGIN PRIVATE KEY-----***secret-1***-----END PRIVATE KEY-----\nafter',
    );
  });

  test('gives one secret one number in all texts, and another secret another', () => {
    const masker = new Masker();
    expect(masker.mask('password=old\ntoken=same')).toBe('password=***secret-1***\ntoken=***secret-2***');
    expect(masker.mask('password=new\ntoken=same')).toBe('password=***secret-3***\ntoken=***secret-2***');
    expect(masker.count).toBe(3);
  });

  test('masks every one of several in a line', () => {
    expect(mask('password=aa1 token=bb2 user=bob')).not.toMatch(/aa1|bb2/);
    expect(mask('{"password":"aa1","secret":"bb2","user":"bob"}')).toBe(
      '{"password":"***secret-1***","secret":"***secret-2***","user":"bob"}',
    );
  });

  test('never lets a value through, whatever is in it', () => {
    const value = fc.string({ minLength: 6, maxLength: 40, unit: 'grapheme-ascii' }).map((text) => `HUNTER2${text}`);
    fc.assert(
      fc.property(value, (secret) => {
        expect(mask(`password = ${secret}`)).not.toContain('HUNTER2');
        expect(mask(JSON.stringify({ a: 1, password: secret }))).not.toContain('HUNTER2');
      }),
      { numRuns: 500 },
    );
  });

  test('is quick on 64 KiB of anything', () => {
    for (const text of [
      'password',
      'a=',
      '"',
      '-----BEGIN PRIVATE KEY-----',
      '://a:',
      'eyJ',
      '  - ',
      'password: |\n  x\n',
      '<a>',
      '$6$',
    ])
      expect(mask(text.repeat(65_536 / text.length)).length).toBeGreaterThan(0);
  });
});
