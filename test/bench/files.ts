import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openShell } from '../../adapters/shell/index.ts';
import { systemClock } from '../../src/clock.ts';
import type { Json } from '../../src/contracts/plan.ts';
import { openStage, ROOTFS, type Stage, VMID } from '../system/node/stage.ts';
import { fingerprint } from './openssh.ts';

/** Milliseconds of each restore through the pool, and of each `cp -a` of the same thing by root on the same disk. */
export interface RestoreTimes {
  readonly ours: readonly number[];
  readonly bare: readonly number[];
}

export interface Restores {
  readonly what: string;
  readonly state: string;
  /** Until it is answered, when most of it is only in memory, and until all of it is on the disk. */
  readonly answered: RestoreTimes;
  readonly onDisk: RestoreTimes;
}

export interface FileTimes {
  readonly restores: readonly Restores[];
  /** Milliseconds of each `file.versions`. */
  readonly versions: readonly number[];
  readonly snapshots: number;
}

export interface FileEffort {
  readonly rounds: number;
  readonly megabytes: number;
  readonly files: number;
  readonly snapshots: number;
}

const SNAP = 'autohourly261121000007';
const snapshot = `${ROOTFS}/.zfs/snapshot/${SNAP}`;
const bash = (script: string) => execFileSync('bash', ['-euc', script], { stdio: ['ignore', 'pipe', 'inherit'] });

/**
 * The real helper behind OpenSSH and sudo, and a real unprivileged container whose volume is on a new
 * ext4, where nothing can be cloned: every byte is copied, by us as by `cp -a`, in turns.
 */
export async function benchFiles(effort: FileEffort): Promise<FileTimes> {
  const stage = await openStage({ on: 'ext4' });
  const quiet = () => {};
  const shell = openShell({
    nodes: { node: { host: '127.0.0.1', port: stage.port, hostKeys: [fingerprint(join(stage.folder, 'host.pub'))] } },
    user: 'bascule',
    key: readFileSync(join(stage.folder, 'bot'), 'utf8'),
    clock: systemClock,
    log: { info: quiet, warn: quiet, error: quiet },
  });
  const ask = (verb: string, id: string, args: Json) =>
    shell.ask('node', { verb, mode: 'run', id, args }, { seconds: 1800, bytes: 16 * 1024 * 1024 });
  try {
    const restores = await benchRestores(stage, ask, effort);
    return { restores, ...(await benchVersions(stage, ask, effort)) };
  } finally {
    await shell.close();
    await stage.close();
  }
}

const none = () => ({ ours: [] as number[], bare: [] as number[] });

type Ask = (verb: string, id: string, args: Json) => Promise<Json>;

async function benchRestores(stage: Stage, ask: Ask, { rounds, megabytes, files }: FileEffort) {
  stage.snapshot(SNAP);
  bash(`mkdir -p ${snapshot}/srv/many ${ROOTFS}/srv; head -c ${megabytes}M /dev/urandom > ${snapshot}/srv/big
    cd ${snapshot}/srv/many; for folder in $(seq ${files / 100}); do mkdir $folder; (cd $folder; head -c 204800 /dev/urandom | split -b 2048 -a 3); done
    chown -R 100000:100000 ${snapshot}/srv ${ROOTFS}/srv`);
  const restores: Restores[] = [];
  let run = 0;
  for (const state of ['running', 'stopped']) {
    stage.container(state === 'running' ? 'start' : 'stop');
    for (const [what, name] of [
      [`${megabytes} MiB`, 'big'],
      [`${files} small files`, 'many'],
    ] as const) {
      const [answered, onDisk] = [none(), none()];
      const restore = () => {
        run += 1;
        const stamp = `20261121T${100_000 + run}Z`;
        return ask('file.restore', `bench-${run}`, {
          vmid: VMID,
          run: `bench-${run}`,
          path: `/srv/${name}`,
          from: SNAP,
          overwrite: true,
          stamp,
        });
      };
      const copy = async () => bash(`cp -a -- ${snapshot}/srv/${name} ${ROOTFS}/srv/`);
      for (let round = 0; round < rounds + 1; round += 1) {
        for (const way of round % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const)) {
          bash(`rm -rf ${ROOTFS}/srv/*; sync -f ${ROOTFS}; cat ${snapshot}/srv/big > /dev/null`);
          const start = performance.now();
          await (way === 'ours' ? restore() : copy());
          const answer = performance.now();
          bash(`sync -f ${ROOTFS}`);
          if (round === 0) continue; // the first of each warms up
          answered[way].push(answer - start);
          onDisk[way].push(performance.now() - start);
        }
      }
      restores.push({ what, state, answered, onDisk });
    }
  }
  bash(`rm -rf ${ROOTFS}/srv ${snapshot}`);
  return restores;
}

/** A file of 16 KiB that is another in each snapshot. */
async function benchVersions(stage: Stage, ask: Ask, { rounds, snapshots }: FileEffort) {
  stage.container('start');
  bash(`cd ${ROOTFS}/.zfs/snapshot; for n in $(seq ${snapshots}); do mkdir -p auto$n/etc; (echo $n; head -c 16384 /dev/zero) > auto$n/etc/app.conf; done
    cp auto1/etc/app.conf ${ROOTFS}/etc/app.conf`);
  const versions: number[] = [];
  for (let round = 0; round < rounds + 1; round += 1) {
    const start = performance.now();
    const answer = (await ask('file.versions', 'bench', { vmid: VMID, path: '/etc/app.conf' })) as {
      versions: unknown[];
    };
    if (answer.versions.length !== snapshots + 1) throw new Error(`${answer.versions.length} versions were found`);
    if (round > 0) versions.push(performance.now() - start);
  }
  return { versions, snapshots };
}
