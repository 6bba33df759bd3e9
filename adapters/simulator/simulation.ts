import type { Access } from './access.ts';
import { ApiError, type Caller } from './call.ts';
import type { Disks } from './disks.ts';
import type { Effects, Faults } from './faults.ts';
import type { ClusterState } from './state.ts';
import type { Tasks } from './tasks.ts';
import type { World } from './world.ts';

/** The parts that work together behind the listeners. */
export class Simulation {
  readonly world: World;
  readonly tasks: Tasks;
  readonly access: Access;
  readonly faults: Faults;
  readonly effects: Effects;
  readonly disks: Disks;
  /** What the others get when they pass a call on to this node although it is there (595 refused, 596 hangs). */
  readonly proxyTrouble = new Map<string, { status: number; reason: string }>();

  constructor(parts: Pick<Simulation, 'world' | 'tasks' | 'access' | 'faults' | 'effects' | 'disks'>) {
    this.world = parts.world;
    this.tasks = parts.tasks;
    this.access = parts.access;
    this.faults = parts.faults;
    this.effects = parts.effects;
    this.disks = parts.disks;
  }

  login(state: ClusterState, authorization: string | undefined): Caller {
    if (!authorization?.startsWith('PVEAPIToken=')) throw new ApiError(401, 'No ticket', { bare: true });
    const caller = this.access.login(state, authorization);
    if (!caller) throw new ApiError(401, 'Authentication failed!', { bare: true });
    return caller;
  }
}
