import type { Clock } from '../../src/contracts/clock.ts';
import type { Shell, ShellConnection } from '../../src/contracts/shell.ts';
import { nodeHands } from './hands.ts';
import { nodeView } from './view.ts';

/** What the rest of the bot holds of a shell to the nodes of one cluster. */
export function connectNodes(cluster: string, shell: Shell, clock: Clock): ShellConnection {
  return {
    cluster,
    view: nodeView(shell, cluster, clock),
    hands: nodeHands(shell, cluster, clock),
    close: () => shell.close(),
    onChangedKey: (tell) => shell.onChangedKey?.(tell),
  };
}
