import { powerCommand } from './power.ts';

export const vmStart = powerCommand('qemu', 'start');
