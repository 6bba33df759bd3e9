import type { Grant } from '../../src/contracts/books.ts';
import { stampTime } from '../../src/contracts/plan.ts';
import type { CtKey, CtUser } from '../../src/contracts/shell.ts';
import { shortType } from './drift.ts';
import { markerOf } from './grants.ts';
import { moment, stampText, untilText } from './leases.ts';

/** One account of a container, as people read it. */

export interface Seen {
  readonly user: CtUser | undefined;
  /** The container was asked; otherwise only the book is known. */
  readonly asked: boolean;
  readonly grant: Grant | undefined;
  /** Name of the person it was granted to. */
  readonly person: string | undefined;
  /** The grant was for another guest of that number. */
  readonly stranger: boolean;
  readonly waits: 'grant' | 'revoke' | undefined;
}

export interface Told {
  readonly text: string;
  /** Lines that need a look. */
  readonly marks: number;
}

/** Undefined: nobody can log in with it, and nobody was granted it. */
export function accountText(name: string, seen: Seen, now: number, zone: string): Told | undefined {
  const { user, grant } = seen;
  if (!grant && (user === undefined || (user.keys.length === 0 && (user.locked || user.uid === 0)))) return undefined;
  const lines = [
    headline(name, seen),
    ...(grant ? grantLines(grant, seen, now, zone) : []),
    ...(user ? userLines(user, grant, now, zone) : []),
    ...(user ? [] : (grant?.fingerprints ?? []).map((print, n) => `  ${print} ${shortType(grant?.lines[n] ?? '')}`)),
  ];
  return { text: lines.join('\n'), marks: lines.filter((line) => line.startsWith('!')).length };
}

function headline(name: string, { user, grant, person }: Seen): string {
  const whose = grant ? `: ${person} (github ${grant.login})` : user?.ours ? ': made by Bascule' : ': made by hand';
  const sudo = user ? user.sudo : (grant?.sudo ?? false);
  return `${name}${name === 'root' ? '' : whose}${sudo && name !== 'root' ? ', SUDO' : ''}`;
}

function grantLines(grant: Grant, seen: Seen, now: number, zone: string): readonly string[] {
  const ended = grant.until !== undefined && stampTime(grant.until) <= now;
  return [
    `${ended ? '!' : ' '} since ${stampText(grant.from, zone)}, ${untilText(grant, now, zone)}`,
    `  ${grant.jump ? `through ${grant.jump.account} of ${grant.jump.node} to ${grant.jump.address}` : 'no way in of ours'}${grant.adopted ? '; taken over from before' : ''}`,
    ...(seen.stranger ? ['! granted for another guest that had this number: its network card has changed'] : []),
    ...(seen.waits === 'revoke' ? ['! its end is approved and waits until the container can be reached'] : []),
    ...(seen.waits === 'grant' ? ['  a new grant waits until the container runs'] : []),
    ...(seen.asked && !seen.user ? ['! the account is not there: somebody removed it'] : []),
    ...missing(grant, seen.user),
  ];
}

/** Keys that were granted and do not stand there. */
function missing(grant: Grant, user: CtUser | undefined): readonly string[] {
  if (!user) return [];
  const there = new Set(user.keys.filter((key) => key.marker === markerOf(grant)).map((key) => key.fingerprint));
  return grant.fingerprints
    .filter((print) => !there.has(print))
    .map((print) => `! ${print} was granted but is not there`);
}

function userLines(user: CtUser, grant: Grant | undefined, now: number, zone: string): readonly string[] {
  return [
    ...(user.expired ? ['! the account has expired: no key lets it in'] : []),
    ...(user.locked || user.uid === 0 ? [] : ['! it has a password']),
    ...user.troubles.map((trouble) => `! ${trouble}`),
    ...user.keys.map((key) => keyLine(key, grant, now, zone)),
    ...(user.keys.length === 0 ? ['  no key line'] : []),
  ];
}

function keyLine(key: CtKey, grant: Grant | undefined, now: number, zone: string): string {
  const what = key.fingerprint
    ? `${key.fingerprint} ${shortType(key.type ?? '')}`
    : `line ${key.line} of ${key.file}: ${key.unreadable ?? 'no key'}`;
  const end = endOf(key);
  const ends = end === undefined ? 'no end' : `${end > now ? 'until' : 'ENDED'} ${moment(end, zone)}`;
  if (!key.ours) return `! ${what}${key.comment ? ` (${key.comment})` : ''}: not ours, ${ends}`;
  if (!grant || key.marker !== markerOf(grant))
    return `! ${what}: ours (${key.marker}), but granted to nobody; ${ends}`;
  const agreed = grant.until === undefined ? undefined : stampTime(grant.until);
  return agreed === end ? `  ${what}` : `! ${what}: ${ends}, which is not what was granted`;
}

/** When sshd ends it, epoch ms. */
function endOf({ options }: CtKey): number | undefined {
  const digits = /expiry-time="(\d{8})(\d{6})Z"/.exec(options ?? '');
  return digits ? stampTime(`${digits[1]}T${digits[2]}Z`) : undefined;
}
