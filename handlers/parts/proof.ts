import { fingerprint, type Plan } from '../../src/contracts/plan.ts';

/** How a person shows that a GitHub account is theirs: one of its keys signs a sentence that fits this request only. */

/** `id`: of the request; the hole `{run}` while it has none. */
export function sentence(plan: Plan, id: string): string {
  return `I am ${plan.target.id} and the GitHub account ${plan.intent['login']} is mine: request ${id}, plan ${fingerprint(plan)}`;
}

/** What to type where the key is. */
export function signCommand(plan: Plan, id: string): string {
  const quoted = sentence(plan, id).replaceAll("'", "'\\''");
  return `echo -n '${quoted}' | ssh-keygen -Y sign -n bascule -f ~/.ssh/id_ed25519`;
}

/** The sentence as it may have been signed: some shells' echo knows no -n and prints it, or ends the line. */
export function spellings(plan: Plan, id: string): readonly string[] {
  const text = sentence(plan, id);
  return [text, `${text}\n`, `-n ${text}\n`];
}
