import { powerCommand } from './power.ts';

export const vmShutdown = powerCommand('qemu', 'shutdown');
