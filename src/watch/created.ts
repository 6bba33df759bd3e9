import { z } from 'zod';
import type { News, Step, Watcher, WatchWorld } from '../contracts/watch.ts';
import { maybe, name, num, pathOf, rows, text } from './read.ts';
import { readUpid, succeeded } from './upid.ts';

/** Containers that were made, where somebody followed the task: warnings are no failure (ODDITIES 46). */

interface Making {
  vmid: number;
  node: string;
  start: number;
  exit?: string;
  warnings: string[];
}

export interface CreatedMemory {
  /** By UPID; told as soon as its config is read, or after a while without. */
  making: Record<string, Making>;
}

const TASK = /^\/nodes\/[^/]+\/tasks\/([^/]+)\/(status|log)$/;
const CONFIG = /^\/nodes\/([^/]+)\/lxc\/(\d+)\/config$/;
const PATIENCE = 120;
const AT_MOST = 3600;

const statusAnswer = z.object({ status: name, exitstatus: maybe(text) });
const configAnswer = z.object({ hostname: maybe(name), net0: maybe(text) });

export const createdWatcher: Watcher<CreatedMemory> = {
  name: 'created',
  blank: { making: {} },
  wants(endpoint) {
    const path = pathOf(endpoint);
    return CONFIG.test(path) || (TASK.test(path) && decodeURIComponentSafe(path).includes(':vzcreate:'));
  },
  see(before, { endpoint, status, data, at }, world): Step<CreatedMemory> {
    if (status !== 200) return { memory: before, news: [] };
    const memory = structuredClone(before);
    const path = pathOf(endpoint);
    const task = TASK.exec(path);
    if (task) {
      follow(memory, decodeURIComponentSafe(task[1]!), data);
      return { memory, news: [] };
    }
    const [, node, vmid] = CONFIG.exec(path)!;
    const found = Object.entries(memory.making).find(
      ([, one]) => one.node === node && one.vmid === Number(vmid) && one.exit !== undefined,
    );
    if (!found) return { memory: before, news: [] };
    delete memory.making[found[0]];
    const config = configAnswer.safeParse(data);
    return { memory, news: told(found[1], at, world, config.success ? config.data : {}) };
  },
  pass(before, at, world) {
    const due = Object.entries(before.making).filter(
      ([, { exit, start }]) => at - start >= (exit === undefined ? AT_MOST : PATIENCE),
    );
    if (due.length === 0) return { memory: before, news: [] };
    const memory = structuredClone(before);
    for (const [upid] of due) delete memory.making[upid];
    return { memory, news: due.flatMap(([, one]) => told(one, at, world, {})) };
  },
};

function follow(memory: CreatedMemory, upid: string, data: unknown): void {
  const read = readUpid(upid);
  if (read?.type !== 'vzcreate' || !/^\d+$/.test(read.id)) return;
  memory.making[upid] ??= { vmid: Number(read.id), node: read.node, start: read.start, warnings: [] };
  const making = memory.making[upid];
  const state = statusAnswer.safeParse(data);
  if (state.success && state.data.status === 'stopped' && state.data.exitstatus) making.exit = state.data.exitstatus;
  const warnings = rows(z.object({ n: num, t: text }), data).flatMap(({ t }) => /^WARN: (.*)$/.exec(t)?.[1] ?? []);
  if (warnings.length > 0) making.warnings = warnings.slice(0, 10);
}

function told(
  { vmid, node, exit, warnings, start }: Making,
  at: number,
  world: WatchWorld,
  { hostname, net0 }: z.output<typeof configAnswer>,
): News[] {
  if (exit === undefined || !succeeded(exit)) return [];
  const ip = /(?:^|,)ip=([^,]+)/.exec(net0 ?? '')?.[1];
  const called = hostname ?? world.guests[vmid]?.name;
  return [
    {
      kind: 'ct-created',
      severity: 'info',
      phase: 'note',
      cluster: world.cluster,
      incident: `guest/${vmid}/created`,
      guest: { vmid, type: 'lxc', ...(called ? { name: called } : {}) },
      node,
      startedAt: start,
      at: Math.max(at, start),
      text: [`CT ${vmid}${called ? ` ${called}` : ''} was created on ${node}${ip ? `, ${ip}` : ''}`, ...warnings].join(
        '\n',
      ),
      facts: { vmid, ...(ip ? { ip } : {}), warnings },
    },
  ];
}

function decodeURIComponentSafe(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
