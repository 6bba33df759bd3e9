import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Simulator } from './index.ts';

/**
 * A test aid, not part of Proxmox: a plain HTTP port on loopback through which a test in another process looks at
 * the world and breaks things. See README.md for the list.
 */
export interface Control {
  url: string;
  close(): Promise<void>;
}

type Body = Record<string, unknown>;
type Action = (simulator: Simulator, body: Body) => unknown;

const str = (body: Body, key: string): string => {
  const value = body[key];
  if (typeof value !== 'string') throw new TypeError(`${key} must be text`);
  return value;
};

const dark = (body: Body) => (body.how === 'hang' ? 'hang' : 'refuse');

/** Paths come as text; `/…/` is read as a regular expression. */
function match(body: Body): Body {
  const found = { ...((body.match ?? {}) as Body) };
  const path = found.path;
  if (typeof path === 'string' && path.length > 2 && path.endsWith('/') && path.startsWith('/^'))
    found.path = new RegExp(path.slice(1, -1));
  return found;
}

const looks: Record<string, (simulator: Simulator) => unknown> = {
  '/requests': (simulator) => simulator.requests,
  '/effects': (simulator) => simulator.effects.all,
  '/guests': (simulator) => [...simulator.world.state.guests.values()],
  '/volumes': (simulator) => simulator.world.volumes,
  '/replication': (simulator) => [...simulator.world.state.jobs.values()],
  '/ha': (simulator) => ({
    resources: [...simulator.world.state.ha.resources.values()],
    manager: simulator.world.state.ha.manager,
  }),
  '/nodes': (simulator) =>
    [...simulator.world.nodes.values()].map(({ name, powered, side }) => ({
      name,
      powered,
      side,
      url: simulator.url(name),
      votes: simulator.world.votes(name),
      quorate: simulator.world.quorate(name),
    })),
  '/tasks': (simulator) => simulator.nodes.flatMap((node) => simulator.tasks.of(node)),
};

const acts: Record<string, Action> = {
  '/unplug': (simulator, body) => simulator.unplug(str(body, 'node'), dark(body)),
  '/plug': (simulator, body) => simulator.plug(str(body, 'node')),
  '/silence': (simulator, body) => simulator.silence(str(body, 'node'), dark(body)),
  '/unsilence': (simulator, body) => simulator.unsilence(str(body, 'node')),
  '/partition': (simulator, body) => simulator.partition(...(body.groups as string[][])),
  '/heal': (simulator) => simulator.heal(),
  '/fault/request': (simulator, body) =>
    simulator.onRequest(match(body), body.fault as Parameters<Simulator['onRequest']>[1]),
  '/fault/task': (simulator, body) => simulator.onTask(match(body), body.fault as Parameters<Simulator['onTask']>[1]),
  '/fault/clear': (simulator) => simulator.faults.clear(),
  '/kill-task': (simulator, body) => simulator.killTask(str(body, 'upid')),
  '/fill-storage': (simulator, body) =>
    simulator.fillStorage(str(body, 'node'), str(body, 'storage'), Number(body.free ?? 0)),
  '/drop-template': (simulator, body) => simulator.dropTemplate(str(body, 'volid'), body.node as string | undefined),
  '/expire-token': (simulator, body) => simulator.expireToken(str(body, 'id')),
  '/withdraw-token': (simulator, body) => simulator.withdrawToken(str(body, 'id')),
  '/revoke': (simulator, body) => simulator.revoke(str(body, 'ugid'), str(body, 'path')),
  '/ha-round': (simulator) => simulator.haRound(),
  '/replication-round': (simulator) => simulator.replicationRound(),
};

async function bodyOf(request: IncomingMessage): Promise<Body> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? {} : (JSON.parse(text) as Body);
}

async function answer(simulator: Simulator, request: IncomingMessage): Promise<{ status: number; body: unknown }> {
  const path = new URL(request.url ?? '/', 'http://control').pathname;
  const look = request.method === 'GET' && Object.hasOwn(looks, path) ? looks[path] : undefined;
  if (look) return { status: 200, body: look(simulator) };
  const act = request.method === 'POST' && Object.hasOwn(acts, path) ? acts[path] : undefined;
  if (!act)
    return {
      status: 404,
      body: { error: `no such control: ${request.method} ${path}`, looks: Object.keys(looks), acts: Object.keys(acts) },
    };
  try {
    await act(simulator, await bodyOf(request));
    return { status: 200, body: { done: true } };
  } catch (error) {
    return { status: 400, body: { error: (error as Error).message } };
  }
}

/** Maps and sets are written as objects and lists. */
const plain = (_key: string, value: unknown) =>
  value instanceof Map ? Object.fromEntries(value) : value instanceof Set ? [...value] : value;

export async function startControl(simulator: Simulator): Promise<Control> {
  const server: Server = createServer((request: IncomingMessage, response: ServerResponse) => {
    answer(simulator, request).then(
      ({ status, body }) =>
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body, plain)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
