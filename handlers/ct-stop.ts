import { powerCommand } from './power.ts';

export const ctStop = powerCommand('lxc', 'stop');
