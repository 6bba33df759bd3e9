import type { GuestDetail, NetworkCard, Volume } from '../../src/contracts/cluster.ts';

/** A guest's configuration: text by key, as Proxmox prints it. */
export type Config = Readonly<Record<string, string>>;

type Parts = Readonly<Record<string, string>>;

/** `name=eth0,bridge=vmbr0` → parts; a part without `=` (a volume, a VM's first) is kept under ``. Order means nothing (ODDITIES 94). */
function parts(property: string): Parts {
  return Object.fromEntries(
    property.split(',').map((part) => {
      const at = part.indexOf('=');
      return at < 0 ? ['', part] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

/** `1` and `yes` alike; missing is off. */
const on = (value: string | undefined) => value !== undefined && /^(1|on|yes|true)$/i.test(value);

const macShape = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/** CTs have `hwaddr=`, VMs name the model: `virtio=BC:24:…`. */
function network(key: string, property: string): NetworkCard {
  const given = parts(property);
  const mac = given['hwaddr'] ?? given['macaddr'] ?? Object.values(given).find((value) => macShape.test(value));
  return {
    name: given['name'] ?? key,
    bridge: given['bridge'],
    ip: given['ip'],
    gateway: given['gw'],
    mac: mac?.toUpperCase(),
  };
}

const volumeKey = /^(rootfs|mp\d+|(ide|sata|scsi|virtio|efidisk|tpmstate)\d+)$/;

/** Bind mounts and CD drives without a medium have no storage. */
function volume(key: string, property: string): Volume {
  const given = parts(property);
  const volid = given['volume'] ?? given['file'] ?? given[''] ?? '';
  const storage = /^([A-Za-z][\w.-]*):/.exec(volid)?.[1];
  const replicate = given['replicate'] === undefined || on(given['replicate']);
  const mountpoint = key === 'rootfs' ? '/' : given['mp'];
  return { key, volid, replicate, storage, size: given['size'], ...(mountpoint ? { mountpoint } : {}) };
}

const byKey = ([a]: readonly [string, string], [b]: readonly [string, string]) =>
  a.localeCompare(b, 'en', { numeric: true });

/** MAC of net0, the guest's identity; undefined for a guest without a network card. */
export function macOf(config: Config): string | undefined {
  return config['net0'] === undefined ? undefined : network('net0', config['net0']).mac;
}

/** What only the configuration tells. The description loses the line feed that Proxmox appends (ODDITIES 16). */
export function fromConfig(
  config: Config,
): Pick<
  GuestDetail,
  | 'protection'
  | 'onboot'
  | 'unprivileged'
  | 'description'
  | 'mac'
  | 'networks'
  | 'volumes'
  | 'swap'
  | 'features'
  | 'digest'
> {
  const entries = Object.entries(config).sort(byKey);
  const swap = Number(config['swap']);
  return {
    protection: on(config['protection']),
    onboot: on(config['onboot']),
    unprivileged: on(config['unprivileged']),
    description: (config['description'] ?? '').trimEnd(),
    mac: macOf(config),
    networks: entries.filter(([key]) => /^net\d+$/.test(key)).map(([key, value]) => network(key, value)),
    volumes: entries.filter(([key]) => volumeKey.test(key)).map(([key, value]) => volume(key, value)),
    swap: config['swap'] === undefined || !Number.isFinite(swap) ? undefined : swap,
    features: config['features'],
    digest: config['digest'] ?? '',
  };
}

/** Written with `;`, `,` or blanks (ODDITIES 15). */
export const tagsOf = (text: string | undefined): readonly string[] =>
  [...new Set((text ?? '').split(/[;,\s]+/).filter(Boolean))].sort();

/** Whether a description or comment holds the marker as a whole word, not as the beginning of a longer id. */
export function hasMarker(text: string | undefined, marker: string): boolean {
  if (!text || marker === '') return false;
  for (let at = text.indexOf(marker); at >= 0; at = text.indexOf(marker, at + 1)) {
    const before = at === 0 ? '' : text[at - 1]!;
    const after = text[at + marker.length] ?? '';
    if (!/[\w-]/.test(before) && !/[\w-]/.test(after)) return true;
  }
  return false;
}
