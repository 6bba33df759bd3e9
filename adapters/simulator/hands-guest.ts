import type { HandsCall } from './hands.ts';
import { bytesOf, fault, oneLine, visible } from './hands-answer.ts';
import type { Guest } from './state.ts';

/** Containers as the program on their node sees them. */

/** The keys of /etc/pve/lxc/ID.conf, with `lock` and without the description. */
export interface GuestConfig {
  readonly guest: Guest;
  readonly now: Readonly<Record<string, string>>;
  readonly description: string;
  /** Snapshots that Proxmox knows of. */
  readonly sections: ReadonlySet<string>;
}

export function localConfig({ hands }: HandsCall, vmid: number): GuestConfig | undefined {
  const guest = hands.world.viewFrom(hands.node).guests.get(vmid);
  if (guest?.kind !== 'lxc' || guest.node !== hands.node) return undefined;
  const { description = '', ...config } = guest.config;
  const now = Object.fromEntries(Object.entries(config).map(([key, value]) => [key, bytesOf(String(value))]));
  return {
    // Not the copy of a node without quorum: whether it runs, and its files, are no part of /etc/pve.
    guest: hands.world.guest(vmid) ?? guest,
    now: guest.lock === undefined ? now : { ...now, lock: guest.lock },
    description: String(description),
    sections: new Set(guest.snapshots.map((each) => each.name)),
  };
}

export function guestConfig(call: HandsCall, vmid: number): GuestConfig {
  return (
    localConfig(call, vmid) ??
    fault('not-found', `CT ${vmid} was not looked at`, 'it is not on this node', 'ask the node it is on')
  );
}

export const isRunning = (config: GuestConfig): boolean => config.guest.running;

/** `mac`: of net0, where another container of that number is not meant. */
export function mustRun(call: HandsCall, vmid: number, mac?: string): GuestConfig {
  const config = guestConfig(call, vmid);
  const its = /(?:^|,)hwaddr=([0-9A-Fa-f:]{17})(?:,|$)/.exec(config.now['net0'] ?? '')?.[1]?.toUpperCase();
  if (mac !== undefined && its !== mac)
    fault(
      'changed',
      `CT ${vmid} was not touched`,
      `its network card net0 is ${its ?? 'gone'}, not ${mac}: it is another container`,
      'look again who is meant',
    );
  if (!isRunning(config)) fault('conflict', `CT ${vmid} was not touched`, 'it is stopped', 'start it first');
  return config;
}

/** A locked guest's config is left alone. */
export function mustNotBeLocked(config: GuestConfig, what: string, named: string): void {
  const { lock } = config.now;
  if (lock !== undefined)
    fault('conflict', what, `${named} is locked (${oneLine(lock)})`, 'wait until the lock is gone');
}

/**
 * One command that changes something. In a dry run it is written down instead of being done. `on` is whose program
 * it is, such as `CT 103:`; argv and stdin are bytes.
 */
export function does(call: HandsCall, on: string, argv: readonly string[], stdin: string, work: () => void): void {
  if (call.would) {
    call.would.push({ command: [on, ...argv].map((word) => visible(word, 500)), stdin: stdin.length });
    return;
  }
  work();
}

/** A change of the config, which is read-only without quorum. */
export function pct(call: HandsCall, what: string, vmid: number, argv: readonly string[], work: () => void): void {
  does(call, 'pct', argv, '', () => {
    if (!call.hands.world.quorate(call.hands.node)) {
      const file = `/etc/pve/nodes/${call.hands.node}/lxc/${vmid}.conf.tmp.${call.hands.tasks.nextPid()}`;
      fault(
        'refused',
        what,
        `pct said: unable to open file '${file}' - Permission denied (exit code 2)`,
        `look at pct config ${vmid}`,
      );
    }
    work();
  });
}
