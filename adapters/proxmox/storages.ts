import type { z } from 'zod';
import type { Backup, Storage, StoredBackup, Template } from '../../src/contracts/cluster.ts';
import type { Content, Storages } from './schema.ts';

export function storageFrom(row: z.output<typeof Storages>[number]): Storage {
  return {
    id: row.storage,
    type: row.type ?? '',
    content: (row.content ?? '')
      .split(',')
      .map((kind) => kind.trim())
      .filter(Boolean)
      .sort(),
    shared: row.shared,
    active: row.active,
    // An inactive storage reports zeroes, which would read as full.
    free: row.active ? row.avail : undefined,
    total: row.active ? row.total : undefined,
  };
}

type Rows = z.output<typeof Content>;

export function templatesOf(storage: string, rows: Rows): readonly Template[] {
  return rows
    .filter((row) => row.volid.includes(':vztmpl/'))
    .map(({ volid }) => ({
      volid,
      storage,
      name: volid.slice(volid.indexOf('/') + 1).replace(/\.tar(\.(gz|xz|zst|bz2))?$|\.tgz$/, ''),
    }));
}

/** Proxmox filters by vmid itself; an entry that names another guest is dropped all the same. */
export function backupsOf(storage: string, vmid: number, rows: Rows): readonly Backup[] {
  return rows
    .filter((row) => row.vmid === undefined || row.vmid === vmid)
    .map((row) => ({ volid: row.volid, storage, at: row.ctime ?? 0, size: row.size ?? 0 }));
}

/** One whose guest is named nowhere is nobody's. */
export function storedBackupsOf(storage: string, rows: Rows): readonly StoredBackup[] {
  return rows.flatMap((row) => {
    const vmid =
      row.vmid ?? (Number(/(?:vzdump-(?:lxc|qemu)-|backup\/(?:ct|vm)\/)(\d+)/.exec(row.volid)?.[1]) || undefined);
    if (vmid === undefined) return [];
    const state = row.verification?.state;
    return {
      volid: row.volid,
      storage,
      vmid,
      at: row.ctime ?? 0,
      size: row.size ?? 0,
      protected: row.protected,
      ...(state === 'ok' || state === 'failed' ? { verified: state } : {}),
    };
  });
}
