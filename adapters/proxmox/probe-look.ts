import type { z } from 'zod';
import type { ProbeAnswer, Trace } from '../../src/contracts/cluster.ts';
import { Failed } from '../../src/contracts/failure.ts';
import type { GuestType } from '../../src/contracts/plan.ts';
import { type Read, reads } from './calls.ts';
import type { Asker } from './client.ts';
import type { Config } from './guest-config.ts';
import { GuestConfig, GuestStatus, NextVmid, NodeTime, Resources, readAs } from './schema.ts';
import { ourTasks, taskState } from './tasks.ts';
import { readUpid } from './upid.ts';

/** How far back a task may lie before our intent: rounding to seconds, or all we do not know of the node's clock. */
const knownClockMs = 5_000;
const unknownClockMs = 120_000;

/** A trace, and our time when we began to look. */
export interface Timed extends Trace {
  readonly now: number;
}

/** The guest a probe asks about. */
export interface Spot {
  readonly node: string;
  readonly type: GuestType;
  readonly vmid: number;
}

/** Our task for a step: the one we were told of, else the newest with our token since the intent. */
export interface OurTask {
  readonly upid: string;
  readonly running: boolean;
  readonly exit: string;
}

export const answer = (state: ProbeAnswer['state'], evidence: string, upid?: string): ProbeAnswer =>
  upid === undefined ? { state, evidence } : { state, evidence, upid };

/** undefined when Proxmox says there is no such thing; other failures are thrown on. */
export async function unlessMissing<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof Failed && error.failure.kind === 'not-found') return undefined;
    throw error;
  }
}

const get = async <S extends z.ZodType>(client: Asker, read: Read, schema: S): Promise<z.output<S>> =>
  readAs(schema, (await client.get(read)).data, client.attempt(read));

export const configOf = (client: Asker, { node, type, vmid }: Spot): Promise<Config | undefined> =>
  unlessMissing(get(client, reads.guestConfig(node, type, vmid), GuestConfig));

export const statusAt = (client: Asker, { node, type, vmid }: Spot) =>
  unlessMissing(get(client, reads.guestStatus(node, type, vmid), GuestStatus));

/** Where a guest is now, as far as our token may see. */
export async function whereIs(client: Asker, vmid: number): Promise<Spot | undefined> {
  const rows = await get(client, reads.resources(), Resources);
  const row = rows.find((one) => one.vmid === vmid && (one.type === 'lxc' || one.type === 'qemu'));
  return row && { node: row.node!, type: row.type as GuestType, vmid };
}

/** Whether any guest has this vmid, hidden ones included (PROBES.md 3). */
export async function vmidTaken(client: Asker, vmid: number): Promise<boolean> {
  try {
    await get(client, reads.vmidFree(vmid), NextVmid);
    return false;
  } catch (error) {
    if (error instanceof Failed && error.failure.kind === 'conflict') return true;
    throw error;
  }
}

/** The intent in the node's time: a task's start time is by the node's clock. */
export async function sinceOn(client: Asker, node: string, trace: Timed): Promise<number> {
  try {
    const { time } = await get(client, reads.nodeTime(node), NodeTime);
    return trace.intentAt + (time * 1_000 - trace.now) - knownClockMs;
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.kind === 'unavailable') throw error;
    return trace.intentAt - unknownClockMs; // the clock needs Sys.Audit on the node
  }
}

/** Every run's tasks carry our token; the marker alone tells two bots with one token apart (PROBES.md 3). */
export async function ourTask(
  client: Asker,
  spot: Spot,
  types: readonly string[],
  trace: Timed,
): Promise<OurTask | undefined> {
  const upid =
    trace.upid ?? (await ourTasks(client, spot.node, spot.vmid, types, await sinceOn(client, spot.node, trace)))[0];
  if (upid === undefined) return undefined;
  const state = await unlessMissing(taskState(client, upid, readUpid(upid)?.node ?? spot.node));
  return state && { upid, ...state };
}

const isSilent = (error: unknown) => error instanceof Failed && error.failure.kind === 'unavailable';

/** undefined when nobody can be asked now. */
export async function unlessSilent<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (isSilent(error)) return undefined;
    throw error;
  }
}

/** Looks at the guest's node and, when it is not there or that node is silent, where the guest is by now (HA). */
export async function wherever<T>(
  client: Asker,
  spot: Spot,
  look: (client: Asker, spot: Spot) => Promise<T | undefined>,
): Promise<{ readonly spot: Spot; readonly seen: T } | undefined> {
  let silence: unknown;
  try {
    const here = await look(client, spot);
    if (here !== undefined) return { spot, seen: here };
  } catch (error) {
    if (!isSilent(error)) throw error;
    silence = error;
  }
  const moved = await whereIs(client, spot.vmid);
  if (moved && (moved.node !== spot.node || moved.type !== spot.type)) {
    const there = await look(client, moved);
    return there === undefined ? undefined : { spot: moved, seen: there };
  }
  if (silence !== undefined) throw silence;
  return undefined;
}
