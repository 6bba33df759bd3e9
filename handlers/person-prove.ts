import type { Card } from '../src/contracts/card.ts';
import { type ControlContext, defineCommand } from '../src/contracts/command.ts';
import { fail } from '../src/contracts/failure.ts';
import { option, request } from './options.ts';
import { signCommand, spellings } from './parts/proof.ts';
import { stateText } from './parts/requests.ts';

/** An RSA key of 16,384 bits signs in about 6 kB. */
const signature = option<string>({
  summary: 'The whole output of ssh-keygen -Y sign',
  example: 'signature:"-----BEGIN SSH SIGNATURE-----…"',
  longest: 8_192,
  read: (text) => ({ value: text }),
});

export const personProve = defineCommand({
  name: 'person prove',
  summary: 'Prove that the GitHub account you asked to be linked to is yours, by a signature',
  examples: ['person prove id:2sjvpvxb signature:"-----BEGIN SSH SIGNATURE-----…"'],
  options: { id: request, signature },
  positional: ['id', 'signature'],
  action: 'person.prove',
  risk: 'control',
  request: 'id',
  needsCluster: false,
  private: true,
  act: ({ id, signature }, context) => act(id, signature, context),
});

const WHAT = 'the proof does not count';

async function act(wanted: string, signature: string, context: ControlContext): Promise<Card> {
  const { records, github, asker, root } = context;
  const { id, command, state, requester, plan } = await records.request(wanted);
  if (command !== 'person add')
    fail('bad-input', {
      what: WHAT,
      why: `request ${id} links nobody: it is ${command}`,
      next: `${root}approval list`,
    });
  if (state !== 'waiting')
    fail('conflict', { what: WHAT, why: `request ${id} is ${stateText(state)}`, next: `${root}person add asks again` });
  if (requester !== asker.id || plan.target.id !== asker.id) {
    fail('forbidden', {
      what: WHAT,
      why: 'only who asks for their own account can prove that it is theirs',
      next: `ask for it yourself: ${root}person add person:${asker.id} github:${plan.intent['login']}`,
    });
  }
  const login = String(plan.intent['login']);
  const seen = await github.keys(login);
  if (!seen.fresh) {
    fail('unavailable', {
      what: WHAT,
      why: `which keys ${login} has now must be sure: ${seen.stale ?? 'GitHub did not answer'}`,
      next: 'try again when GitHub answers, or let somebody approve',
    });
  }
  if (seen.id !== plan.intent['githubId']) {
    fail('changed', {
      what: WHAT,
      why: `${login} is another account on GitHub by now (${seen.id})`,
      next: `withdraw the request and ask again: ${root}run cancel id:${id}`,
    });
  }
  const signer = spellings(plan, id)
    .map((text) => github.signer(text, signature))
    .find((print) => print !== undefined);
  if (signer === undefined) {
    fail('bad-input', {
      what: WHAT,
      why: 'it is no sound signature of the sentence on the card, in the namespace bascule',
      next: `sign exactly this and send the whole output in quotes: ${signCommand(plan, id)}`,
    });
  }
  if (!seen.keys.some(({ fingerprint }) => fingerprint === signer)) {
    fail('forbidden', {
      what: WHAT,
      why: `it was signed by ${signer}, which is not among the keys of ${login} that are taken`,
      next: `sign with one of ${seen.keys.map(({ fingerprint }) => fingerprint).join(', ')}`,
    });
  }
  await context.prove(id);
  return {
    title: `Proved: ${login} is yours`,
    tone: 'good',
    lines: [`Signed by ${signer}`, `Request ${id} goes on; its card tells how`],
    private: true,
  };
}
