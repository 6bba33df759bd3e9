import { generateKeyPairSync } from 'node:crypto';
import { read } from '../adapters/shell/answer.ts';
import { Failed, failure } from '../src/contracts/failure.ts';
import type { Json } from '../src/contracts/plan.ts';
import type { NodeRequest, Shell } from '../src/contracts/shell.ts';
import type { NodeWorld } from './bascule-node/world.ts';

/**
 * What happens to the next request of a verb. lost: nobody hears what became of it, whether it was done (`after`) or
 * never came (`before`). unreached: it never left. slow: it is done, and its answer waits to be let through.
 */
export interface Trouble {
  readonly verb: string;
  readonly mode?: NodeRequest['mode'];
  readonly how: 'lost-before' | 'lost-after' | 'unreached' | { readonly slow: Promise<void> };
  /** Only that which is done first. */
  readonly first?: () => void;
}

export interface PerlShell extends Shell {
  /** In the order they were made, whatever became of them; looks of probes too. */
  readonly asked: { readonly node: string; readonly verb: string; readonly mode: string; readonly args: Json }[];
  /** `ct.keys.set`, `file.stat` … of the changes only. */
  changes(): string[];
  trouble(...more: Trouble[]): void;
}

/** The real helper as the node `ovh1`, reached over a connection that breaks when it is told to. */
export function perlShell(node: NodeWorld): PerlShell {
  const asked: PerlShell['asked'][number][] = [];
  const troubles: Trouble[] = [];
  const lost = (verb: string): Failed =>
    new Failed(
      failure('in-doubt', {
        what: `nobody knows of ${verb}`,
        why: 'the connection died',
        next: 'look',
        sent: 'unknown',
      }),
    );
  return {
    asked,
    changes: () => asked.filter(({ mode }) => mode === 'run').map(({ verb }) => verb),
    trouble: (...more) => troubles.push(...more),
    has: (name) => name === 'ovh1',
    async ask(name, request, limits = {}) {
      const { verb, mode, id, args } = request;
      asked.push({ node: name, verb, mode, args });
      const index = troubles.findIndex((one) => one.verb === verb && (one.mode ?? 'run') === mode);
      const [trouble] = index < 0 ? [] : troubles.splice(index, 1);
      trouble?.first?.();
      if (trouble?.how === 'lost-before') throw lost(verb);
      if (trouble?.how === 'unreached')
        throw new Failed(failure('unavailable', { what: 'w', why: 'no route to host', next: 'n', sent: 'no' }));
      const { code, answer, stderr } = await node.call({ v: 1, ...request });
      if (trouble?.how === 'lost-after') throw lost(verb);
      if (typeof trouble?.how === 'object') await trouble.how.slow;
      const stdout = Buffer.from(JSON.stringify(answer));
      const changes = mode === 'run' && !limits.looks;
      return read({ stdout, stderr, end: 'closed', code }, { node: name, verb, id, changes });
    },
    hello: () => Promise.reject(new Error('nobody greets here')),
    close: async () => undefined,
  };
}

/** A container 103 that runs, with an account of olga's own. */
export function furnish(node: NodeWorld): void {
  node.guest(103, 'hostname: web\nrootfs: local-zfs:subvol-103-disk-0,size=8G\nunprivileged: 1\n');
  node.write('root/etc/passwd', 'root:x:0:0:root:/root:/bin/bash\nolga:x:1000:1000:Olga:/home/olga:/bin/bash\n');
  node.write('root/etc/shadow', 'root:*:1:0:99999:7:::\nolga:*:1:0:99999:7:::\n');
  node.write('root/etc/group', 'root:x:0:\nsudo:x:27:olga\n');
}

/** `ssh-ed25519 AAAA…` of a new key. */
export function keyLine(): string {
  const raw = Buffer.from(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x!, 'base64url');
  const field = (body: Buffer) => Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]);
  return `ssh-ed25519 ${Buffer.concat([field(Buffer.from('ssh-ed25519')), field(raw)]).toString('base64')}`;
}
