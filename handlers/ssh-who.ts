import { GRANTS, grantSchema, QUEUE, readShelf } from '../src/contracts/books.ts';
import type { Card } from '../src/contracts/card.ts';
import type { Guest } from '../src/contracts/cluster.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import type { CtUser } from '../src/contracts/shell.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct } from './options.ts';
import { attempt } from './parts/guests.ts';
import { untilText } from './parts/leases.ts';
import { queuedOf, queuedSchema } from './parts/queue.ts';
import { count } from './parts/units.ts';
import { accountText, type Seen } from './parts/who.ts';

export const sshWho = defineCommand({
  name: 'ssh who',
  summary: 'Who may log in to a container: since when, until when, with which keys',
  examples: ['ssh who vmid:103'],
  options: { vmid: ct },
  positional: ['vmid'],
  action: 'ssh.who',
  risk: 'read',
  private: true,
  answer: ({ vmid }, context) => answer(vmid, context),
});

async function answer(wanted: string, context: ReadContext): Promise<Card> {
  const { view, books, clock, zone, root, findPerson } = context;
  const guest = await view.findGuest(wanted, 'lxc');
  const grants = (await readShelf(books, GRANTS, grantSchema)).filter(
    ({ cluster, vmid }) => cluster === view.name && vmid === guest.vmid,
  );
  const detail = await attempt(() => view.guestDetail(guest));
  const inside = await usersOf(guest, context);
  const names = [
    ...new Set([...grants.map(({ user }) => user), ...(inside.users ?? []).map(({ name }) => name)]),
  ].sort();
  const told = await Promise.all(
    names.map(async (name) => {
      const grant = grants.find(({ user }) => user === name);
      const seen: Seen = {
        user: inside.users?.find((user) => user.name === name),
        asked: inside.users !== undefined,
        grant,
        person: grant && ((await findPerson(grant.person))?.name ?? grant.person),
        stranger: grant !== undefined && 'value' in detail && detail.value.mac !== grant.identity,
        waits: grant && (await queuedOf(books, grant))?.kind,
      };
      return accountText(name, seen, clock.now(), zone);
    }),
  );
  const shown = told.filter((account) => account !== undefined);
  const waiting = (await readShelf(books, QUEUE, queuedSchema)).filter(
    ({ kind, grant: { cluster, vmid, user } }) =>
      kind === 'grant' && cluster === view.name && vmid === guest.vmid && !grants.some((one) => one.user === user),
  );
  const marks = shown.reduce((sum, { marks }) => sum + marks, 0);
  return {
    title: `${guestLabel(guest)}: ${inside.users ? '' : 'by our own book, '}${shown.length === 0 ? 'nobody' : count(shown.length, 'account')} may log in`,
    tone: marks > 0 || inside.why ? 'warning' : 'plain',
    lines: [
      ...(inside.why ? [`What is really in it is not known: ${inside.why}`] : []),
      ...waiting.map(
        ({ grant }) => `${grant.user} (${grant.person}) is let in once it runs, ${untilText(grant, clock.now(), zone)}`,
      ),
      ...(marks > 0 ? ['Lines that begin with ! need a look'] : []),
    ],
    code: shown.map(({ text }) => text),
    footer: `${root}ssh grant · ${root}ssh revoke · ${root}ssh extend`,
    private: true,
  };
}

/** The accounts as they stand, or why that cannot be told. */
async function usersOf(
  guest: Guest,
  { nodes }: ReadContext,
): Promise<{ readonly users?: readonly CtUser[]; readonly why?: string }> {
  if (guest.status === 'unknown') return { why: `its node ${guest.node} is offline` };
  if (guest.status !== 'running') return { why: `it is ${guest.status}` };
  const seen = await attempt(() => nodes.users(guest.node, guest.vmid));
  return 'value' in seen ? { users: seen.value } : { why: seen.failed };
}
