import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, expect, test } from 'vitest';
import { nodeProgramSha256 } from '../adapters/shell/node/program.ts';
import { startSimulator } from '../adapters/simulator/index.ts';

/** `bascule setup node` and `bascule doctor`, as somebody types them. */
const folder = mkdtempSync(join(tmpdir(), 'bascule-line-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const main = new URL('../src/main.ts', import.meta.url).pathname;
const config = join(folder, 'bascule.yaml');

function bascule(...words: string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [main, ...words, '--config', config], {
    encoding: 'utf8',
  });
  return { stdout, stderr, status };
}

const { private: privateKey } = ssh2.utils.generateKeyPairSync('ed25519');
const hostKey = `SHA256:${'A'.repeat(43)}`;
const written = (url = 'https://127.0.0.1:1', token = 'a@pve!b=c', more = '') => {
  writeFileSync(join(folder, 'id'), privateKey);
  writeFileSync(
    config,
    `clusters:
  off:
    urls: ['${url}']
    token: ${token}
    shell:
      key: \${file:id}
      nodes: { ovh1: { host: 127.0.0.1, port: 9, hostKeys: ['${hostKey}'] } }
    house: { ssh: { jump: { node: ovh1, host: jump.example } } }
${more}`,
  );
};

test('setup pve prints the rights, the target with a body that always parses, the matcher and the legacy jobs', () => {
  const secret = 'never-printed-0123456789';
  written(undefined, undefined, `    watch: { hookSecret: ${secret} }\nhooks: { host: 10.0.0.9, port: 8765 }`);
  const { stdout, stderr, status } = bascule('setup', 'pve');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toContain('http://10.0.0.9:8765/hooks/pve/off');
  expect(stdout).not.toContain(secret);
  expect(stdout).not.toContain('# !');
  expect(stdout).toContain("--privs 'Datastore.Audit,Pool.Audit,SDN.Audit,Sys.Audit,VM.Audit'");
  expect(stdout).toContain('--notification-mode notification-system');
  const body = Buffer.from(/--body '([A-Za-z0-9+/=]+)'/.exec(stdout)![1]!, 'base64').toString();
  expect(stdout).toContain(body);
  const sent = body
    .replace('{{ severity }}', 'error')
    .replace('{{ timestamp }}', '1800000000')
    .replace('{{ escape title }}', 'a')
    .replace('{{ escape message }}', 'b')
    .replace('{{ json fields }}', '{"type":"vzdump"}');
  expect(JSON.parse(sent)).toMatchObject({ v: 1, cluster: 'off', fields: { type: 'vzdump' } });
  expect(execFileSync('bash', ['-n'], { input: stdout, encoding: 'utf8' })).toBe('');
});

test('setup pve says what is missing in the config, and which cluster it cannot choose', () => {
  written();
  const { stdout } = bascule('setup', 'pve');
  expect(stdout).toContain('clusters.off.watch.hookSecret is not set');
  expect(stdout).toContain('cannot be reached from the nodes');
  expect(bascule('setup', 'pve', '--cluster', 'nowhere').stderr).toContain('there is no cluster nowhere');
});

test('setup node prints what it makes, with the checksum and the key of the config', () => {
  written();
  const { stdout, status } = bascule('setup', 'node');
  expect(status).toBe(0);
  expect(stdout).toContain(`sha256 ${nodeProgramSha256()}`);
  expect(stdout).toMatch(/restrict,command="[^"]+" ssh-ed25519 AAAA\S+ bascule/);
  expect(stdout).toContain('useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin');
  expect(stdout).not.toContain('PRIVATE KEY');
});

test('setup node --script is a script, and --ansible a role with the same helper', () => {
  written();
  const { stdout } = bascule('setup', 'node', '--script', '--vmids', '100-199,205', '--from', '10.0.0.5');
  writeFileSync(join(folder, 'setup.sh'), stdout);
  execFileSync('sh', ['-n', join(folder, 'setup.sh')]);
  expect(stdout).toContain('from="10.0.0.5"');
  expect(stdout).toContain('"100-199",\n    "205"');
  expect(bascule('setup', 'node', '--ansible', join(folder, 'role')).stdout).toContain('wrote ');
  expect(stdout).toContain(readFileSync(join(folder, 'role/files/bascule-node'), 'utf8'));
});

test('setup node says what is missing', () => {
  writeFileSync(config, 'clusters:\n  off: { urls: [https://127.0.0.1:1], token: a@pve!b=c }\n');
  const { stderr, status } = bascule('setup', 'node');
  expect(status).toBe(1);
  expect(stderr).toContain('clusters.off has no shell: with a key');
  expect(bascule('setup', 'node', '--cluster', 'nope').stderr).toContain('there is no cluster nope');
  expect(bascule('setup', 'kettle').stderr).toContain('there is no set-up for kettle');
});

test('doctor looks on after a failure, gives a remedy for each, and ends with 1', () => {
  written();
  const { stdout, status } = bascule('doctor');
  expect(status).toBe(1);
  expect(stdout).toContain('ok    policies: valid, preset team');
  expect(stdout).toMatch(/^FAIL {2}off: API: .+ → .+$/m);
  expect(stdout).toMatch(/^FAIL {2}node ovh1: login: .+ → .+$/m);
});

test('doctor finds a sound cluster sound', async () => {
  const simulator = await startSimulator({ pve: '9.2', taskMs: 20 });
  try {
    const token = simulator.token('bascule@pve!operate');
    writeFileSync(
      config,
      `clusters:\n  off: { urls: ['${simulator.urls[0]}'], token: '${token}', fingerprints: ['${simulator.fingerprint}'] }\n`,
    );
    // The simulator lives in this process, so this one must not stand still meanwhile.
    const { spawn } = await import('node:child_process');
    const child = spawn(process.execPath, [main, 'doctor', '--config', config]);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, said]).toEqual([0, expect.stringContaining('ok    off: quorum: 4 of 4 votes, 3 needed')]);
    expect(said).toContain('ok    off: nodes over SSH: none is configured');
  } finally {
    await simulator.close();
  }
});
