import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import { ApiError } from './call.ts';
import type { Certificate } from './certificate.ts';
import { Door } from './door.ts';
import type { RequestFault } from './faults.ts';
import { type Answer, errorAnswer, type Router } from './router.ts';
import type { Simulation } from './simulation.ts';

/** One request as it came in, for tests. */
export interface SeenRequest {
  /** Epoch milliseconds. */
  at: number;
  /** The node whose listener was asked. */
  entry: string;
  method: string;
  /** Without `/api2/json` and the query. */
  path: string;
  params: Record<string, string>;
  /** `bascule@pve!operate`, never the secret. */
  token?: string;
  /** Missing while it is being worked on, or when it was never answered. */
  status?: number;
}

export interface ListenerSettings {
  host: string;
  port: number;
  certificate: Certificate;
  /** How long a refused login is held back; Proxmox takes 3000. */
  authDelayMs: number;
  /** How long a passed-on call to an unreachable node takes; Proxmox takes about 3000. */
  unreachableMs: number;
  seen: SeenRequest[];
}

const bodyLimit = 512 * 1024;

/** The HTTPS listener of one node. It can go dark (refuse or hang) and come back on the same port. */
export class Listener {
  readonly node: string;
  readonly #sim: Simulation;
  readonly #router: Router;
  readonly #settings: ListenerSettings;
  readonly #https: HttpsServer;
  readonly #door: Door;

  constructor(node: string, sim: Simulation, router: Router, settings: ListenerSettings) {
    this.node = node;
    this.#sim = sim;
    this.#router = router;
    this.#settings = settings;
    this.#https = createHttps(
      { key: settings.certificate.key, cert: settings.certificate.cert },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          console.error('the simulator itself failed:', error);
          request.socket.destroy();
        });
      },
    );
    this.#https.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#door = new Door(settings.host, settings.port, (socket) => this.#https.emit('connection', socket));
  }

  get url(): string {
    return `https://${this.#settings.host}:${this.#door.port}`;
  }

  listen(): Promise<void> {
    return this.#door.listen();
  }

  /** No more answers: connections are refused, or accepted and never served. */
  goDark(how: 'refuse' | 'hang'): Promise<void> {
    return this.#door.goDark(how);
  }

  comeBack(): Promise<void> {
    return this.#door.comeBack();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://pve');
    const method = request.method ?? 'GET';
    const path = url.pathname.replace(/^\/api2\/(?:json|extjs)/, '');
    const seen: SeenRequest = {
      at: this.#sim.world.clock.now(),
      entry: this.node,
      method,
      path,
      params: {},
      token: tokenOf(request),
    };
    const refused = refuseShape(request, url);
    if (refused) {
      this.#settings.seen.push(seen);
      this.#send(response, seen, errorAnswer(refused));
      return;
    }
    const params = await readParams(request, url);
    if (!params) return void request.socket.destroy();
    if (params instanceof ApiError) {
      this.#settings.seen.push(seen);
      this.#send(response, seen, errorAnswer(params));
      return;
    }
    seen.params = params;
    this.#settings.seen.push(seen);
    const fault = this.#sim.faults.takeRequest(method, path, this.node);
    const answer = await this.#work(request, method, path, params, fault);
    if (answer === 'silence') return;
    if (answer === 'drop') return void request.socket.destroy();
    await this.#hold(answer);
    this.#send(response, seen, answer);
  }

  async #work(
    request: IncomingMessage,
    method: string,
    path: string,
    params: Record<string, string>,
    fault?: RequestFault,
  ): Promise<Answer | 'silence' | 'drop'> {
    if (fault?.kind === 'drop') return 'drop';
    if (fault?.kind === 'hang' && !fault.execute) return 'silence';
    if (fault?.kind === 'answer') return { status: fault.status, reason: fault.reason, body: fault.body };
    if (fault?.kind === 'delay') await this.#sleep(fault.ms);
    const answer = await this.#router.answer(this.node, method, path, request.headers.authorization, params);
    if (fault?.kind === 'hang') return 'silence';
    if (fault?.kind === 'lose-answer') return 'drop';
    return answer;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#sim.world.clock.after(ms, resolve));
  }

  async #hold(answer: Answer): Promise<void> {
    if (answer.status === 401 && this.#settings.authDelayMs > 0) await this.#sleep(this.#settings.authDelayMs);
    if (answer.status === 595 && this.#settings.unreachableMs > 0) await this.#sleep(this.#settings.unreachableMs);
  }

  /** The connection is closed after any error. */
  #send(response: ServerResponse, seen: SeenRequest, answer: Answer): void {
    seen.status = answer.status;
    if (response.destroyed) return;
    const close = answer.status >= 400;
    const text = answer.bytes ?? (answer.body === undefined ? '' : JSON.stringify(answer.body));
    response.shouldKeepAlive = !close;
    response.writeHead(answer.status, answer.reason, {
      'Cache-Control': 'max-age=0',
      Pragma: 'no-cache',
      Server: 'pve-api-daemon/3.0',
      Connection: close ? 'close' : 'Keep-Alive',
      'Content-Length': Buffer.byteLength(text),
      ...(answer.body !== undefined && { 'Content-Type': 'application/json;charset=UTF-8' }),
      ...(answer.bytes && { 'Content-Type': 'application/octet-stream' }),
    });
    response.end(seen.method === 'HEAD' ? '' : text);
  }

  async close(): Promise<void> {
    this.#https.close();
    await this.#door.close();
  }
}

const tokenOf = (request: IncomingMessage): string | undefined =>
  /^PVEAPIToken=([^=]+)=/.exec(request.headers.authorization ?? '')?.[1];

/** What the HTTP server refuses before looking at the path. */
function refuseShape(request: IncomingMessage, url: URL): ApiError | undefined {
  const method = request.method ?? '';
  if (!['GET', 'POST', 'PUT', 'DELETE'].includes(method))
    return new ApiError(501, `method '${method}' not available`, { bare: true });
  if (request.headers['transfer-encoding'])
    return new ApiError(501, 'chunked transfer encoding not supported', { bare: true });
  const length = Number(request.headers['content-length'] ?? 0);
  if ((method === 'GET' || method === 'DELETE') && length > 0) {
    return new ApiError(501, `Unexpected content for method '${method}'`, { bare: true });
  }
  if (length > bodyLimit) return new ApiError(413, 'for data too large', { bare: true });
  if (!url.pathname.startsWith('/api2/')) return new ApiError(404, `no such file '${url.pathname}'`, { bare: true });
  return undefined;
}

/** Query and body, form or JSON; undefined when the body broke off, for then nothing is executed. */
async function readParams(request: IncomingMessage, url: URL): Promise<Record<string, string> | ApiError | undefined> {
  const params: Record<string, string> = Object.create(null);
  const add = (name: string, value: string) => {
    params[name] = Object.hasOwn(params, name) ? `${params[name]}\0${value}` : value;
  };
  for (const [name, value] of url.searchParams) add(name, value);
  let body = '';
  try {
    for await (const chunk of request) body += (chunk as Buffer).toString('latin1');
  } catch {
    return undefined;
  }
  body = Buffer.from(body, 'latin1').toString('utf8');
  if (body === '') return { ...params };
  if (request.headers['content-type']?.startsWith('application/json')) {
    const object = parseObject(body);
    if (!object) return new ApiError(400, 'malformed JSON string', { bare: true });
    for (const [name, value] of Object.entries(object)) {
      if (value !== null && value !== undefined)
        add(name, value === true ? '1' : value === false ? '0' : String(value));
    }
  } else {
    for (const [name, value] of new URLSearchParams(body)) add(name, value);
  }
  return { ...params };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
