import type { Need } from '../src/contracts/policy.ts';

/** What is missing, one short line each, as on a card: `1 of 2 approvals from sre`. */
export function explainNeeds(needs: readonly Need[]): string[] {
  return needs.map(explainNeed);
}

function explainNeed(need: Need): string {
  switch (need.kind) {
    case 'approvals':
      return `${need.have} of ${need.need} ${need.need === 1 ? 'approval' : 'approvals'} from ${need.role}`;
    case 'confirmation':
      return 'confirmation by the requester';
    case 'typed-confirmation':
      return "the target's name or number, typed by the requester";
    case 'second-factor':
      return 'a second factor from the requester';
    case 'reason':
      return 'a reason';
  }
}

/** Why nothing permits it, when no forbid refuses it either. */
export function noPermit(action: string, roles: readonly string[]): string {
  if (roles.length === 0) return `You hold no role here, and no policy permits ${action} without one.`;
  return `No policy permits ${action} for ${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}.`;
}
