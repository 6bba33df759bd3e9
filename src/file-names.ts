import { DateTime } from 'luxon';
import type { Choice, CompletionQuery } from './contracts/chat.ts';
import type { Clock } from './contracts/clock.ts';
import type { Guest } from './contracts/cluster.ts';
import type { NodeView } from './contracts/shell.ts';

/** Keystrokes come fast; within this time they share one look into a folder, milliseconds. */
const LOOK_LASTS = 5000;
/** Folders remembered at most. */
const KEPT = 50;

/** A container, and how to look into it. */
export interface Inside {
  readonly cluster: string;
  readonly nodes: NodeView;
  readonly guest: Guest;
}

/** Names in containers while they are typed. Whether the person may know them was asked before. */
export class FileNames {
  readonly #clock: Clock;
  readonly #looks = new Map<string, { readonly at: number; readonly choices: Promise<readonly Choice[]> }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is in the folder typed so far; folders end in a slash, so that one can go on typing. */
  names({ cluster, nodes, guest }: Inside, typed: string): Promise<readonly Choice[]> {
    const folder = /^\/(?:.*\/)?/s.exec(typed.trim())?.[0] ?? '/';
    return this.#once(`${cluster}/${guest.node}/${guest.vmid}${folder}`, async () => {
      const path = folder === '/' ? folder : folder.slice(0, -1);
      const { names = [] } = await nodes.show(guest.node, guest.vmid, { path }, 'live');
      return names.map(({ name, type }) => {
        const value = `${folder}${name}${type === 'directory' ? '/' : ''}`;
        return { label: value, value };
      });
    });
  }

  versions({ cluster, nodes, guest }: Inside, { options }: CompletionQuery, zone: string): Promise<readonly Choice[]> {
    const path = options['path']?.trim();
    if (path === undefined || !path.startsWith('/')) return Promise.resolve([]);
    return this.#once(`${cluster}/${guest.node}/${guest.vmid}${path}//versions`, async () => {
      const { versions } = await nodes.versions(guest.node, guest.vmid, { path });
      return versions
        .filter(({ from }) => from !== 'live')
        .map(({ from, taken }) => ({
          label: `${from} (${DateTime.fromSeconds(taken, { zone }).toFormat('yyyy-MM-dd HH:mm ZZZZ')})`,
          value: from,
        }));
    });
  }

  #once(key: string, look: () => Promise<readonly Choice[]>): Promise<readonly Choice[]> {
    const now = this.#clock.now();
    const known = this.#looks.get(key);
    if (known && now - known.at < LOOK_LASTS) return known.choices;
    if (this.#looks.size >= KEPT) this.#looks.clear();
    const choices = look();
    this.#looks.set(key, { at: now, choices });
    return choices;
  }
}
