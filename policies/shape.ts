import type { ActionConstraint, EntityUidJson, PolicyJson, ResourceConstraint } from '@cedar-policy/cedar-wasm/nodejs';

/** What can be told about a policy without asking it anything, from its JSON form. */

/** Roles in `context.approvals.<role>` anywhere in the conditions. */
export function countedRoles(policy: PolicyJson): readonly string[] {
  const found = new Set<string>();
  visit(policy.conditions, (node) => {
    const access = node['.'] as { left?: unknown; attr?: unknown } | undefined;
    if (typeof access?.attr === 'string' && isApprovals(access.left)) found.add(access.attr);
  });
  return [...found];
}

function isApprovals(value: unknown): boolean {
  const access = (value as { '.'?: { left?: { Var?: string }; attr?: string } } | null)?.['.'];
  return access?.attr === 'approvals' && access.left?.Var === 'context';
}

/**
 * True when the answer may differ between two resources of one type: the policy looks into the resource, or asks
 * which one it is. `resource is Guest` alone does not.
 */
export function looksAtResource(policy: PolicyJson): boolean {
  let looks = !onlyAsksForType(policy.resource);
  visit(policy.conditions, (node) => {
    if (node['Var'] === 'resource') looks = true;
  });
  return looks;
}

function onlyAsksForType(constraint: ResourceConstraint): boolean {
  return constraint.op === 'All' || (constraint.op === 'is' && constraint.in === undefined);
}

/** True when the head of the policy lets it apply to an action that has these names: its own and its groups'. */
export function concerns(constraint: ActionConstraint, names: ReadonlySet<string>): boolean {
  if (constraint.op === 'All') return true;
  const entities =
    'entities' in constraint ? constraint.entities : 'entity' in constraint ? [constraint.entity] : undefined;
  // A constraint of a kind not known here may concern anything.
  return entities === undefined || entities.some((entity) => names.has(idOf(entity)));
}

const idOf = (entity: EntityUidJson): string => ('__entity' in entity ? entity.__entity.id : entity.id);

function visit(value: unknown, look: (node: Readonly<Record<string, unknown>>) => void): void {
  if (value === null || typeof value !== 'object') return;
  look(value as Record<string, unknown>);
  for (const child of Object.values(value)) visit(child, look);
}
