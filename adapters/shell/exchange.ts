import type { ClientChannel } from 'ssh2';
import type { Alarms } from './alarms.ts';

/** What came back over one channel. */
export interface Told {
  readonly stdout: Buffer;
  /** The beginning of it only. */
  readonly stderr: string;
  /** `closed`: the channel ended by itself. Otherwise we hung up: no end in time, or more than was allowed. */
  readonly end: 'closed' | 'late' | 'flood';
  /** Undefined together with `signal`: the connection died first, and nobody knows what became of the command. */
  readonly code?: number;
  readonly signal?: string;
}

export interface Bounds {
  /** Milliseconds from the moment the request is written. */
  readonly time: number;
  /** Of standard output and standard error each. */
  readonly bytes: number;
}

/** Of standard error, before it is cut for people. */
const STDERR_KEPT = 4096;

/**
 * Writes one request and gathers the answer until the channel closes. Bytes are kept as bytes until the end, since
 * decoding chunk by chunk damages characters (SSH.md). Never throws. A channel that took too long or told too much
 * is closed from our side; the command itself then ends by the node's own time limit.
 */
export async function exchange(channel: ClientChannel, request: string, bounds: Bounds, alarms: Alarms): Promise<Told> {
  const { promise: ended, resolve: end } = Promise.withResolvers<Told['end']>();
  const stdout = gather(bounds.bytes, bounds.bytes, () => end('flood'));
  const stderr = gather(STDERR_KEPT, bounds.bytes, () => end('flood'));
  const exit: { code?: number; signal?: string } = {};
  channel.on('data', stdout.add);
  channel.stderr.on('data', stderr.add);
  channel.on('error', () => end('closed'));
  // Not `exit`: a command that ends at once has sent it in the same packet as the channel, before anybody listened.
  // `close` waits until everything was read, and tells the same.
  channel.on('close', (code?: number | null, signal?: string) => {
    if (typeof code === 'number') exit.code = code;
    else if (signal) exit.signal = signal;
    end('closed');
  });
  channel.end(request);

  const cancel = alarms.set(bounds.time, () => end('late'));
  const how = await ended;
  cancel();
  if (how !== 'closed') channel.close();
  return { stdout: stdout.bytes(), stderr: stderr.bytes().toString('utf8'), end: how, ...exit };
}

/** Keeps up to `keep` bytes, drops the rest, and calls `flood` past `limit`. Goes on draining: a full window would stall the connection. */
function gather(keep: number, limit: number, flood: () => void) {
  const chunks: Buffer[] = [];
  let kept = 0;
  let seen = 0;
  return {
    add: (chunk: Buffer) => {
      seen += chunk.length;
      if (seen > limit) flood();
      if (kept >= keep) return;
      const part = chunk.subarray(0, keep - kept);
      kept += part.length;
      chunks.push(part);
    },
    bytes: () => Buffer.concat(chunks),
  };
}
