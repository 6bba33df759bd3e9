import type { Grant } from '../../src/contracts/books.ts';
import { type Json, MARKER } from '../../src/contracts/plan.ts';

/** What a grant is while it is planned, and the key lines it is made of. */

/** When access ends: so many seconds after the approval, at a stamp, or (adopted ones) when somebody revokes it. */
export type Ends = { readonly seconds: number } | { readonly until: string } | undefined;

/** A grant before its run, its id and clock times still holes. */
export interface Access extends Omit<Grant, 'until'> {
  /** Where the container is now. */
  readonly node: string;
  readonly ends: Ends;
}

/** `bascule:<id>`, the last word of each line in the container and the GECOS mark of its account. */
export const markerOf = ({ id }: Pick<Grant, 'id'>): string => `bascule:${id}`;

/** A run may make several grants and they share one file on the jump node, so there the marker names the grant. */
export const jumpMarker = ({ id, vmid, user }: Pick<Grant, 'id' | 'vmid' | 'user'>): string =>
  `bascule:${id}:${vmid}:${user}`;

/** What a new grant's id is while its plan is made. */
export const NEW_ID = MARKER.replace('bascule:', '');

/** A lease as sshd's option; the clock begins at the approval. */
function endOption(ends: Ends): readonly string[] {
  if (ends === undefined) return [];
  return [`expiry-time="${'seconds' in ends ? `{expiry:${ends.seconds}}` : ends.until.replace('T', '')}"`];
}

/** `[options] type base64 marker`, as the helper takes it. `key` is `type base64`. */
export function keyLine(
  key: string,
  {
    ends,
    marker,
    options = [],
  }: { readonly ends: Ends; readonly marker: string; readonly options?: readonly string[] },
): string {
  const all = [...options, ...endOption(ends)];
  return [...(all.length > 0 ? [all.join(',')] : []), key, marker].join(' ');
}

export type Lines = Pick<Access, 'id' | 'vmid' | 'user' | 'lines' | 'jump' | 'ends'>;

/** The lines of a grant inside its container. */
export function ctLines(access: Pick<Lines, 'id' | 'lines' | 'ends'>): readonly string[] {
  return access.lines.map((key) => keyLine(key, { ends: access.ends, marker: markerOf(access) }));
}

/** The lines of a grant on the jump node. None without an end: an adopted account keeps the way in that it has. */
export function jumpLines(access: Lines): readonly string[] {
  const { jump, ends } = access;
  if (!jump || ends === undefined) return [];
  const options = ['restrict', 'port-forwarding', `permitopen="${jump.address}:22"`];
  return access.lines.map((key) => keyLine(key, { ends, marker: jumpMarker(access), options }));
}

/** A grant of the book as it stands, for planning with it. */
export function accessOf({ until, ...grant }: Grant, node: string): Access {
  return { ...grant, node, ends: until === undefined ? undefined : { until } };
}

/** What the book will say of it, holes and all. */
export function bookValue({ ends, node: _node, ...grant }: Access): Json {
  return {
    ...grant,
    ...(ends === undefined ? {} : { until: 'seconds' in ends ? `{until:${ends.seconds}}` : ends.until }),
  } as unknown as Json;
}
