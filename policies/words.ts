/** Why nothing permits it, when no forbid refuses it either. */
export function noPermit(action: string, roles: readonly string[]): string {
  if (roles.length === 0) return `You hold no role here, and no policy permits ${action} without one.`;
  return `No policy permits ${action} for ${roles.length === 1 ? 'role' : 'roles'} ${roles.join(', ')}.`;
}
