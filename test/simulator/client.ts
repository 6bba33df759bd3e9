import { connect as connectTls } from 'node:tls';
import { Agent, request } from 'undici';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../adapters/simulator/index.ts';

export interface Answer {
  status: number;
  reason: string;
  /** The `data` of the body: whatever it is, the tests look into it. */
  // biome-ignore lint/suspicious/noExplicitAny: the shape of an answer is what the tests are about
  data: any;
  errors?: Record<string, string>;
  message?: string;
}

/** A client of the simulated API, as thin as can be. */
export interface Client {
  simulator: Simulator;
  call(
    method: string,
    path: string,
    params?: Record<string, string | number>,
    how?: { token?: string; node?: string },
  ): Promise<Answer>;
  /** Waits for a task to end and gives its exit status. */
  ended(upid: string): Promise<string>;
  close(): Promise<void>;
}

export async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

export async function startClient(options: Partial<SimulatorOptions> = {}): Promise<Client> {
  const simulator = await startSimulator({ pve: '9.2', taskMs: 8, speed: 0, ...options });
  const agent = new Agent({ connect: { rejectUnauthorized: false } });
  return {
    simulator,
    async call(method, path, params, how = {}) {
      const form =
        params &&
        new URLSearchParams(
          Object.entries(params).map(([key, value]): [string, string] => [key, String(value)]),
        ).toString();
      const inBody = form !== undefined && (method === 'POST' || method === 'PUT');
      const query = form !== undefined && !inBody ? `?${form}` : '';
      const response = await request(`${simulator.url(how.node ?? simulator.nodes[0]!)}/api2/json${path}${query}`, {
        method: method as 'GET',
        dispatcher: agent,
        headers: {
          authorization: `PVEAPIToken=${simulator.token(how.token ?? 'bascule@pve!operate')}`,
          ...(inBody && { 'content-type': 'application/x-www-form-urlencoded' }),
        },
        body: inBody ? form : undefined,
      });
      const text = await response.body.text();
      return {
        status: response.statusCode,
        reason: response.statusText,
        ...(text === '' ? { data: undefined } : JSON.parse(text)),
      };
    },
    ended: (upid) => {
      if (typeof upid !== 'string') throw new TypeError(`not a UPID: ${upid}`);
      return until(() => simulator.tasks.find(upid)?.exitstatus);
    },
    async close() {
      await agent.close();
      await simulator.close();
    },
  };
}

/** The house's usual container. */
export const container = (vmid: number, more: Record<string, string | number> = {}) => ({
  vmid,
  ostemplate: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
  hostname: `ct${vmid}`,
  rootfs: 'local-zfs:8',
  unprivileged: 1,
  net0: `name=eth0,bridge=vmbr0,ip=10.1.0.${vmid}/24,gw=10.1.0.254`,
  description: `made by run ${vmid}`,
  ...more,
});

/** One request written by hand; the whole answer as text. */
export async function fetchRaw(
  of: Client,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<string> {
  const url = new URL(of.simulator.url('ovh1'));
  const socket = connectTls({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}\r\n${body}`,
  );
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
