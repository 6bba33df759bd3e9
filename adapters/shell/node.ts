import type { ClientChannel } from 'ssh2';
import { z } from 'zod';
import { Failed } from '../../src/contracts/failure.ts';
import type { Json } from '../../src/contracts/plan.ts';
import type { Hello, NodeRequest, RequestLimits } from '../../src/contracts/shell.ts';
import type { Alarms } from './alarms.ts';
import { read } from './answer.ts';
import { COMMAND, HELPER, NODE_SECONDS } from './command.ts';
import { type Bounds, exchange } from './exchange.ts';
import { type Errand, lost, NoConnection, notSent, unconnected, unfit, words } from './failures.ts';
import { exec, Line, type LineOptions } from './line.ts';
import { Slots } from './slots.ts';

const names = z.array(z.string().max(100)).max(10_000);
const hello = z.object({
  version: z.string().max(100),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  known: names.default([]),
  verbs: names.default([]),
  vmids: names.default([]),
  sudo: z.boolean().default(false),
  jump: names.default([]),
});

const MiB = 1024 * 1024;
const usual = { seconds: 60, bytes: MiB };
const mostBytes = 16 * MiB;
/** Of a request; the helper's own limit. */
const mostSent = 256 * 1024;

/** The helper on one node. */
export class Node {
  readonly #name: string;
  readonly #sha256: string | undefined;
  readonly #alarms: Alarms;
  readonly #queueTime: number;
  readonly #line: Line;
  readonly #slots = new Slots();
  /** The connection the helper was last looked at on, and that look while it is under way. */
  #checkedOn: number | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: LineOptions & { readonly sha256?: string }) {
    this.#name = options.name;
    this.#sha256 = options.sha256;
    this.#alarms = options.alarms;
    this.#queueTime = options.timings.queue;
    this.#line = new Line(options);
  }

  /** Throws Failed. */
  async ask(request: NodeRequest, limits: RequestLimits = {}): Promise<Json> {
    const errand = errandOf(this.#name, request, limits);
    const text = encode(errand, request);
    const bounds = boundsOf(errand, limits);
    return this.#inSlot(errand, async () => {
      const channel = await this.#checkedChannel(errand);
      return read(await exchange(channel, text, bounds, this.#alarms), errand);
    });
  }

  /** Throws Failed. */
  async hello(): Promise<Hello> {
    return this.#inSlot(errandOf(this.#name, greeting, looking), () => this.#greet());
  }

  async close(): Promise<void> {
    this.#slots.close(new NoConnection('internal', 'the connection to the nodes was closed', 'ask again later'));
    await this.#line.close();
  }

  async #inSlot<T>(errand: Errand, work: () => Promise<T>): Promise<T> {
    const place = this.#slots.take(errand.changes);
    try {
      if (place.ready) await this.#turn(place.ready);
      return await work();
    } catch (error) {
      throw unconnected(errand, error);
    } finally {
      place.leave();
    }
  }

  async #turn(ready: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const why = new NoConnection('unavailable', `${this.#name} is busy with earlier requests`, 'try again later');
    const cancel = this.#alarms.set(this.#queueTime, () => late.reject(why));
    await Promise.race([ready, late.promise]).finally(cancel);
  }

  /** A channel with the command waiting behind it, on a connection whose helper is the expected one. */
  async #checkedChannel(errand: Errand): Promise<ClientChannel> {
    if (this.#sha256 === undefined) return this.#line.channel(exec(COMMAND));
    for (let tries = 0; tries < 3; tries += 1) {
      if (this.#checkedOn !== this.#line.generation) await this.#expect(errand, this.#sha256);
      const channel = await this.#line.channel(exec(COMMAND));
      if (this.#checkedOn === this.#line.generation) return channel;
      channel.destroy(); // lost and made anew in between; the command got no request and does nothing
    }
    throw new NoConnection('unavailable', `the connection to ${this.#name} does not last`, 'look at that node');
  }

  async #expect(errand: Errand, sha256: string): Promise<void> {
    this.#checking ??= this.#look(sha256).finally(() => {
      this.#checking = undefined;
    });
    try {
      await this.#checking;
    } catch (error) {
      // Nothing of this errand was sent, whatever became of the look.
      if (error instanceof Failed)
        throw new Failed(notSent(errand, error.failure.why, error.failure.next, error.failure.kind));
      throw error;
    }
  }

  async #look(sha256: string): Promise<void> {
    const seen = await this.#greet();
    if (seen.sha256 !== sha256)
      throw new NoConnection(
        'unavailable',
        `${HELPER} on ${this.#name} is not the expected one: expected sha256 ${sha256}, seen ${seen.sha256} (version ${words(seen.version)})`,
        'compare it with what `bascule setup node` prints, and install it again',
      );
  }

  async #greet(): Promise<Hello> {
    const errand = errandOf(this.#name, greeting, looking);
    const channel = await this.#line.channel(exec(COMMAND));
    const generation = this.#line.generation;
    const text = encode(errand, greeting);
    const told = await exchange(channel, text, { time: 10_000, bytes: 64 * 1024 }, this.#alarms);
    const answer = hello.safeParse(read(told, errand));
    if (!answer.success) throw new Failed(lost(errand, `${HELPER} on ${this.#name} does not say what it is`));
    if (answer.data.sha256 === this.#sha256) this.#checkedOn = generation;
    return answer.data;
  }
}

const greeting: NodeRequest = { verb: 'hello', mode: 'run', id: 'hello', args: {} };
const looking: RequestLimits = { looks: true };

const errandOf = (node: string, { verb, mode, id }: NodeRequest, { looks = false }: RequestLimits): Errand => ({
  node,
  verb: words(verb),
  id,
  changes: mode === 'run' && !looks,
});

/** One line of JSON. Throws Failed bad-input for what cannot be sent. */
function encode(errand: Errand, { verb, mode, id, args }: NodeRequest): string {
  if (!/^[a-z]{2,12}(\.[a-z]{2,12}){0,2}$/.test(verb))
    throw unfit(errand, 'there cannot be such a verb', 'report this');
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/.test(id)) throw unfit(errand, 'its id is not plain', 'report this');
  const text = `${JSON.stringify({ v: 1, id, verb, mode, args })}\n`;
  if (Buffer.byteLength(text) > mostSent) throw unfit(errand, 'it is larger than 256 KiB', 'ask for less at once');
  return text;
}

function boundsOf(errand: Errand, limits: RequestLimits): Bounds {
  const { seconds, bytes } = { ...usual, ...limits };
  if (!(seconds > 0 && seconds <= NODE_SECONDS))
    throw unfit(errand, `${seconds} s is no time limit`, `at most ${NODE_SECONDS} s`);
  if (!(bytes > 0 && bytes <= mostBytes))
    throw unfit(errand, `${bytes} bytes is no limit`, `at most ${mostBytes} bytes`);
  return { time: seconds * 1000, bytes };
}
