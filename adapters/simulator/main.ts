import { parseArgs } from 'node:util';
import { startControl } from './control.ts';
import { type Pve, type Simulator, startSimulator } from './index.ts';

const usage = `npm run simulator -- [--pve 8.4|9.2] [--port 0] [--host 127.0.0.1] [--task-ms 400] [--speed 10] [--json] [--control]

  --pve      which Proxmox VE to be (default 9.2)
  --port     port of the first node; 0 takes any free one, the other nodes always do
  --host     address to listen on
  --task-ms  how long a usual task takes, in milliseconds
  --speed    HA and the replication scheduler run this many times faster than Proxmox; 0 stops them
  --json     print one line of JSON instead of the text
  --control  also open a plain HTTP port on loopback for tests: see README.md`;

function settings() {
  const { values } = parseArgs({
    options: {
      pve: { type: 'string', default: '9.2' },
      port: { type: 'string', default: '0' },
      host: { type: 'string', default: '127.0.0.1' },
      'task-ms': { type: 'string', default: '400' },
      speed: { type: 'string', default: '10' },
      json: { type: 'boolean', default: false },
      control: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'port' | 'task-ms' | 'speed') => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} must be a number of 0 or more`);
    return value;
  };
  if (values.pve !== '8.4' && values.pve !== '9.2') throw new Error('--pve must be 8.4 or 9.2');
  return { ...values, pve: values.pve as Pve, port: number('port'), taskMs: number('task-ms'), speed: number('speed') };
}

function describe(simulator: Simulator): string {
  const first = simulator.nodes[0] as string;
  const nodes = simulator.nodes.map((node) => `  ${node}  ${simulator.url(node)}`);
  const tokens = Object.values(simulator.tokens).map((token) => `  PVEAPIToken=${token}`);
  return [
    `Proxmox VE ${simulator.pve}, simulated. Stop with Ctrl-C; nothing is kept.`,
    'Nodes:',
    ...nodes,
    `Certificate SHA-256: ${simulator.fingerprint}`,
    'Tokens:',
    ...tokens,
    'Try:',
    `  curl -k -H 'Authorization: PVEAPIToken=${Object.values(simulator.tokens)[0]}' ${simulator.url(first)}/api2/json/cluster/status`,
  ].join('\n');
}

async function main(): Promise<void> {
  const options = settings();
  if (options.help) {
    console.log(usage);
    return;
  }
  const { pve, port, host, taskMs, speed } = options;
  const simulator = await startSimulator({ pve, port, host, taskMs, speed });
  const control = options.control ? await startControl(simulator) : undefined;
  if (options.json) {
    const urls = Object.fromEntries(simulator.nodes.map((node) => [node, simulator.url(node)]));
    console.log(
      JSON.stringify({
        pve,
        urls,
        fingerprint: simulator.fingerprint,
        tokens: simulator.tokens,
        control: control?.url,
      }),
    );
  } else {
    console.log(describe(simulator));
    if (control) console.log(`Control (for tests): ${control.url}`);
  }
  const stop = () => {
    void Promise.all([simulator.close(), control?.close()]).then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

try {
  await main();
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`);
  process.exitCode = 1;
}
