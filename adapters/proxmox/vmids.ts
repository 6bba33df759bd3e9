import { fail } from '../../src/contracts/failure.ts';

/** How many numbers are asked for one by one before giving up: each costs a call. */
const triesLimit = 300;
const lastVmid = 999_999_999;

export interface Wanted {
  readonly first: number;
  /** Inclusive; undefined: as far as vmids go. */
  readonly last: number | undefined;
  /** Known to be taken or not wanted, without asking. */
  readonly unwanted: (vmid: number) => boolean;
}

/** The smallest free vmid. Guests may be hidden from our token, so Proxmox has the last word (PROBES.md 3). */
export async function nextVmid(wanted: Wanted, free: (vmid: number) => Promise<boolean>): Promise<number> {
  const last = wanted.last ?? lastVmid;
  let tries = 0;
  for (let vmid = Math.max(100, wanted.first); vmid <= last; vmid++) {
    if (wanted.unwanted(vmid)) continue;
    if (++tries > triesLimit) break;
    if (await free(vmid)) return vmid;
  }
  return fail('conflict', {
    what: 'no vmid was found',
    why:
      tries > triesLimit
        ? `${triesLimit} numbers from ${wanted.first} on are taken by guests the token cannot see`
        : `every number from ${wanted.first} to ${last} is taken or reserved`,
    next: 'widen the range in the config, or name a vmid',
  });
}
