import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Config, NodeSSH } from 'node-ssh';
import type { Client } from 'ssh2';
import type { Clock } from '../../src/contracts/clock.ts';
import { NoConnection, whyNoLogin } from './failures.ts';

/** A machine with sshd. */
export interface Host {
  readonly host: string;
  /** 22 when not given. */
  readonly port?: number;
  /** `SHA256:…` as `ssh-keygen -lf` prints it; any of them is right, nothing else ever is. */
  readonly hostKeys: readonly string[];
}

/** Who we are there: a private key as text, or the socket of an agent that holds one. */
export interface Login {
  readonly user: string;
  readonly key?: string;
  readonly agent?: string;
}

export interface Dialling {
  readonly clock: Clock;
  /** Milliseconds until logged in. */
  readonly connect: number;
  /** Milliseconds between keepalives of a silent connection; three without answer end it. */
  readonly keepalive: number;
  /** A stream through a jump host instead of a socket of our own. */
  readonly through?: Duplex;
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
  readonly onChangedKey?: (expected: readonly string[], seen: string) => void;
}

/** A connection that is logged in. */
export interface Link {
  readonly client: Client;
  /** Ends it at once. ssh2's own `destroy` does nothing after `end`, so that a dead peer would hold it for ever. */
  drop(): void;
}

export const addressOf = ({ host, port = 22 }: Host): string => (port === 22 ? host : `${host}:${port}`);

/**
 * Logs in, with the host key checked before anything of ours is shown. Throws {@link NoConnection}. The connection
 * has a listener for errors from its first moment: node-ssh takes its own away on `ready`, and an `error` without
 * listener would end the process. What remains to be heard is `close`.
 */
export async function dial(host: Host, login: Login, how: Dialling): Promise<Link> {
  const where = addressOf(host);
  let strange: string | undefined;
  const hostVerifier = (key: Buffer): boolean => {
    const seen = fingerprintOf(key);
    if (host.hostKeys.includes(seen)) return true;
    strange = `${seen} (${keyType(key)})`;
    return false;
  };
  // Without noDelay each command takes 44 ms instead of 2 (SSH.md: Nagle and delayed acknowledgement).
  const stream = how.through ?? connect({ host: host.host, port: host.port ?? 22, noDelay: true });
  const ssh = new NodeSSH();
  const connecting = ssh.connect(config(stream, login, how, hostVerifier));
  // node-ssh makes the client before it first waits.
  const client = ssh.connection;
  client?.on('error', () => {});
  client?.setNoDelay(true);

  const tooLate = new AbortController();
  const enough = how.signal ? AbortSignal.any([tooLate.signal, how.signal]) : tooLate.signal;
  const late = how.clock.wait(how.connect, enough).then(() => 'late' as const);
  try {
    if ((await Promise.race([connecting, late])) === 'late') {
      connecting.catch(() => {}); // told below, as being late
      throw new NoConnection('unavailable', `${where}: no login in time`, 'check that sshd answers there');
    }
    if (!client) throw new NoConnection('unavailable', `${where}: the connection was lost`, 'try again');
    return { client, drop: () => stream.destroy() };
  } catch (error) {
    stream.on('error', () => {}); // what was wrong with it is told below
    stream.destroy();
    if (strange !== undefined) {
      how.onChangedKey?.(host.hostKeys, strange);
      throw changedKey(where, host.hostKeys, strange);
    }
    throw error instanceof NoConnection ? error : whyNoLogin(error as Error, where, login.user);
  } finally {
    tooLate.abort();
  }
}

function config(stream: Duplex, login: Login, how: Dialling, hostVerifier: (key: Buffer) => boolean): Config {
  return {
    sock: stream as Config['sock'],
    username: login.user,
    ...(login.key === undefined ? { agent: login.agent } : { privateKey: login.key }),
    // Nothing but the one key: no passwords, no asking what would be accepted.
    authHandler: [login.key === undefined ? 'agent' : 'publickey'],
    hostVerifier,
    readyTimeout: 0, // ours is `how.connect`, on our clock
    keepaliveInterval: how.keepalive,
    keepaliveCountMax: 3,
  };
}

function changedKey(where: string, expected: readonly string[], seen: string): NoConnection {
  return new NoConnection(
    'unavailable',
    `${where} shows another host key than the pinned one: expected ${expected.join(' or ')}, seen ${seen}; nothing was sent`,
    'somebody may stand in between: compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the console of that machine, and only then pin the new fingerprint',
  );
}

/** As OpenSSH prints it: base64 without padding. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The name at the beginning of a public key blob, such as `ssh-ed25519`. */
function keyType(key: Buffer): string {
  const name = key.length >= 4 ? key.subarray(4, 4 + Math.min(key.readUInt32BE(0), 40)).toString('latin1') : '';
  return /^[a-z0-9@.-]+$/.test(name) ? name : 'of unknown type';
}
