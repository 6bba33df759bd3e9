import { powerCommand } from './power.ts';

export const vmStop = powerCommand('qemu', 'stop');
