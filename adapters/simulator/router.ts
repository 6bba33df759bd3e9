import { ApiError, badParameters, broken, type Call, Paged, type Route } from './call.ts';
import type { Simulation } from './simulation.ts';
import { normaliseBooleans, verify } from './verify.ts';

export interface Answer {
  status: number;
  reason: string;
  /** Undefined: no body at all. */
  body?: unknown;
  /** A body that is no JSON. */
  bytes?: Buffer;
}

/** What a route gives instead of data when the answer is a file. */
export class Bytes {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

interface Compiled {
  route: Route;
  parts: string[];
}

const split = (path: string) => path.split('/').filter((part) => part !== '');

/** Finds the route, then checks as Proxmox does: login, method, rights, node, parameters. */
export class Router {
  readonly #routes: Compiled[];
  readonly #sim: Simulation;

  constructor(sim: Simulation, routes: Route[]) {
    this.#sim = sim;
    this.#routes = routes
      .filter((route) => !route.only || route.only === sim.world.pve)
      .map((route) => ({ route, parts: split(route.path) }));
  }

  find(method: string, path: string): { route: Route; params: Record<string, string> } | undefined {
    const parts = split(path);
    for (const { route, parts: pattern } of this.#routes) {
      if (route.method !== method || pattern.length !== parts.length) continue;
      const params: Record<string, string> = {};
      const fits = pattern.every((part, index) => {
        if (!part.startsWith('{')) return part === parts[index];
        params[part.slice(1, -1)] = decodeSegment(parts[index] as string);
        return true;
      });
      if (fits) return { route, params };
    }
    return undefined;
  }

  /** Everything after the HTTP layer; `path` is without `/api2/json` and the query. */
  async answer(
    entry: string,
    method: string,
    path: string,
    authorization: string | undefined,
    params: Record<string, string>,
  ): Promise<Answer> {
    try {
      const body = await this.#run(entry, method, path, authorization, params);
      return body instanceof Bytes
        ? { status: 200, reason: 'OK', bytes: body.bytes }
        : { status: 200, reason: 'OK', body };
    } catch (error) {
      if (error instanceof ApiError) return errorAnswer(error);
      throw error;
    }
  }

  async #run(
    entry: string,
    method: string,
    path: string,
    authorization: string | undefined,
    sent: Record<string, string>,
  ): Promise<unknown> {
    const { world } = this.#sim;
    const found = this.find(method, path);
    const caller = found?.route.open ? { full: '', user: '' } : this.#sim.login(world.viewFrom(entry), authorization);
    if (!found) throw new ApiError(501, `Method '${method} ${path}' not implemented`);
    for (const [name, value] of Object.entries(found.params)) {
      if (Object.hasOwn(sent, name) && sent[name] !== value) {
        throw new ApiError(
          400,
          `Parameter verification failed - duplicate parameter '${name}' with conflicting values.`,
        );
      }
    }
    const { route } = found;
    const params = normaliseBooleans(route.rules, { ...sent, ...found.params });
    const call: Call = {
      world,
      tasks: this.#sim.tasks,
      access: this.#sim.access,
      faults: this.#sim.faults,
      effects: this.#sim.effects,
      disks: this.#sim.disks,
      entry,
      node: world.node(entry),
      state: world.viewFrom(entry),
      caller,
      params,
    };
    route.may?.(call);
    this.#proxy(call);
    const errors = verify(route.rules, params, world.pve);
    if (errors.size > 0) throw badParameters(Object.fromEntries(errors));
    const result = await route.run(call);
    if (result instanceof Bytes) return result;
    return result instanceof Paged
      ? { data: result.data, ...(result.total > 0 && { total: result.total }) }
      : { data: result ?? null };
  }

  /** A call for another node is passed on by the entry node, if it can reach it. */
  #proxy(call: Call): void {
    const name = call.params.node;
    if (name === undefined || !/^\/nodes\//.test(`/nodes/${name}`) || name === 'localhost' || name === call.entry)
      return;
    const { world } = this.#sim;
    const target = world.nodes.get(name);
    if (!target) {
      throw broken(
        `hostname lookup '${name}' failed - failed to get address info for: ${name}: Temporary failure in name resolution`,
      );
    }
    if (!world.reaches(call.entry, name)) throw new ApiError(595, 'No route to host', { bare: true });
    const stuck = this.#sim.proxyTrouble.get(name);
    if (stuck) throw new ApiError(stuck.status, stuck.reason, { bare: true });
    call.node = target;
    call.state = world.viewFrom(name);
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** The reason phrase is the first line of the message; the body has all of it. */
export function errorAnswer(error: ApiError): Answer {
  const reason = (error.message.split('\n')[0] ?? '').replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
  if (error.bare) return { status: error.status, reason };
  const message = error.status === 501 || error.message.endsWith('\n') ? error.message : `${error.message}\n`;
  return { status: error.status, reason, body: { data: null, ...(error.errors && { errors: error.errors }), message } };
}
