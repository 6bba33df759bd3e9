import { GRANTS, type Grant, grantKey } from '../../src/contracts/books.ts';
import { bookStep, nodeStep, nodeUndo } from '../../src/contracts/node-steps.ts';
import {
  isBookCall,
  isNodeCall,
  type Json,
  type NodeCall,
  type PlannedStep,
  type UndoCall,
} from '../../src/contracts/plan.ts';
import type { CtUser } from '../../src/contracts/shell.ts';
import {
  type Access,
  accessOf,
  bookValue,
  ctLines,
  type Ends,
  jumpLines,
  jumpMarker,
  type Lines,
  markerOf,
} from './grant-lines.ts';

export * from './grant-lines.ts';
export { linuxName, nameFlaw } from './linux-names.ts';

/**
 * People's access to containers as steps of a plan. One grant is: an account inside the container, key lines there,
 * key lines on the jump node, and an entry in our book. sshd itself ends a lease: every line carries its end.
 */

/** A number is given again to another container; its network card is not. */
const within = ({ vmid, identity }: Access) => ({ vmid, mac: identity });

const userCall = (access: Access, sudo: boolean, adopt = false): NodeCall => ({
  cluster: access.cluster,
  node: access.node,
  verb: 'ct.user.ensure',
  args: { ...within(access), user: access.user, marker: markerOf(access), sudo, ...(adopt ? { adopt } : {}) },
});

/** The home folder stays: what is in it may be all that is left of somebody's work. */
const removeCall = (access: Access, adopt = false): NodeCall => ({
  cluster: access.cluster,
  node: access.node,
  verb: 'ct.user.remove',
  args: { ...within(access), user: access.user, home: 'keep', ...(adopt ? { adopt } : {}) },
});

const keysCall = (access: Access, lines: readonly string[]): NodeCall => ({
  cluster: access.cluster,
  node: access.node,
  verb: 'ct.keys.set',
  args: { ...within(access), user: access.user, marker: markerOf(access), lines },
});

function jumpCall(access: Lines & { readonly cluster: string }, lines: readonly string[]): NodeCall | undefined {
  const { jump } = access;
  if (!jump) return undefined;
  return {
    cluster: access.cluster,
    node: jump.node,
    verb: 'jump.keys.set',
    args: { user: jump.account, marker: jumpMarker(access), lines },
  };
}

const bookCall = (access: Access, value: Json) => ({
  shelf: GRANTS,
  key: grantKey(access.cluster, access.vmid, access.user),
  value,
});

export interface Around {
  /** Behind each step's name where a plan has several grants: `keys 103`. */
  readonly suffix?: string;
  /** Set on every step ({@link PlannedStep}). */
  readonly alone?: true;
  readonly goesWith?: string;
}

const named = (name: string, { suffix }: Around): string => (suffix === undefined ? name : `${name} ${suffix}`);

function all(steps: readonly (PlannedStep | undefined)[], { alone, goesWith }: Around): readonly PlannedStep[] {
  const more = { ...(alone ? { alone } : {}), ...(goesWith === undefined ? {} : { goesWith }) };
  const done = steps.filter((step) => step !== undefined).map((step) => ({ ...step, ...more }));
  // Where a failure stops nothing, the book must not tell of keys that were not written or still let somebody in.
  return done.map((step, n) =>
    alone && isBookCall(step.call) && n > 0 ? { ...step, needs: done.slice(0, n).map(({ name }) => name) } : step,
  );
}

/** The home's key file, for the words of last resort. */
const byHand = ({ node, vmid, user }: Access): readonly string[] => [
  `ssh root@${node} pct exec ${vmid} -- grep -n bascule: /home/${user}/.ssh/authorized_keys`,
];

export interface Granting extends Around {
  /** The account as it is in the container now; undefined: there is none, so it is ours to make and to take back. */
  readonly account?: Pick<CtUser, 'ours' | 'sudo'>;
  /** The grant it replaces, with the same id; undefined: there is none. */
  readonly before?: Grant;
  /** Take an account over that somebody made by hand. */
  readonly adopt?: boolean;
}

/** Account, keys, way in, book: whatever fails, what was done before it is taken back. */
export function grantSteps(access: Access, granting: Granting = {}): readonly PlannedStep[] {
  const { before } = granting;
  const old = before && accessOf(before, access.node);
  const label = `${access.user} in CT ${access.vmid}`;
  const jump = jumpCall(access, jumpLines(access));
  const oldJump = old && jumpCall(old, jumpLines(old));
  // The old way in lay somewhere else: it must not stay.
  const moved = oldJump && (jump === undefined || where(oldJump) !== where(jump)) ? jumpCall(old, []) : undefined;
  const keptJump = old && oldJump && !moved ? jumpLines(old) : [];
  return all(
    [
      nodeStep(userCall(access, access.sudo, granting.adopt), {
        name: named('account', granting),
        says: `Setting up ${label}${access.sudo ? ' with sudo' : ''}`,
        undo: [accountUndo(access, granting, label)],
      }),
      nodeStep(keysCall(access, ctLines(access)), {
        name: named('keys', granting),
        says: `Writing ${access.lines.length} ${access.lines.length === 1 ? 'key' : 'keys'} of ${label}`,
        // Lines of another id are of another guest that had this number.
        undo: [
          nodeUndo(keysCall(access, old?.id === access.id ? ctLines(old) : []), `Putting the keys of ${label} back`),
        ],
        byHand: byHand(access),
      }),
      moved &&
        nodeStep(moved, {
          name: named('old jump', granting),
          says: `Ending the old way in through ${moved.node}`,
          undo: [nodeUndo(oldJump!, `Opening the old way in through ${moved.node} again`)],
        }),
      jump &&
        nodeStep(jump, {
          name: named('jump', granting),
          says: `Opening the way in through ${jump.node}`,
          undo: [nodeUndo(jumpCall(access, keptJump)!, `Putting the way in through ${jump.node} back`)],
        }),
      bookStep(bookCall(access, bookValue(access)), (before ?? null) as unknown as Json, {
        name: named('book', granting),
        says: 'Noting who may log in',
      }),
    ],
    granting,
  );
}

const where = ({ node, args }: NodeCall): string => `${node}/${args['user']}/${args['marker']}`;

/** An account that was there before stays, with the sudo it had. A home that somebody left is never deleted. */
function accountUndo(access: Access, { account, before }: Granting, label: string): UndoCall {
  if (!account) return nodeUndo(removeCall(access), `Removing ${label}`);
  const sudo = before?.sudo ?? (account.ours && account.sudo);
  return nodeUndo(userCall(access, sudo, !account.ours), `Putting ${label} back as it was`);
}

export interface Revoking extends Around {
  /** The account inside as it is now; `gone`: there is none; undefined: the container cannot be asked, only the way in ends. */
  readonly account: Pick<CtUser, 'ours'> | 'gone' | undefined;
  /** What becomes of the account. */
  readonly remove: boolean;
  /** What becomes of the book's entry: removed, or (a container that cannot be asked) left until it can be. */
  readonly keepEntry?: boolean;
}

/** Way in first, then keys, account and entry. What ends can be put back, except an account that is removed. */
export function revokeSteps(grant: Grant, node: string, revoking: Revoking): readonly PlannedStep[] {
  const access = accessOf(grant, node);
  const { account, remove, keepEntry } = revoking;
  const label = `${grant.user} in CT ${grant.vmid}`;
  const there = account !== undefined && account !== 'gone';
  const jump = jumpCall(access, []);
  return all(
    [
      jump &&
        nodeStep(jump, {
          name: named('jump', revoking),
          says: `Ending the way in through ${jump.node}`,
          undo: [nodeUndo(jumpCall(access, jumpLines(access))!, `Opening the way in through ${jump.node} again`)],
        }),
      there
        ? nodeStep(keysCall(access, []), {
            name: named('keys', revoking),
            says: `Ending the keys of ${label}`,
            undo: [nodeUndo(keysCall(access, ctLines(access)), `Putting the keys of ${label} back`)],
            byHand: byHand(access),
          })
        : undefined,
      there && !remove && grant.sudo
        ? nodeStep(userCall(access, false, !account.ours), {
            name: named('sudo', revoking),
            says: `Ending sudo of ${label}`,
            undo: [nodeUndo(userCall(access, true, !account.ours), `Giving ${label} sudo again`)],
          })
        : undefined,
      there && remove
        ? nodeStep(removeCall(access, !account.ours), {
            name: named('account', revoking),
            says: `Removing ${label}; its home folder stays`,
          })
        : undefined,
      keepEntry
        ? jump &&
          bookStep(bookCall(access, bookValue(withoutJump(access))), grant as unknown as Json, {
            name: named('book', revoking),
            says: 'Noting that the way in has ended',
          })
        : bookStep(bookCall(access, null), grant as unknown as Json, {
            name: named('book', revoking),
            says: 'Noting that it has ended',
          }),
    ],
    revoking,
  );
}

const withoutJump = ({ jump: _jump, ...access }: Access): Access => access;

/** The same keys with another end. */
export function extendSteps(grant: Grant, node: string, ends: Ends, around: Around = {}): readonly PlannedStep[] {
  return rewriteSteps(grant, { ...accessOf(grant, node), ends }, 'end', around);
}

/** Other keys with the same end. `asked` false: the container cannot be, so only the way in is rewritten and nothing noted. */
export function syncSteps(
  grant: Grant,
  node: string,
  keys: Pick<Grant, 'lines' | 'fingerprints'>,
  { asked = true, ...around }: Around & { readonly asked?: boolean } = {},
): readonly PlannedStep[] {
  const steps = rewriteSteps(grant, { ...accessOf(grant, node), ...keys }, 'keys', around);
  return asked ? steps : steps.filter(({ call }) => isNodeCall(call) && call.verb === 'jump.keys.set');
}

function rewriteSteps(grant: Grant, access: Access, what: 'end' | 'keys', around: Around): readonly PlannedStep[] {
  const old = accessOf(grant, access.node);
  const label = `${grant.user} in CT ${grant.vmid}`;
  const jump = jumpCall(access, jumpLines(access));
  const before = what === 'end' ? 'the old end' : 'the old keys';
  return all(
    [
      nodeStep(keysCall(access, ctLines(access)), {
        name: named('keys', around),
        says: what === 'end' ? `Extending the keys of ${label}` : `Writing the keys of ${label} as GitHub has them`,
        undo: [nodeUndo(keysCall(old, ctLines(old)), `Putting ${before} of ${label} back`)],
        byHand: byHand(access),
      }),
      jump &&
        nodeStep(jump, {
          name: named('jump', around),
          says: `${what === 'end' ? 'Extending' : 'Writing the keys of'} the way in through ${jump.node}`,
          undo: [nodeUndo(jumpCall(old, jumpLines(old))!, `Putting ${before} of the way in through ${jump.node} back`)],
        }),
      bookStep(bookCall(access, bookValue(access)), grant as unknown as Json, {
        name: named('book', around),
        says: `Noting the new ${what}`,
      }),
    ],
    around,
  );
}
