import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { notHere } from '../system/node/stage.ts';
import { discordAck, slackHttp, slackSocket } from './acks.ts';
import { openCluster } from './bots.ts';
import { type Duel, type Sides, WIDTH } from './duel.ts';
import { benchFiles } from './files.ts';
import { footprint, type Kind } from './footprint.ts';
import { benchOpenSsh, noOpenSsh } from './openssh.ts';
import { benchPolicy } from './policy.ts';
import { quorumAnswer } from './quorum.ts';
import { benchShell } from './shell.ts';
import { median, spread } from './stats.ts';
import { type Row, table } from './table.ts';

/**
 * `npm run bench`: how quick and how big the bot is, beside the smallest bot that the same libraries allow, in one
 * run on one machine. Numbers to look at; no test asserts them. `--quick` for a look, `--only acks,policy` for a part.
 */
const { values } = parseArgs({ options: { quick: { type: 'boolean' }, only: { type: 'string' } } });
const quick = values.quick === true;
const parts = { acks, policy, quorum, shell, openssh, files, footprint: footprints };
const chosen = (values.only?.split(',') ?? Object.keys(parts)).map((name) => {
  if (!Object.hasOwn(parts, name)) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(', ')}`);
  return parts[name as keyof typeof parts];
});

/** What Proxmox VE 8.4 and 9.2 took for GET /cluster/status on idle test machines was 21 to 29 ms. */
const THINKS_MS = 20;
const P50_AIM = 1.3;
const P99_AIM = 1.5;

const folder = mkdtempSync(join(tmpdir(), 'bascule-bench-'));
try {
  const rows: Row[] = [];
  for (const part of chosen) rows.push(...(await part()));
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 1e9)} GB`;
  process.stdout.write(`${machine}, Node ${process.version}${quick ? ', quick run' : ''}\n\n${table(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function acks(): Promise<Row[]> {
  const cluster = await openCluster();
  const effort = quick ? { warmUp: 64, alone: 150, crowds: 10 } : { warmUp: 320, alone: 1000, crowds: 60 };
  try {
    return [
      ...ackRows('Slack, Socket Mode', await slackSocket(folder, cluster, effort)),
      ...ackRows('Slack, HTTP', await slackHttp(folder, cluster, effort)),
      ...ackRows('Discord', await discordAck(folder, cluster, effort)),
    ];
  } finally {
    await cluster.close();
  }
}

function ackRows(where: string, { alone, crowd }: Duel): Row[] {
  return [
    ...spreadRows(`slash to ack, ${where}, one at a time`, alone, P50_AIM, P99_AIM),
    ...spreadRows(`slash to ack, ${where}, ${WIDTH} at once`, crowd, P50_AIM, P99_AIM),
  ];
}

function spreadRows(what: string, { ours, bare }: Sides, p50Aim: number, p99Aim?: number): Row[] {
  const [measured, baseline] = [spread(ours), spread(bare)];
  return [
    { what: `${what}, p50`, measured: measured.p50, baseline: baseline.p50, unit: 'ms', aim: p50Aim },
    { what: `${what}, p99`, measured: measured.p99, baseline: baseline.p99, unit: 'ms', aim: p99Aim },
  ];
}

async function policy(): Promise<Row[]> {
  const { p50, p99 } = await benchPolicy();
  const what = 'policy decision, 200 policies, 10,000 guests';
  return [
    { what: `${what}, p50`, measured: p50, unit: 'ms', aim: 1 },
    { what: `${what}, p99`, measured: p99, unit: 'ms' },
  ];
}

async function quorum(): Promise<Row[]> {
  const [warmUp, count] = quick ? [30, 150] : [200, 1000];
  const at = (ms: number) => quorumAnswer(join(folder, `quorum-${ms}.sqlite`), ms, warmUp, count);
  return [
    ...spreadRows(`quorum against one API call, ${THINKS_MS} ms per call as recorded`, await at(THINKS_MS), 1.2),
    ...spreadRows('quorum against one API call, simulator at full speed', await at(0), 1.2),
  ];
}

async function shell(): Promise<Row[]> {
  const [warmUp, count] = quick ? [48, 300] : [200, 2000];
  const { alone, crowd } = await benchShell(warmUp ?? 0, count ?? 0);
  return [
    ...spreadRows('exec over the pool against raw ssh2', alone, 1.1),
    ...spreadRows('exec over the pool against raw ssh2, 4 at once', crowd, 1.1),
  ];
}

async function openssh(): Promise<Row[]> {
  const why = noOpenSsh();
  if (why !== undefined) return leftOut('exec against OpenSSH', why);
  const { ours, bare, master } = await benchOpenSsh(folder, quick ? 10 : 50, quick ? 60 : 500);
  return [
    ...spreadRows('exec over the pool against raw ssh2, to OpenSSH', { ours, bare }, 1.1),
    ...spreadRows('exec over the pool against an OpenSSH ControlMaster', { ours, bare: master }, 1),
  ];
}

async function files(): Promise<Row[]> {
  const why = notHere();
  if (why !== undefined) return leftOut("restores and versions of files by the node's helper", why);
  const effort = quick
    ? { rounds: 1, megabytes: 1024, files: 20_000, snapshots: 500 }
    : { rounds: 7, megabytes: 1024, files: 20_000, snapshots: 500 };
  const { restores, versions, snapshots } = await benchFiles(effort);
  return [
    ...restores.flatMap(({ what, state, answered, onDisk }) => {
      const name = `file restore of ${what} against cp -a, container ${state}`;
      const aim = what.includes('files') ? 1.3 : 1.1;
      return [
        medianRow(`${name}, p50`, answered, aim),
        ...(what.includes('MiB') ? [medianRow(`${name}, until it is on the disk, p50`, onDisk, aim)] : []),
      ];
    }),
    { what: `file versions over ${snapshots} snapshots, p50`, measured: median(versions), unit: 'ms', aim: 1000 },
  ];
}

function medianRow(what: string, { ours, bare }: Sides, aim: number): Row {
  return { what, measured: median(ours), baseline: median(bare), unit: 'ms', aim };
}

function leftOut(what: string, why: string): Row[] {
  process.stdout.write(`left out: ${what}: ${why}\n`);
  return [];
}

async function footprints(): Promise<Row[]> {
  const cluster = await openCluster();
  const effort = quick ? { starts: 3, idleMs: 5_000 } : { starts: 5, idleMs: 15_000 };
  const bareOf = (kind: Kind) => (kind === 'both' ? undefined : footprint(folder, cluster, kind, effort, true));
  const rows: Row[] = [];
  try {
    for (const kind of ['slack', 'discord', 'both'] as const) {
      const ours = await footprint(folder, cluster, kind, effort);
      const bare = await bareOf(kind);
      const name = { slack: 'Slack', discord: 'Discord', both: 'Slack and Discord' }[kind];
      const common = { absolute: true } as const;
      rows.push(
        {
          what: `start to first answer, ${name}`,
          measured: ours.firstAnswer,
          baseline: bare?.firstAnswer,
          unit: 'ms',
          aim: 3000,
          ...common,
        },
        {
          what: `resident memory idle, ${name}`,
          measured: ours.resident,
          baseline: bare?.resident,
          unit: 'MB',
          aim: 150,
          ...common,
        },
      );
    }
    return rows;
  } finally {
    await cluster.close();
  }
}
