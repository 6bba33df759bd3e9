import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type TLSSocket } from 'node:tls';
import { makeCertificate } from '../adapters/simulator/certificate.ts';

/** One recorded exchange with a real Proxmox VE. */
export interface Recording {
  readonly name: string;
  readonly version: '8.4' | '9.2';
  readonly request: {
    readonly auth: string | null;
    readonly method: string;
    readonly path: string;
    readonly params: Record<string, string> | null;
  };
  readonly response: {
    readonly status: number;
    readonly reason: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
}

const shared = new URL('../../shared/pve/', import.meta.url);
export const recordingsAreHere = existsSync(new URL('recordings-8.4/', shared));
if (!recordingsAreHere) console.log('skipped: the recorded Proxmox answers (../shared/pve) are not here');

/** All recordings of both versions; none when the folder is not here. */
export function recordings(): readonly Recording[] {
  if (!recordingsAreHere) return [];
  return (['8.4', '9.2'] as const).flatMap((version) => {
    const folder = new URL(`recordings-${version}/`, shared);
    return readdirSync(folder).map((file) => ({
      ...(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Omit<Recording, 'name' | 'version'>),
      name: file.replace('.json', ''),
      version,
    }));
  });
}

export const recording = (version: '8.4' | '9.2', name: string): Recording =>
  recordings().find((one) => one.version === version && one.name === name)!;

/** What the client sent, taken apart. */
export interface Heard {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The bytes of an answer, `cut` (close without a word) or `hang` (never a word). */
export type Behaviour = Recording['response'] | 'cut' | 'hang';

/** An HTTPS server that says exactly what it is told, byte for byte, and remembers what it heard. */
export class Replay {
  readonly heard: Heard[] = [];
  /** TCP connections, whatever became of their handshake. */
  connections = 0;
  /** Bytes that arrived after the handshake, on all connections. */
  received = '';
  readonly certificate = makeCertificate(['localhost'], ['127.0.0.1']);
  answer: (heard: Heard) => Behaviour = () => json({ data: null });
  readonly #sockets = new Set<TLSSocket>();
  readonly #server = createServer({ key: this.certificate.key, cert: this.certificate.cert }, (socket) => {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy()); // a client that hangs up is part of these tests
    let waiting = '';
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
      waiting += chunk.toString('latin1');
      for (let whole = take(waiting); whole; whole = take(waiting)) {
        waiting = whole.rest;
        this.heard.push(whole.heard);
        this.#reply(socket, this.answer(whole.heard));
      }
    });
  });

  #reply(socket: TLSSocket, behaviour: Behaviour): void {
    if (behaviour === 'hang') return;
    if (behaviour === 'cut') return void socket.destroy();
    const { status, reason, headers, body } = behaviour;
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const lines = Object.entries(headers).filter(([name]) => !/^(content-length|transfer-encoding)$/i.test(name));
    const length = headers['content-length'] === undefined ? [] : [['content-length', Buffer.byteLength(text)]];
    const head = [...lines, ...length].map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`HTTP/1.1 ${status} ${reason}\r\n${head}\r\n${text}`);
    // Proxmox closes after every error, and where no length is given only the end of the connection ends the body.
    if (status >= 400 || length.length === 0) socket.end();
  }

  async listen(): Promise<string> {
    this.#server.on('connection', () => {
      this.connections += 1;
    });
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `https://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A usual success. */
export const json = (body: unknown): Recording['response'] => ({
  status: 200,
  reason: 'OK',
  headers: { 'content-type': 'application/json;charset=UTF-8', connection: 'Keep-Alive', 'content-length': '0' },
  body,
});

/** An error as Proxmox 8.4 and later print it. */
export const refusal = (status: number, reason: string, body: unknown = { data: null, message: `${reason}\n` }) => ({
  status,
  reason,
  headers: { 'content-type': 'application/json;charset=UTF-8', connection: 'close', 'content-length': '0' },
  body,
});

function take(text: string): { heard: Heard; rest: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const length = Number(headers['content-length'] ?? 0);
  if (text.length < end + 4 + length) return undefined;
  const [method, path] = first!.split(' ');
  const body = text.slice(end + 4, end + 4 + length);
  return { heard: { method: method!, path: path!, headers, body }, rest: text.slice(end + 4 + length) };
}
