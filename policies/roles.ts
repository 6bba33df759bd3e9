import { fail } from '../src/contracts/failure.ts';

/** Role names as configured; `includes` lists the roles a holder also has. */
export type RoleConfig = Readonly<Record<string, { readonly includes?: readonly string[] }>>;

/** Always there, each holding everything of the one before. */
const BUILT_IN: RoleConfig = { viewer: {}, operator: { includes: ['viewer'] }, admin: { includes: ['operator'] } };

/**
 * Every role with all it includes, itself first. The three built-in roles are added, and what a config says about
 * them only adds: an admin is always an operator, an operator always a viewer.
 * Throws Failed bad-input when a role includes one that does not exist. A circle makes its roles equal.
 */
export function expandRoles(config: RoleConfig): ReadonlyMap<string, readonly string[]> {
  const direct = new Map<string, Set<string>>();
  for (const [role, { includes }] of [...Object.entries(BUILT_IN), ...Object.entries(config)]) {
    direct.set(role, new Set([...(direct.get(role) ?? []), ...(includes ?? [])]));
  }
  for (const [role, includes] of direct) {
    const unknown = [...includes].find((name) => !direct.has(name));
    if (unknown !== undefined) {
      fail('bad-input', {
        what: 'the policies were not loaded',
        why: `role ${role} includes ${unknown}, which is not a role`,
        next: `name one of: ${[...direct.keys()].join(', ')}`,
      });
    }
  }
  return new Map([...direct.keys()].map((role) => [role, closure(role, direct)]));
}

function closure(role: string, direct: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const found = new Set([role]);
  for (const name of found) {
    for (const included of direct.get(name) ?? []) found.add(included);
  }
  return [...found];
}
