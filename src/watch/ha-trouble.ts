import { NEEDS_MANUAL, sayFailover } from './failover.ts';
import { called, guestOf, type Saying, type ServiceMemory, span } from './ha-memory.ts';

/** Services that HA gave up, or has no node for. */

export function sayError(saying: Saying, sid: string, service: ServiceMemory): void {
  if (service.error !== undefined) return;
  const { at, say, world } = saying;
  service.error = at;
  const { move } = service;
  if (move?.kind === 'failover' && move.endedAt === undefined) {
    delete service.move;
    sayFailover(saying, sid, move, true);
    return;
  }
  const guest = guestOf(sid, world);
  say({
    kind: 'service-error',
    severity: 'critical',
    incident: `ha/${sid}`,
    phase: 'opens',
    guest,
    node: service.node,
    at,
    startedAt: at,
    text: `${called(guest)}: HA gave up on ${service.node}, it stays down until a person acts: ${NEEDS_MANUAL}`,
    facts: { needsManual: NEEDS_MANUAL },
  });
}

export function endError(saying: Saying, sid: string, service: ServiceMemory): void {
  const { at, say, world } = saying;
  const guest = guestOf(sid, world);
  const startedAt = service.error!;
  delete service.error;
  say({
    kind: 'service-error',
    severity: 'critical',
    incident: `ha/${sid}`,
    phase: 'ends',
    guest,
    node: service.node,
    at: startedAt,
    startedAt,
    endedAt: at,
    text: `${called(guest)}: no longer in error, after ${span(at - startedAt)}`,
    facts: { needsManual: NEEDS_MANUAL },
  });
}

export function sayRecovery({ at, say, world }: Saying, sid: string, service: ServiceMemory, endedAt?: number): void {
  const guest = guestOf(sid, world);
  const since = service.recoverySince!;
  say({
    kind: 'recovery-stalled',
    severity: 'critical',
    incident: `node/${service.node}`,
    phase: 'goes-on',
    guest,
    node: service.node,
    from: service.node,
    at: since,
    startedAt: since,
    ...(endedAt === undefined ? {} : { endedAt }),
    text:
      endedAt === undefined
        ? `${called(guest)}: nowhere to go, waiting for ${span(at - since)}. No node left that its rules allow`
        : `${called(guest)}: recovered after waiting ${span(endedAt - since)}`,
  });
}

/** Said once more, with its end, if it was said at all. */
export function endRecovery(saying: Saying, sid: string, service: ServiceMemory): void {
  const from = service.move?.kind === 'failover' ? service.move.from : service.node;
  if (service.stalled) sayRecovery(saying, sid, { ...service, node: from }, saying.at);
  delete service.recoverySince;
  delete service.stalled;
}
