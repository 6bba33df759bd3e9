import { startSimulator } from '../../adapters/simulator/index.ts';

/**
 * A simulated cluster in a process of its own, with nothing going on in it. Prints its addresses as one line of JSON.
 * Argument: milliseconds each read takes, on top of the wire.
 */
const thinks = Number(process.argv[2] ?? 0);
const simulator = await startSimulator({ pve: '9.2', speed: 0 });
if (thinks > 0) simulator.onRequest({ times: Number.POSITIVE_INFINITY }, { kind: 'delay', ms: thinks });
const { urls, fingerprint } = simulator;
process.stdout.write(`${JSON.stringify({ urls, fingerprint, token: simulator.token('bascule@pve!operate') })}\n`);
process.once('SIGTERM', () => void simulator.close().then(() => process.exit(0)));
