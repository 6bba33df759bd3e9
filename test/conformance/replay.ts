import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Simulator } from '../../adapters/simulator/index.ts';
import { settled, shapeProblems } from './shape.ts';

export interface Recording {
  name: string;
  request: { auth: string | null; method: string; path: string; params: Record<string, string | number> | null };
  response: { status: number; reason: string; body: unknown; headers: Record<string, string> };
}

export const folder = (pve: string): URL => new URL(`../../../shared/pve/recordings-${pve}/`, import.meta.url);

export function readRecordings(pve: string): Map<string, Recording> {
  const files = readdirSync(folder(pve)).filter((file) => file.endsWith('.json'));
  return new Map(
    files.map((file) => {
      const name = file.slice(0, -'.json'.length);
      return [name, { name, ...JSON.parse(readFileSync(new URL(file, folder(pve)), 'utf8')) } as Recording];
    }),
  );
}

/** The recordings' names for the tokens they used. */
const tokens: Record<string, string> = {
  root: 'root@pam!rt',
  full: 'bot@pve!full',
  ro: 'bot@pve!ro',
  aud: 'aud@pve!tk',
  limited: 'limited@pve!tk',
  noperm: 'noperm@pve!tk',
};

function authorization(simulator: Simulator, auth: string | null): Record<string, string> {
  if (auth === null) return {};
  const known = tokens[auth];
  return { authorization: `PVEAPIToken=${known === undefined ? auth : simulator.token(known)}` };
}

const form = (params: Record<string, string | number>): string =>
  new URLSearchParams(Object.entries(params).map(([key, value]): [string, string] => [key, String(value)])).toString();

export interface Answer {
  status: number;
  reason: string;
  body: unknown;
  headers: Record<string, unknown>;
}

/** Plays recordings against one simulator, putting its own UPIDs in the place of the recorded ones. */
export class Player {
  readonly simulator: Simulator;
  readonly #entry: string;
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false } });
  readonly #upids = new Map<string, string>();

  constructor(simulator: Simulator, entry: string) {
    this.simulator = simulator;
    this.#entry = entry;
  }

  async play(recording: Recording): Promise<Answer> {
    const { method, params, auth } = recording.request;
    const path = recording.request.path.replace(/UPID%3A[^/?]+/g, (upid) => {
      const ours = this.#upids.get(decodeURIComponent(upid));
      return ours === undefined ? upid : encodeURIComponent(ours);
    });
    if (/_task_(status|log)$|_running_status$|_log_paged$/.test(recording.name)) await this.tasksEnded();
    const hasBody = (method === 'POST' || method === 'PUT') && params !== null;
    const body = hasBody ? form(params) : undefined;
    const response = await request(this.simulator.url(this.#entry) + path, {
      method: method as 'GET',
      dispatcher: this.#agent,
      headers: {
        ...authorization(this.simulator, auth),
        ...(hasBody && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body,
    });
    const text = await response.body.text();
    const answer = {
      status: response.statusCode,
      reason: response.statusText,
      body: text === '' ? '' : JSON.parse(text),
      headers: response.headers,
    };
    this.#remember(recording.response.body, answer.body);
    return answer;
  }

  #remember(real: unknown, ours: unknown): void {
    const [recorded, got] = [real, ours].map((body) => (body as { data?: unknown } | null)?.data);
    if (typeof recorded === 'string' && recorded.startsWith('UPID:') && typeof got === 'string')
      this.#upids.set(recorded, got);
  }

  /** Says which of our tasks stands for a recorded one whose call was not recorded. */
  alias(recorded: string, ours: string): void {
    this.#upids.set(recorded, ours);
  }

  async tasksEnded(): Promise<void> {
    const running = () =>
      this.simulator.nodes.flatMap((node) => this.simulator.tasks.of(node)).some((task) => task.status === 'running');
    while (running()) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

/** What is different, as sentences; nothing when the simulator answered as Proxmox did. */
export function problems(
  recording: Recording,
  ours: Answer,
  how: { exact?: boolean; free?: readonly string[] } = {},
): string[] {
  const { response } = recording;
  const out: string[] = [];
  const word = (text: string) => settled(text) as string;
  if (ours.status !== response.status) out.push(`status ${ours.status}, real ${response.status}`);
  if (word(ours.reason) !== word(response.reason)) out.push(`reason '${ours.reason}', real '${response.reason}'`);
  if (ours.headers['connection']?.toString().toLowerCase() !== response.headers['connection']?.toLowerCase()) {
    out.push(`connection ${ours.headers['connection']}, real ${response.headers['connection']}`);
  }
  if (response.status !== 200 || how.exact) {
    const [real, got] = [JSON.stringify(settled(response.body)), JSON.stringify(settled(ours.body))];
    if (real !== got) out.push(`body ${got}, real ${real}`);
    return out;
  }
  out.push(...shapeProblems(response.body, ours.body, new Set(how.free ?? [])));
  if (/_task_log$/.test(recording.name)) out.push(...lastLineProblems(response.body, ours.body));
  if (/_task_status$/.test(recording.name)) out.push(...exitProblems(response.body, ours.body));
  return out;
}

const lastLine = (body: unknown) => (body as { data: { t: string }[] }).data.at(-1)?.t;

const lastLineProblems = (real: unknown, ours: unknown) =>
  lastLine(real) === lastLine(ours) ? [] : [`last log line '${lastLine(ours)}', real '${lastLine(real)}'`];

const exit = (body: unknown) => (body as { data: { exitstatus?: string } }).data.exitstatus;

const exitProblems = (real: unknown, ours: unknown) =>
  exit(real) === exit(ours) ? [] : [`exit status '${exit(ours)}', real '${exit(real)}'`];
