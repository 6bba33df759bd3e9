import type { Command } from '../src/contracts/command.ts';
import { ctCreate } from './ct-create.ts';
import { ctList } from './ct-list.ts';
import { ctReboot } from './ct-reboot.ts';
import { ctShow } from './ct-show.ts';
import { ctShutdown } from './ct-shutdown.ts';
import { ctStart } from './ct-start.ts';
import { ctStop } from './ct-stop.ts';
import { help } from './help.ts';
import { nodeList } from './node-list.ts';
import { quorum } from './quorum.ts';
import { replicationAdd } from './replication-add.ts';
import { vmList } from './vm-list.ts';
import { vmReboot } from './vm-reboot.ts';
import { vmShow } from './vm-show.ts';
import { vmShutdown } from './vm-shutdown.ts';
import { vmStart } from './vm-start.ts';
import { vmStop } from './vm-stop.ts';

/** Everything that can be asked of the bot, sorted by name. */
export const commands: readonly Command[] = [
  ctCreate,
  ctList,
  ctReboot,
  ctShow,
  ctShutdown,
  ctStart,
  ctStop,
  help,
  nodeList,
  quorum,
  replicationAdd,
  vmList,
  vmReboot,
  vmShow,
  vmShutdown,
  vmStart,
  vmStop,
];
