import type { Panel } from '../../src/contracts/chat.ts';
import { LIMITS, short } from './render.ts';
import type { Log } from './talk.ts';

export interface PanelView {
  readonly title: string;
  readonly switches: Awaited<ReturnType<Panel['switches']>>;
}

/** The panel's switches, as every page shows them. Somebody else may flip them, so they are looked at again and again. */
export interface PanelWatch {
  read(): Promise<PanelView>;
  flip(id: string, on: boolean): Promise<void>;
  stop(): void;
}

const LOOK_MS = 1_000;

export function watchPanel(
  panel: Panel,
  tell: (view: PanelView) => void,
  anybodyThere: () => boolean,
  log: Log,
): PanelWatch {
  let told = '';
  const read = async (): Promise<PanelView> => ({
    title: short(panel.title, LIMITS.label),
    switches: (await panel.switches()).map(({ id, label, on, hint }) => ({
      id,
      label: short(label, LIMITS.label),
      on,
      hint: short(hint, LIMITS.title),
    })),
  });
  const look = async () => {
    const view = await read();
    const now = JSON.stringify(view);
    if (now === told) return;
    told = now;
    tell(view);
  };
  const timer = setInterval(() => {
    if (anybodyThere()) look().catch((error: unknown) => log.warn({ err: error }, 'the panel could not be read'));
  }, LOOK_MS).unref();

  return {
    read,
    async flip(id, on) {
      await panel.flip(id, on);
      await look();
    },
    stop: () => clearInterval(timer),
  };
}
