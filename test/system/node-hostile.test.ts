import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostileRequests } from '../bascule-node/hostile.ts';
import { openStage, ROOTFS, ran, STAGE_TIMEOUT, type Stage, sh, unfit, VMID } from './node/stage.ts';

/** 100,000 hostile requests, and 100,000 hostile argument lists, against the installed helper and a real container. */
const PROGRAM = '/usr/local/sbin/bascule-node';
const HARNESS = new URL('../bascule-node/harness.pl', import.meta.url).pathname;
const ARGUMENTS = new URL('node/arguments.pl', import.meta.url).pathname;

describe.skipIf(unfit() !== undefined)('what is made to hurt', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
    stage.snapshot('before_upgrade');
    stage.seal('before_upgrade');
  }, STAGE_TIMEOUT);
  afterAll(() => stage?.close());

  /** Everything of the host that matters, as one text; not what a test of its own may write. */
  const host = (): string =>
    execFileSync(
      'bash',
      [
        '-euc',
        `find /etc /usr/local /root/.ssh -xdev -not -path '/etc/pve/*' \\( -type f -printf '%p %m %u %g %s %T@\\n' -o -printf '%p %y %m %u %g %l\\n' \\) 2>/dev/null | sort; sha256sum /etc/passwd /etc/shadow; ls -A / /root`,
      ],
      { encoding: 'utf8', maxBuffer: 64 << 20 },
    );

  test('100,000 requests each get an answer, and leave the host as it was', async () => {
    const before = host();
    const kinds: Record<string, number> = {};
    for (let batch = 0; batch < 20; batch += 1) {
      const lines = hostileRequests(5000, 1000 + batch).map((request) => {
        const here = Buffer.from(request).toString('latin1').replace('"vmid":103', `"vmid":${VMID}`);
        return Buffer.from(here, 'latin1').toString('base64');
      });
      const told = await ran('/usr/bin/perl', ['-T', HARNESS, PROGRAM, '{}', 'many'], `${lines.join('\n')}\n`);
      const answers = told.stdout.split('\n').filter(Boolean);
      expect(answers, told.stderr).toHaveLength(lines.length);
      for (const line of answers) {
        const [code] = line.split(' ', 1);
        if (!/^[02-9]$/.test(code!)) throw new Error(line);
        kinds[code!] = (kinds[code!] ?? 0) + 1;
      }
    }
    console.log(`answers by exit code: ${JSON.stringify(kinds)}`);
    expect(host()).toBe(before);
    expect(sh('ls', '-A', '/tmp', `${ROOTFS}/tmp`, ROOTFS)).not.toContain('bascule-was-here');
    expect((await stage.ask('hello', {})).ok).toBe(true);
  }, 1_800_000);

  const pieces = [
    ...`'"\\\`$!*?[]{}()<>|&;#~^=%@:,+-_./ \t\n\r\u0001\u007f`,
    ...['$(touch /tmp/bascule-was-here)', '`id`', '${IFS}', "'\\''", '\\\n', '&&', '||', '>>', '<<EOF\n'],
    ...['--', '-n', '-e', '-rf', '--help', '%n', '%s', '\\0', '\\c', 'A=b', 'é', '中', '😀', '\u202e', '\ufeff'],
  ];
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join('')) },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.filter(Boolean)).toString('latin1')),
    },
  );

  test.each(['inside', 'sandbox'])(
    '100,000 argument lists arrive %s as they were sent',
    async (way) => {
      const vectors = fc.sample(fc.array(word, { minLength: 1, maxLength: 6 }), { numRuns: 100_000, seed: 20261121 });
      const sent: Buffer[][] = [];
      for (let at = 0; at < vectors.length; at += 250)
        sent.push(
          vectors
            .slice(at, at + 250)
            .flat()
            .map((text) => Buffer.from(text)),
        );
      const lines = sent.map((words) => words.map((bytes) => bytes.toString('base64')).join(' ')).join('\n');
      const told = await ran('/usr/bin/perl', ['-T', ARGUMENTS, PROGRAM, way, String(VMID), ROOTFS], `${lines}\n`);
      const arrived = told.stdout.split('\n').filter(Boolean);
      expect(arrived, told.stderr).toHaveLength(sent.length);
      for (const [index, words] of sent.entries()) {
        const wanted = Buffer.concat(words.flatMap((bytes) => [bytes, Buffer.from([0])]));
        if (Buffer.compare(Buffer.from(arrived[index]!, 'base64'), wanted) !== 0)
          throw new Error(`batch ${index} differs`);
      }
      expect(existsSync('/tmp/bascule-was-here')).toBe(false);
    },
    900_000,
  );
});
