import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CONTENT_TYPE } from './prometheus.ts';

export interface HealthParts {
  /** It leads, its chats are connected and its store answers. */
  readonly ready: () => Promise<boolean>;
  /** Lines for `/healthz` below `ok`: the backlog. They say nothing about whether the process lives. */
  readonly status?: () => Promise<readonly string[]>;
  /** The answer of `/metrics`. */
  readonly metrics?: () => Promise<string>;
}

/** `/healthz`: the process lives, and what waits. `/readyz`: it works. `/metrics`: numbers for Prometheus. */
export async function serveHealth(
  where: { readonly host: string; readonly port: number },
  parts: HealthParts,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET') return answer(response, 405, 'only GET\n');
    const path = request.url?.split('?')[0];
    if (path === '/healthz') return void health(parts, response);
    if (path === '/readyz') return void readiness(parts, response);
    if (path === '/metrics' && parts.metrics) return void metrics(parts.metrics, response);
    answer(response, 404, 'only /healthz, /readyz and /metrics\n');
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where.port, where.host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${where.host}:${port}`,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(text);
}

async function health({ status }: HealthParts, response: ServerResponse): Promise<void> {
  const lines = await (status?.() ?? Promise.resolve([])).catch(() => ['the store does not answer']);
  answer(response, 200, ['ok', ...lines, ''].join('\n'));
}

async function readiness({ ready }: HealthParts, response: ServerResponse): Promise<void> {
  try {
    const yes = await ready();
    answer(response, yes ? 200 : 503, yes ? 'ready\n' : 'standing by\n');
  } catch {
    answer(response, 503, 'the store does not answer\n');
  }
}

async function metrics(text: () => Promise<string>, response: ServerResponse): Promise<void> {
  try {
    answer(response, 200, await text(), CONTENT_TYPE);
  } catch {
    answer(response, 503, 'the store does not answer\n');
  }
}
