import type { Records } from '../../src/contracts/command.ts';
import { fail } from '../../src/contracts/failure.ts';
import type { Plan } from '../../src/contracts/plan.ts';
import type { RunRecord } from '../../src/contracts/records.ts';
import type { FilePath, FileVersion, FileVersions, NodeView } from '../../src/contracts/shell.ts';
import { noRecords } from './ask.ts';
import { fakeNodes } from './fake-nodes.ts';
import { NOW } from './fake-view.ts';

/** One file on some nodes: what each of its versions says, by the version's name. */
export interface FakeFiles {
  /** By node, live first, then newest first. */
  readonly versions: Readonly<Record<string, readonly FileVersion[]>>;
  /** By `<node>:<version>`. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly troubles?: FileVersions['troubles'];
}

/** A version so many hours old; text makes size, hash and identity. */
export function fileVersion(from: string, hours: number, text: string, more: Partial<FileVersion> = {}): FileVersion {
  const kind = /^__replicate_/.test(from)
    ? 'replication'
    : /^auto/.test(from)
      ? 'autosnap'
      : from === 'live'
        ? 'live'
        : 'manual';
  const seconds = Math.floor(NOW / 1000);
  return {
    from,
    class: kind,
    guid: from === 'live' ? '' : `9${from.length}${hours}`,
    taken: from === 'live' ? seconds : seconds - hours * 3600,
    hidden: kind === 'replication' || from.startsWith('by-hand'),
    type: 'file',
    size: Buffer.byteLength(text),
    mode: '0644',
    uid: 0,
    gid: 0,
    mtime: seconds - 86_400 * (1 + text.length),
    sha256: Buffer.from(text.padEnd(32, '.')).toString('hex').slice(0, 64),
    identity: `same ${text}`,
    ...more,
  };
}

/** Nodes that answer about this one file, and remember what they were asked. */
export function filesOn(files: FakeFiles, asked: string[] = []): NodeView {
  const find = (node: string, from: string): FileVersion =>
    files.versions[node]?.find((each) => each.from === from) ??
    fail('not-found', {
      what: 'nothing was shown',
      why: `the dataset has no snapshot ${from}`,
      next: 'file.versions lists them',
    });
  const note = (verb: string, node: string, path: FilePath, from = '', volume = ''): void => {
    asked.push([verb, node, 'path' in path ? path.path : path.pathBase64, from, volume].filter(Boolean).join(' '));
  };
  return fakeNodes(Object.keys(files.versions), {
    async versions(node, vmid, path, volume) {
      note('versions', node, path, '', volume);
      return {
        vmid,
        path: 'path' in path ? path.path : '?',
        dataset: `rpool/data/subvol-${vmid}-disk-0`,
        volume: `subvol-${vmid}-disk-0`,
        absent: 1,
        troubles: files.troubles ?? [],
        versions: files.versions[node] ?? [],
      };
    },
    async stat(node, vmid, path, from, volume) {
      note('stat', node, path, from, volume);
      const found = find(node, from);
      return {
        ...found,
        vmid,
        path: 'path' in path ? path.path : '?',
        from,
        links: 1,
        ...(found.type === 'directory' ? { entries: 12, bytes: 4096, complete: true } : {}),
      };
    },
    async show(node, vmid, path, from, volume) {
      note('show', node, path, from, volume);
      const found = find(node, from);
      const text = files.texts?.[`${node}:${from}`];
      return {
        ...found,
        vmid,
        path: 'path' in path ? path.path : '?',
        from,
        links: 1,
        ...(text === undefined ? { binary: true } : { text, whole: true }),
      };
    },
    async dryRun({ verb, node }) {
      asked.push(`dry-run ${verb} ${node}`);
      return { would: [{ command: ['CT 103:', 'mv'] }] };
    },
  });
}

/** What the bot remembers of a restore that ended well an hour ago. */
export function restoredBefore(
  plan: Plan,
  more: { readonly state?: string; readonly undoUntil?: number; readonly cluster?: string } = {},
): Records {
  const request = {
    id: 'r-7',
    state: more.state ?? 'done',
    cluster: more.cluster ?? plan.cluster,
    command: plan.command,
    plan,
    createdAt: NOW - 3_700_000,
    endedAt: NOW - 3_600_000,
  };
  const result = {
    restored: '/etc/nginx/nginx.conf',
    kept: '/etc/nginx/nginx.conf.before-restore-20261115T120211Z',
    undoUntil: more.undoUntil ?? NOW / 1000 + 82_800,
  };
  const run = {
    id: 'r-7',
    state: request.state,
    steps: [{ name: 'restore', says: '', state: 'done', note: '', sent: 1, result }],
    left: [],
  };
  return { ...noRecords, request: async () => request as never, run: async () => run as unknown as RunRecord };
}
