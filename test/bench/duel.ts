/** One command on its way to one bot. */
export interface Sent {
  /** Milliseconds until the platform had its acknowledgement. */
  readonly acked: Promise<number>;
  /** Resolves once the answer stands in the channel. */
  readonly answered: Promise<void>;
}

export type Bot = () => Sent;

export interface Duel {
  /** One command at a time. */
  readonly alone: Sides;
  /** As many at once as `WIDTH`; the next lot follows when the last of them is answered. */
  readonly crowd: Sides;
}

export interface Sides {
  readonly ours: readonly number[];
  readonly bare: readonly number[];
}

export interface Effort {
  readonly warmUp: number;
  readonly alone: number;
  readonly crowds: number;
}

export const WIDTH = 32;

/**
 * Lets both bots answer in turn, so that whatever else the machine does hits both alike. Who goes first changes
 * with every turn.
 */
export async function duel(ours: Bot, bare: Bot, effort: Effort): Promise<Duel> {
  await turns(ours, bare, effort.warmUp, 1);
  await turns(ours, bare, Math.ceil(effort.warmUp / WIDTH), WIDTH);
  return {
    alone: await turns(ours, bare, effort.alone, 1),
    crowd: await turns(ours, bare, effort.crowds, WIDTH),
  };
}

async function turns(ours: Bot, bare: Bot, count: number, width: number): Promise<Sides> {
  const sides = { ours: [] as number[], bare: [] as number[] };
  for (let turn = 0; turn < count; turn++) {
    const order = turn % 2 === 0 ? (['ours', 'bare'] as const) : (['bare', 'ours'] as const);
    for (const side of order) sides[side].push(...(await together(side === 'ours' ? ours : bare, width)));
  }
  return sides;
}

async function together(bot: Bot, width: number): Promise<number[]> {
  const sent = Array.from({ length: width }, bot);
  const acked = await Promise.all(sent.map((one) => one.acked));
  await Promise.all(sent.map((one) => one.answered));
  return acked;
}
