import type { Volume } from '../../src/contracts/cluster.ts';
import type { FilePath } from '../../src/contracts/shell.ts';
import { visible } from '../../src/contracts/visible.ts';

/** Paths inside containers. Names are bytes: a path that is not UTF-8 travels as base64. */

/** The node's own limits (adapters/shell/node). */
const LONGEST = 4000;
const LONGEST_PART = 255;

export function bytesOf(path: FilePath): Buffer {
  return 'path' in path ? Buffer.from(path.path) : Buffer.from(path.pathBase64, 'base64');
}

export function pathOf(bytes: Buffer): FilePath {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? { path: text } : { pathBase64: bytes.toString('base64') };
}

/** As it is typed after `path:`, in quotes where it needs them. */
export function typedPath(path: FilePath): string {
  const word = 'path' in path ? path.path : `base64:${path.pathBase64}`;
  return /^[^\s"'“”„‘’«»\\]+$/.test(word) ? word : `"${word.replace(/["”\\]/g, '\\$&')}"`;
}

/** For people: nothing hidden; bytes that are not UTF-8 as `\xNN`. */
export function shownPath(path: FilePath): string {
  if ('path' in path) return visible(path.path);
  return visible(
    bytesOf(path)
      .toString('latin1')
      .replaceAll(/[^\x20-\x7e]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`),
  );
}

/** Reads what somebody typed. */
export function readPath(text: string): { readonly value: FilePath } | { readonly problem: string } {
  const coded = /^base64:(.*)$/s.exec(text)?.[1];
  const bytes = coded === undefined ? Buffer.from(text) : Buffer.from(coded, 'base64');
  if (coded !== undefined && bytes.toString('base64').replace(/=+$/, '') !== coded.replace(/=+$/, ''))
    return { problem: 'what stands after base64: is not base64' };
  const trimmed = bytes.length > 1 && bytes.at(-1) === 0x2f ? bytes.subarray(0, -1) : bytes;
  const problem = trouble(trimmed.toString('latin1'));
  return problem === undefined ? { value: pathOf(trimmed) } : { problem };
}

/** `bytes` as latin1, one letter each. */
function trouble(bytes: string): string | undefined {
  if (!bytes.startsWith('/')) return 'the path must begin with /, as inside the container';
  if (bytes.length > LONGEST) return `the path has ${bytes.length} bytes, ${LONGEST} are allowed`;
  if (/[\0\n\r]/.test(bytes)) return 'the path has a NUL or a line break in it';
  if (bytes === '/') return undefined;
  const parts = bytes.slice(1).split('/');
  if (parts.some((part) => part === '..' || part === '.'))
    return 'the path has . or .. in it: write where it really leads';
  if (parts.includes('')) return 'the path has // in it';
  if (parts.some((part) => part.length > LONGEST_PART))
    return `a name in the path is longer than ${LONGEST_PART} bytes`;
  if (parts.includes('.zfs'))
    return 'the path goes into .zfs: write the path as it is now, and name the snapshot in from:';
  return undefined;
}

/** The folder it is in, and its name in there; undefined for `/`. */
export function split(path: FilePath): { readonly folder: FilePath; readonly name: Buffer } | undefined {
  const bytes = bytesOf(path);
  const at = bytes.lastIndexOf(0x2f);
  if (bytes.length === 1) return undefined;
  return { folder: pathOf(at === 0 ? bytes.subarray(0, 1) : bytes.subarray(0, at)), name: bytes.subarray(at + 1) };
}

export interface OnVolume {
  readonly volume: Volume;
  /** Of the dataset: `subvol-103-disk-0`. */
  readonly name: string;
  /** Counted from the volume's own root. */
  readonly path: FilePath;
}

/** The volume that holds a path: the longest mount point that begins it. Undefined for bind mounts and the like. */
export function onVolume(volumes: readonly Volume[], path: FilePath): OnVolume | undefined {
  const bytes = bytesOf(path);
  const within = (point: Buffer): boolean =>
    point.length === 1 ||
    (bytes.subarray(0, point.length).equals(point) && [undefined, 0x2f].includes(bytes[point.length]));
  const mounted = volumes
    .filter((volume) => volume.mountpoint !== undefined)
    .map((volume) => ({ volume, point: Buffer.from(volume.mountpoint!.replace(/(?<=.)\/+$/, '')) }))
    .filter(({ point }) => within(point))
    .sort((a, b) => b.point.length - a.point.length)[0];
  const name = /(?:^|[:/])((?:subvol|basevol)-\d+-disk-\d+)$/.exec(mounted?.volume.volid ?? '')?.[1];
  if (!mounted || name === undefined) return undefined;
  const rest = mounted.point.length === 1 ? bytes : bytes.subarray(mounted.point.length);
  return { volume: mounted.volume, name, path: pathOf(rest.length === 0 ? Buffer.from('/') : rest) };
}

/** What restores and editors append; such a copy is as secret as its original. */
const COPY =
  /(?:\.(?:restored|before-restore|undone)-\d{8}T\d{6}Z|~|-|\.(?:bak|old|orig|save|new|dpkg-\w+|ucf-\w+|rpm\w+|swp|\d{1,3}))$/;
const SECRET: readonly RegExp[] = [
  /^\/etc\/(?:shadow|gshadow|sudo-ldap\.conf|ldap\.secret|krb5\.keytab|machine-key|wireguard\/.+\.conf)$/,
  /^\/etc\/(?:ssl|pki|pve|letsencrypt|openvpn|ipsec\.d)\/(?:.*\/)?(?:private|priv|keys?)(?:\/.+)?$/,
  /\/(?:id_(?:rsa|dsa|ecdsa|ed25519|ecdsa_sk|ed25519_sk)|ssh_host_\w+_key|identity)$/,
  /\/\.ssh\/(?!(?:authorized_keys2?|known_hosts|config|rc|environment|.*\.pub)$)[^/]+$/,
  /\.(?:pem|key|p12|pfx|jks|keystore|kdbx?|keytab|ppk|asc\.key|agekey)$/,
  /\/(?:\.netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.vault[-_]?(?:pass|token)\w*|secring\.gpg|wallet\.dat)$/,
  /\/(?:\.gnupg\/(?:private-keys.*|secring.*)|\.aws\/credentials|\.docker\/config\.json|\.kube\/config|\.config\/gh\/hosts\.yml)$/,
  /^\/run\/secrets\/.+$/,
];

/** Whether the path alone says that it holds passwords or keys. Its contents are never shown. */
export function isProtected(path: FilePath): boolean {
  let text = bytesOf(path).toString('latin1');
  for (let shorter = text.replace(COPY, ''); shorter !== text; shorter = text.replace(COPY, '')) {
    if (SECRET.some((pattern) => pattern.test(text))) return true;
    text = shorter;
  }
  return SECRET.some((pattern) => pattern.test(text));
}
