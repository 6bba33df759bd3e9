import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request as the stand-ins see it: the whole body is read before a handler runs. */
export interface Received {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** What a handler answers. `reset` cuts the TCP connection instead; `hang` never answers. */
export type Answer =
  | { status: number; json?: unknown; text?: string; headers?: Record<string, string> }
  | { reset: true }
  | { hang: true };

export interface Loopback {
  server: Server;
  port: number;
  close(): Promise<void>;
}

const MAX_BODY = 32 * 1024 * 1024;

/** An HTTP server on 127.0.0.1 and a free port; a handler that throws is a bug of the stand-in and answers 599. */
export async function listen(handle: (request: Received) => Promise<Answer> | Answer): Promise<Loopback> {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    read(request)
      .then((received) => handle(received))
      .then((answer) => write(response, answer))
      .catch((error: unknown) => {
        console.error('stand-in failed', error);
        write(response, { status: 599, text: String(error) });
      });
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port: (server.address() as AddressInfo).port, close };
}

async function read(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY) throw new Error('body too large');
    chunks.push(chunk as Buffer);
  }
  const url = new URL(request.url ?? '/', 'http://loopback');
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: Buffer.concat(chunks),
  };
}

function write(response: ServerResponse, answer: Answer): void {
  if ('reset' in answer) {
    response.socket?.resetAndDestroy();
    return;
  }
  if ('hang' in answer) return;
  const headers: Record<string, string> = { ...answer.headers };
  let body = answer.text;
  if (answer.json !== undefined) {
    body = JSON.stringify(answer.json);
    headers['content-type'] = 'application/json';
  }
  response.writeHead(answer.status, headers);
  response.end(body);
}

/** The fields of a multipart body; files become Blobs. */
export async function multipart(request: Received): Promise<FormData> {
  const type = request.headers['content-type'] ?? '';
  return await new Response(new Uint8Array(request.body), { headers: { 'content-type': type } }).formData();
}
