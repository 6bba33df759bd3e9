import type { Circumstances, Need } from '../src/contracts/policy.ts';

/**
 * Finds out what is missing by asking again with more. Policies say `forbid … unless { context.approvals.sre >= 2 }`
 * and nothing else knows the number, so the answer on the card is always the policies' own.
 */
export interface Search {
  /** The same question under other circumstances; an answer with an evaluation error is a no. */
  readonly ask: (circumstances: Circumstances) => boolean;
  /** Every role with all roles it includes. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  /** Roles whose votes some policy counts. */
  readonly counted: readonly string[];
  /** Least powerful role whose members may approve: named when a policy counts people of any role. */
  readonly approver: () => string;
}

/** Votes added on top of those given, by role. */
type Votes = ReadonlyMap<string, number>;

/** No policy may ask for more votes than these: beyond, the answer is a plain no. */
const MOST_VOTES = 9;
/** Questions spent on looking for the fewest votes before settling for votes of which none can be left out. */
const MOST_QUESTIONS = 200;

/**
 * What the requester can add, cheapest first. Sets of them are tried in the order of the bits: a confirmation is
 * preferred to typing, typing to a reason, and a second factor comes last.
 */
const LIFTS = [
  { bit: 1, need: { kind: 'confirmation' }, has: (c: Circumstances) => c.confirmed },
  { bit: 2, need: { kind: 'typed-confirmation' }, has: (c: Circumstances) => c.typed },
  { bit: 4, need: { kind: 'reason' }, has: (c: Circumstances) => c.reason !== '' },
  { bit: 8, need: { kind: 'second-factor' }, has: (c: Circumstances) => c.secondFactor },
] as const;
const EVERY_LIFT = 15;

/** The circumstances with everything people could still add: if this is refused, nothing on a card can help. */
export function withEverything(circumstances: Circumstances, roles: Iterable<string>): Circumstances {
  const voted = withVotes(circumstances, new Map([...roles].map((role) => [role, MOST_VOTES])), MOST_VOTES);
  return proved(lifted(voted, EVERY_LIFT));
}

const proved = (circumstances: Circumstances): Circumstances => ({ ...circumstances, proven: true });

/**
 * What is missing, with both ways where there are two: somebody's yes, or the requester's proof that the account is
 * theirs. A proof is asked for alone only where nothing else will do. To be called when {@link withEverything} is
 * allowed.
 */
export function findNeeds(circumstances: Circumstances, search: Search): readonly Need[] {
  const needs = leastNeeds(circumstances, search);
  if (circumstances.proven) return needs ?? [];
  if (!needs) {
    const others = leastNeeds(proved(circumstances), search);
    return others ? [...others, { kind: 'proof' }] : [];
  }
  const isVote = (need: Need): boolean => need.kind === 'approvals';
  if (!needs.some(isVote) || !search.ask(proved(lifted(circumstances, EVERY_LIFT)))) return needs;
  return needs.map((need) => (isVote(need) ? { ...need, orProof: true } : need));
}

/**
 * The least that turns the no into a yes: no votes if it works without, else the fewest, and of the rest only what
 * cannot be left out, and no proof. Undefined when there is none without a proof, or when it cannot be found, which takes
 * a policy that refuses something for having more approvals.
 */
function leastNeeds(circumstances: Circumstances, search: Search): readonly Need[] | undefined {
  const eager = lifted(circumstances, EVERY_LIFT);
  const withoutVotes = search.ask(eager);
  const votes = withoutVotes ? NO_VOTES : fewestVotes(eager, search);
  if (!votes) return undefined;
  const people = withoutVotes ? 0 : fewestPeople(eager, votes, search);
  const voted = withVotes(circumstances, expanded(votes, search.roles), people);
  const lifts = fewestLifts(voted, search.ask);
  if (lifts === undefined) return undefined;
  return [
    ...LIFTS.filter(({ bit }) => lifts & bit).map(({ need }) => need),
    ...approvalNeeds(circumstances, votes, people, search),
  ];
}

const NO_VOTES: Votes = new Map();

function lifted(circumstances: Circumstances, bits: number): Circumstances {
  return {
    ...circumstances,
    // Typing the name is a confirmation too.
    confirmed: circumstances.confirmed || (bits & 3) !== 0,
    typed: circumstances.typed || (bits & 2) !== 0,
    reason: circumstances.reason === '' && bits & 4 ? 'a reason' : circumstances.reason,
    secondFactor: circumstances.secondFactor || (bits & 8) !== 0,
  };
}

function withVotes(circumstances: Circumstances, counts: Votes, people: number): Circumstances {
  const approvals = { ...circumstances.approvals };
  for (const [role, count] of counts) approvals[role] = have(circumstances, role) + count;
  return { ...circumstances, approvals, approvers: circumstances.approvers + people };
}

const have = (circumstances: Circumstances, role: string): number =>
  Object.hasOwn(circumstances.approvals, role) ? circumstances.approvals[role]! : 0;

/** A vote of a role counts for every role it includes. */
function expanded(votes: Votes, roles: ReadonlyMap<string, readonly string[]>): Votes {
  const counts = new Map<string, number>();
  for (const [role, count] of votes) {
    for (const name of roles.get(role) ?? [role]) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return counts;
}

const total = (votes: Votes): number => [...votes.values()].reduce((sum, count) => sum + count, 0);

function fewestVotes(eager: Circumstances, search: Search): Votes | undefined {
  const power = (role: string): number => search.roles.get(role)?.length ?? 1;
  const roles = [...search.counted].sort((a, b) => power(a) - power(b) || (a < b ? -1 : 1));
  // People of any role are plenty here; how many of them are needed is the next question.
  const enough = (votes: Votes): boolean => search.ask(withVotes(eager, expanded(votes, search.roles), MOST_VOTES));
  if (enough(NO_VOTES)) return NO_VOTES;
  let questions = 0;
  for (let sum = 1; sum <= MOST_VOTES; sum++) {
    const ways = waysToVote(roles, sum);
    questions += ways.length;
    if (questions > MOST_QUESTIONS) break;
    const found = ways.find(enough);
    if (found) return found;
  }
  return leaveOut(roles, enough);
}

/**
 * Every way to spread `sum` votes over the roles, as many as possible to the first ones, which are the least
 * powerful; when there are too many to try, just enough of them to notice.
 */
function waysToVote(roles: readonly string[], sum: number): Votes[] {
  const found: Votes[] = [];
  const spread = (index: number, left: number, votes: readonly (readonly [string, number])[]): void => {
    if (found.length > MOST_QUESTIONS) return;
    if (left === 0) found.push(new Map(votes));
    const role = roles[index];
    if (left === 0 || role === undefined) return;
    for (let count = left; count >= 0; count--) {
      spread(index + 1, left - count, count === 0 ? votes : [...votes, [role, count]]);
    }
  };
  spread(0, sum, []);
  return found;
}

/** Starts with all votes and takes away what is not missed, the most powerful roles first. */
function leaveOut(roles: readonly string[], enough: (votes: Votes) => boolean): Votes | undefined {
  const votes = new Map(roles.map((role) => [role, MOST_VOTES]));
  if (!enough(votes)) return undefined;
  for (const role of [...roles].reverse()) {
    const least = range(0, MOST_VOTES).find((count) => enough(new Map(votes).set(role, count)));
    votes.set(role, least ?? MOST_VOTES);
  }
  return new Map([...votes].filter(([, count]) => count > 0));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** How many more people must vote, for policies that count `approvers`: at least the votes found so far. */
function fewestPeople(eager: Circumstances, votes: Votes, search: Search): number {
  const counts = expanded(votes, search.roles);
  const from = total(votes);
  return (
    range(from, from + MOST_VOTES).find((people) => search.ask(withVotes(eager, counts, people))) ?? from + MOST_VOTES
  );
}

function fewestLifts(voted: Circumstances, ask: Search['ask']): number | undefined {
  const pointless = LIFTS.reduce((bits, { bit, has }) => (has(voted) ? bits | bit : bits), 0);
  return range(0, EVERY_LIFT).find((bits) => {
    const redundant = (bits & pointless) !== 0 || (bits & 3) === 3;
    return !redundant && ask(lifted(voted, bits));
  });
}

function approvalNeeds(circumstances: Circumstances, votes: Votes, people: number, search: Search): readonly Need[] {
  const counts = expanded(votes, search.roles);
  const needs = new Map([...votes.keys()].map((role) => [role, have(circumstances, role) + counts.get(role)!]));
  const lines = [...needs].map(([role, need]) => approvals(role, have(circumstances, role), need));
  if (people <= total(votes)) return lines;
  const role = search.approver();
  return [
    ...lines.filter((line) => line.role !== role),
    approvals(role, circumstances.approvers, circumstances.approvers + people),
  ];
}

const approvals = (role: string, have: number, need: number) => ({ kind: 'approvals', role, have, need }) as const;
