/**
 * What people see, as plain data. Every string is untrusted plain text: never markup. Renderers escape it,
 * make control and bidi characters visible and cut it to their platform's limits (CARDS.md: short lines,
 * the decisive fact first, numbers with units, the consequence spelled out, the next click at the end).
 */
export interface Card {
  readonly title: string;
  readonly tone: Tone;
  /** Short lines, most important first. */
  readonly lines?: readonly string[];
  readonly facts?: readonly Fact[];
  readonly table?: Table;
  /** Commands or logs to copy, one block each, shown verbatim in a fixed-width face. */
  readonly code?: readonly string[];
  readonly progress?: Progress;
  readonly actions?: readonly Action[];
  readonly footer?: string;
  /** Who is called when it is first posted, by ids of its platform: Slack `U…`, `S…`, `here`; Discord an id, `role:` and an id. */
  readonly mentions?: readonly string[];
  /** Only the person who asked may see it (addresses, keys, refusals). */
  readonly private?: boolean;
}

/** busy: work goes on and the card will be edited. */
export type Tone = 'plain' | 'good' | 'warning' | 'bad' | 'busy';

export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly says: string;
}

/** A button. `ref` is an id in the store, never a command or its arguments. */
export interface Action {
  readonly ref: string;
  readonly label: string;
  readonly style?: 'primary' | 'danger';
  /** Asked for in a form before the click counts; the answer arrives as {@link Click.typed}. */
  readonly prompt?: Prompt;
}

export interface Prompt {
  /** Title of the form, at most 24 characters. */
  readonly title: string;
  readonly label: string;
  readonly hint?: string;
}
