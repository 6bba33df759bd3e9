import { Hands } from './hands.ts';
import { pretendScript } from './hands-script.ts';
import { verbs } from './hands-verbs.ts';
import type { Simulation } from './simulation.ts';
import { fingerprintOf, newSshKey, type SeenCall, type SshAddress, SshListener } from './ssh.ts';

export interface SshOptions {
  /** What `hello` on every node says of its own file, hex; the caller knows the real program, the simulator does not. */
  readonly programSha256: string;
  /** What becomes of a post-install script. Default: {@link pretendScript}. */
  readonly script?: Hands['script'];
}

/** The account that every node lets in. */
export const sshUser = 'bascule';

/** SSH to all nodes of a world: one key, one listener each, the stand-in of bascule-node behind it. */
export class SshSide {
  /** Private key as text. */
  readonly key: string;
  /** Every request that came in, oldest first. */
  readonly calls: SeenCall[] = [];
  readonly #listeners: Map<string, SshListener>;

  constructor(sim: Simulation, host: string, options: SshOptions) {
    const key = newSshKey();
    this.key = key.private;
    const { world, tasks, effects, faults, disks } = sim;
    const common = {
      world,
      tasks,
      effects,
      disks,
      verbs,
      sha256: options.programSha256,
      keyFingerprint: fingerprintOf(key.public),
    };
    const script = options.script ?? pretendScript;
    this.#listeners = new Map(
      [...world.nodes.keys()].map((node) => {
        const hands = new Hands({ ...common, node, script });
        const listener = new SshListener({
          hands,
          faults,
          seen: this.calls,
          host,
          user: sshUser,
          authorized: key.public,
        });
        return [node, listener];
      }),
    );
  }

  /** Throws for a node that is not in the world. */
  of(node: string): SshListener {
    const listener = this.#listeners.get(node);
    if (!listener) throw new Error(`this world has no node ${node}`);
    return listener;
  }

  address(node: string): SshAddress {
    return this.of(node).address;
  }

  async listen(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((each) => each.listen()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((each) => each.close()));
  }
}
