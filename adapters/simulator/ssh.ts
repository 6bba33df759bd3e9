import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { Door } from './door.ts';
import type { Faults, ShellFault } from './faults.ts';
import type { Hands, Told } from './hands.ts';
import { encode, exits, type Kind } from './hands-answer.ts';

/** One request that came in over SSH, for tests. */
export interface SeenCall {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly node: string;
  /** What the client asked to run; the key's forced command is run instead. */
  readonly original: string;
  /** As it was sent; undefined when it was no JSON object. */
  readonly request?: { readonly verb?: string; readonly mode?: string; readonly id?: string; readonly args?: unknown };
  /** Missing when it was never answered. */
  code?: number;
}

/** Where a node's sshd is, and what to pin. */
export interface SshAddress {
  readonly host: string;
  readonly port: number;
  /** `SHA256:…` as ssh-keygen prints it. */
  readonly hostKey: string;
}

/** A new ed25519 key in OpenSSH's form. ssh2 1.17 now and then makes one that it cannot read itself; it is made again. */
export function newSshKey(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error) && !(ssh2.utils.parseKey(pair.public) instanceof Error))
      return pair;
  }
}

/** Taken as OpenSSH 9.2 does by default; more is refused with reason 2. */
const maxSessions = 10;

/**
 * The sshd of one node: one account, one key, and behind it the forced command, whatever was asked for. Nothing but
 * `exec`: no shell, terminal, subsystem or forwarding. It goes dark and comes back on the same port.
 */
export class SshListener {
  readonly hands: Hands;
  readonly #faults: Faults;
  readonly #seen: SeenCall[];
  readonly #user: string;
  readonly #authorized: ssh2.ParsedKey;
  readonly #door: Door;
  #server: ssh2.Server;
  #hostKey: string;
  #refusals = 0;

  constructor(parts: {
    hands: Hands;
    faults: Faults;
    seen: SeenCall[];
    host: string;
    user: string;
    /** The public key that may log in, in OpenSSH's one-line form. */
    authorized: string;
  }) {
    this.hands = parts.hands;
    this.#faults = parts.faults;
    this.#seen = parts.seen;
    this.#user = parts.user;
    this.#authorized = parse(parts.authorized);
    this.#hostKey = newSshKey().private;
    this.#server = this.#newServer();
    this.#door = new Door(parts.host, 0, (socket) => this.#server.injectSocket(socket));
  }

  get address(): SshAddress {
    return { host: this.#door.host, port: this.#door.port, hostKey: fingerprintOf(this.#hostKey) };
  }

  listen(): Promise<void> {
    return this.#door.listen();
  }

  goDark(how: 'refuse' | 'hang'): Promise<void> {
    return this.#door.goDark(how);
  }

  comeBack(): Promise<void> {
    return this.#door.comeBack();
  }

  close(): Promise<void> {
    return this.#door.close();
  }

  /** As if the machine were another one now: a new host key, and every connection is lost. */
  changeHostKey(): void {
    this.#hostKey = newSshKey().private;
    this.#server = this.#newServer();
    this.#door.cut();
  }

  /** Ends every connection without a word; the next one is served. */
  cut(): void {
    this.#door.cut();
  }

  /** The next so many sessions are refused, as sshd does when it has too many. */
  refuseSessions(times: number): void {
    this.#refusals = times;
  }

  #newServer(): ssh2.Server {
    return new ssh2.Server({ hostKeys: [this.#hostKey] }, (client) => this.#connected(client));
  }

  #connected(client: Connection): void {
    let open = 0;
    client.on('error', () => {}); // clients leave as they like
    client.on('authentication', (context) => {
      const right =
        context.method === 'publickey' &&
        context.username === this.#user &&
        context.key.data.equals(this.#authorized.getPublicSSH()) &&
        (!context.signature || this.#authorized.verify(context.blob!, context.signature, context.hashAlgo) === true);
      if (right) context.accept();
      else context.reject(['publickey']);
    });
    client.on('session', (accept, reject) => {
      if (this.#refusals > 0 || open >= maxSessions) {
        if (this.#refusals > 0) this.#refusals -= 1;
        return void reject();
      }
      open += 1;
      const session = accept();
      session.on('close', () => {
        open -= 1;
      });
      // Without listeners ssh2 refuses all other requests: pty, shell, subsystem, env, agent, forwarding.
      session.on('exec', (accepted, _rejected, info) => this.#exec(accepted(), info.command, client));
    });
  }

  #exec(channel: ServerChannel, original: string, client: Connection): void {
    const chunks: Buffer[] = [];
    channel.on('error', () => {});
    channel.on('data', (chunk: Buffer) => chunks.push(chunk));
    channel.on('end', () => this.#run(channel, original, Buffer.concat(chunks), () => socketOf(client).destroy()));
  }

  #run(channel: ServerChannel, original: string, input: Buffer, cut: () => void): void {
    if (!channel.writable) return; // the client is gone; the real program gets half a request and refuses it
    const { hands } = this;
    const request = asObject(input);
    const { verb = '', mode = 'run' } = request ?? {};
    const seen: SeenCall = { at: hands.world.clock.now(), node: hands.node, original, request };
    this.#seen.push(seen);
    const fault = this.#faults.takeShell(hands.node, verb, mode);
    if (fault?.kind === 'drop') cut();
    if (fault?.kind === 'drop' || (fault?.kind === 'hang' && !fault.execute)) return;
    const told = this.#told(input, request?.id, fault);
    if (fault?.kind === 'lose-answer') cut();
    if (fault?.kind === 'hang' || fault?.kind === 'lose-answer') return;
    seen.code = told.code;
    if (told.stderr) channel.stderr.write(told.stderr);
    if (told.stdout) channel.write(told.stdout);
    channel.exit(told.code);
    channel.end();
  }

  #told(input: Buffer, id: string | undefined, fault?: ShellFault): Told & { readonly stderr?: string } {
    const { helper } = this.hands;
    if (fault?.kind === 'answer') return fault;
    if (fault?.kind === 'fail') {
      const code = exits[fault.failure.kind as Kind] ?? exits.internal;
      return { stdout: encode({ v: 1, id, ok: false, error: fault.failure }), code };
    }
    // The words of sudo 1.9.13.
    if (helper === 'missing')
      return { stdout: '', stderr: 'sudo: /usr/local/sbin/bascule-node: command not found\n', code: 1 };
    if (helper === 'no-sudo') return { stdout: '', stderr: 'sudo: a password is required\n', code: 1 };
    return this.hands.answer(input);
  }
}

/** As ssh-keygen -l prints it, of either half of a key. */
export function fingerprintOf(key: string): string {
  const sum = createHash('sha256').update(parse(key).getPublicSSH()).digest('base64');
  return `SHA256:${sum.replace(/=+$/, '')}`;
}

const socketOf = (client: Connection): Socket => (client as unknown as { _sock: Socket })._sock;

function parse(key: string): ssh2.ParsedKey {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return Array.isArray(parsed) ? parsed[0]! : parsed;
}

function asObject(input: Buffer): SeenCall['request'] {
  try {
    const value: unknown = JSON.parse(input.toString('utf8'));
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // the program itself tells what is wrong with it
  }
}
