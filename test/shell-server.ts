import { createHash } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';

/**
 * An SSH server in this process that behaves like a node: one account, one key with a forced command, sessions
 * limited as by MaxSessions, a host key of its own. What the forced command does is up to each test.
 */
export interface ShellServer {
  readonly port: number;
  /** `SHA256:…` of the host key. */
  readonly hostKey: string;
  /** Logins so far. */
  readonly logins: number;
  /** Handshakes begun so far, whether they led to a login or not. */
  readonly knocks: number;
  /** Most sessions open at once. */
  readonly peak: number;
  /** Sessions refused so far. */
  readonly refusals: number;
  readonly calls: readonly Call[];
  /** Cuts every connection without a word. */
  cut(): void;
  /** Stops reading and writing, as a machine that lost power: no packet comes back. */
  freeze(): void;
  close(): Promise<void>;
}

/** One run of the forced command, with its standard input read to the end. */
export interface Call {
  /** What the client asked to run; sshd ignores it but for SSH_ORIGINAL_COMMAND. */
  readonly original: string;
  readonly stdin: string;
  /** The request, when standard input is JSON. */
  readonly request: { verb: string; mode: string; id: string; args: unknown };
  readonly channel: ServerChannel;
  /** Cuts the connection this call came over. */
  cut(): void;
}

export type Behaviour = (call: Call) => void;

export interface ShellServerOptions {
  readonly user?: string;
  /** The public half of the key that may log in, in OpenSSH's one-line form. */
  readonly authorized: string;
  /** Private host key; a new one when not given. */
  readonly hostKey?: string;
  readonly behaviour?: Behaviour;
  /** Sessions at once; further ones are refused with reason 2. */
  readonly sessions?: number;
  /** Refuses this many sessions first, whoever asks. */
  readonly refuseFirst?: number;
  /** Cuts the connection instead of opening the first so many sessions. */
  readonly cutFirst?: number;
  /** Answers each call before it read anything, as sudo does when it refuses. */
  readonly hasty?: (channel: ServerChannel) => void;
  /** Says goodbye with an error as soon as a client is in, in the same breath. */
  readonly leaves?: boolean;
  /** Lets clients through to other ports of this machine. */
  readonly forwards?: boolean;
  /** Any free one unless told. */
  readonly port?: number;
}

/** A new ed25519 key. ssh2 1.17 now and then makes one that it cannot read itself; such a one is made again. */
export function newKey(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error) && !(ssh2.utils.parseKey(pair.public) instanceof Error))
      return pair;
  }
}

/** Answers as the helper does when all went well. */
export function answer(call: Call, result: unknown): void {
  tell(call, JSON.stringify({ v: 1, ok: true, id: call.request.id, result }), 0);
}

/** Writes exactly this and ends with a code. */
export function tell(call: Call, text: string | Buffer, code: number): void {
  call.channel.write(text);
  call.channel.exit(code);
  call.channel.end();
}

/** Says something on standard error and ends with a code, as sudo and shells do. */
export function complain(call: Call, text: string, code: number): void {
  call.channel.stderr.write(text);
  call.channel.exit(code);
  call.channel.end();
}

export async function startShellServer(options: ShellServerOptions): Promise<ShellServer> {
  const { user = 'bascule', behaviour = (call) => answer(call, call.request.args), sessions = 10 } = options;
  const hostKey = options.hostKey ?? newKey().private;
  const authorized = parse(options.authorized);
  const calls: Call[] = [];
  const connections = new Set<Connection>();
  const count = { logins: 0, knocks: 0, open: 0, peak: 0, refusals: 0 };
  let refuse = options.refuseFirst ?? 0;
  let cut = options.cutFirst ?? 0;

  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    count.knocks += 1;
    connections.add(client);
    socketOf(client).setNoDelay(true); // as sshd does
    client.on('error', () => {}); // clients of these tests leave rudely
    client.on('close', () => connections.delete(client));
    client.on('authentication', (context) => {
      const right =
        context.method === 'publickey' &&
        context.username === user &&
        context.key.data.equals(authorized.getPublicSSH()) &&
        (!context.signature || authorized.verify(context.blob!, context.signature, context.hashAlgo) === true);
      if (right) context.accept();
      else context.reject(['publickey']);
    });
    client.on('ready', () => {
      count.logins += 1;
      if (options.leaves) protocolOf(client).disconnect(SERVICE_NOT_AVAILABLE);
    });
    client.on('session', (accept, reject) => {
      if (cut > 0) {
        cut -= 1;
        destroy(client);
        return;
      }
      if (refuse > 0 || count.open >= sessions) {
        refuse -= 1;
        count.refusals += 1;
        reject();
        return;
      }
      count.open += 1;
      count.peak = Math.max(count.peak, count.open);
      const session = accept();
      session.on('exec', (accepted, _rejected, info) => {
        const channel = accepted();
        channel.on('close', () => {
          count.open -= 1;
        });
        if (options.hasty) options.hasty(channel.resume());
        else void run(channel, info.command, client);
      });
    });
    client.on('tcpip', (accept, reject, info) => {
      if (!options.forwards) {
        reject();
        return;
      }
      const socket = createConnection({ host: info.destIP, port: info.destPort, noDelay: true });
      socket.on('error', () => reject());
      socket.on('connect', () => {
        const channel = accept();
        channel.pipe(socket).pipe(channel);
        channel.on('close', () => socket.destroy());
        socket.on('close', () => channel.close());
      });
    });
  });

  async function run(channel: ServerChannel, original: string, client: Connection): Promise<void> {
    const chunks: Buffer[] = [];
    channel.on('error', () => {});
    channel.on('data', (chunk: Buffer) => chunks.push(chunk));
    channel.on('end', () => {
      const stdin = Buffer.concat(chunks).toString('utf8');
      const call: Call = {
        original,
        stdin,
        get request() {
          return JSON.parse(stdin);
        },
        channel,
        cut: () => destroy(client),
      };
      if (stdin === '') {
        if (channel.writable && channel.stderr.writable) complain(call, 'bascule-node: no request\n', 2);
        return;
      }
      calls.push(call);
      behaviour(call);
    });
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const cutAll = () => {
    for (const client of connections) destroy(client);
  };
  return {
    port: (server.address() as { port: number }).port,
    hostKey: fingerprint(hostKey),
    get logins() {
      return count.logins;
    },
    get knocks() {
      return count.knocks;
    },
    get peak() {
      return count.peak;
    },
    get refusals() {
      return count.refusals;
    },
    calls,
    cut: cutAll,
    freeze: () => {
      for (const client of connections) socketOf(client).pause();
    },
    close: () => {
      cutAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** As a process that is killed: the socket ends, no message is sent. */
function destroy(client: Connection): void {
  socketOf(client).destroy();
}

/** RFC 4253 11.1. */
const SERVICE_NOT_AVAILABLE = 7;
const protocolOf = (client: Connection) =>
  (client as unknown as { _protocol: { disconnect(reason: number): void } })._protocol;
const socketOf = (client: Connection): Socket => (client as unknown as { _sock: Socket })._sock;

function parse(key: string) {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return Array.isArray(parsed) ? parsed[0]! : parsed;
}

function fingerprint(key: string): string {
  return `SHA256:${createHash('sha256').update(parse(key).getPublicSSH()).digest('base64').replace(/=+$/, '')}`;
}
