import type { Question } from '../src/contracts/policy.ts';

/** Why nothing permits it, when no forbid refuses it either. */
export function noPermit(action: string, { automation, roles }: Question['person']): string {
  if (automation !== undefined) return `No policy permits ${action} for Automation::"${automation}" here.`;
  if (roles.length === 0) return `You hold no role here, and no policy permits ${action} without one.`;
  return `No policy permits ${action} for ${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}.`;
}
