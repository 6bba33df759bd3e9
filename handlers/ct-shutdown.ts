import { powerCommand } from './power.ts';

export const ctShutdown = powerCommand('lxc', 'shutdown');
