import type { Card } from '../src/contracts/card.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import type { FilePath } from '../src/contracts/shell.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { ct, path } from './options.ts';
import { inOrder, letters, shorten, type Version } from './parts/files-fold.ts';
import { isProtected, shownPath, typedPath } from './parts/files-paths.ts';
import { containerOf, everyVersion, type Found, nowhere } from './parts/files-sources.ts';
import { count, dateTime, fileSize } from './parts/units.ts';

export const fileVersions = defineCommand({
  name: 'file versions',
  summary: 'Every version of a file: snapshots, also hidden ones, replicas and backups',
  examples: ['file versions vmid:103 path:/etc/nginx/nginx.conf'],
  options: { vmid: ct, path },
  positional: ['vmid', 'path'],
  action: 'file.versions',
  risk: 'read',
  private: true,
  answer: (options, context) => answer(options.vmid, options.path, context),
});

/** Rows a card bears; the rest is counted. */
const ROWS = 24;

async function answer(wanted: string, path: FilePath, context: ReadContext): Promise<Card> {
  const what = 'no versions were looked up';
  const guest = await containerOf(wanted, what, context);
  const found = await everyVersion(guest, path, context);
  if (found.versions.length === 0) nowhere(found, path, what, context);
  const versions = inOrder(found.versions);
  const marks = letters(versions);
  const different = new Set(marks.filter((mark) => mark !== '' && !mark.endsWith('?'))).size;
  const { kept, alike } = shorten(marks, ROWS);
  const left = versions.length - kept.length - alike;
  // A hash lets people guess what is in a small file.
  const hashes = context.may('file.contents', guest) && !isProtected(path) && versions.some((each) => each.sha256);
  return {
    title: `${shownPath(path)} in ${guestLabel(guest)}: ${count(versions.length, 'version')}${different > 1 ? `, ${different} different` : ''}`,
    tone: found.missing.length > 0 || versions[0]?.source !== 'live' ? 'warning' : 'plain',
    lines: [
      ...(gone(found) ? ['It is not there now'] : []),
      ...(alike + left > 0 ? [`Not shown: ${rest(alike, left)}`] : []),
      ...(found.absent > 0 ? [`Without it: ${found.absent} of the snapshots and backups`] : []),
      ...found.troubles.slice(0, 3).map(({ from, why, real }) => `${from}: ${why}${real ? `, really ${real}` : ''}`),
      ...found.missing.map((line) => `Not looked at: ${line}`),
    ],
    table: {
      columns: ['From', 'Taken', 'Same', 'Size', 'Changed', 'Kind', ...(hashes ? ['SHA-256'] : [])],
      rows: kept.map((at) => row(versions[at]!, marks[at]!, hashes, context.zone)),
    },
    footer: `${context.root}file show vmid:${guest.vmid} path:${typedPath(path)} from:${example(versions)}`,
    private: true,
  };
}

function row(version: Version, mark: string, hashes: boolean, zone: string): readonly string[] {
  const { name, taken, size, mtime, kind, type, sha256 } = version;
  return [
    name,
    taken > 0 ? dateTime(taken * 1000, zone) : name === 'live' ? 'now' : 'unknown',
    mark || (type === 'unread' ? 'not looked at' : type === 'file' ? '?' : type),
    size === undefined || type === 'directory' ? '' : fileSize(size),
    mtime === undefined ? '' : dateTime(mtime * 1000, zone),
    kind,
    ...(hashes ? [sha256?.slice(0, 8) ?? ''] : []),
  ];
}

const rest = (alike: number, left: number): string =>
  [
    ...(alike > 0 ? [`${alike} like those before and after them`] : []),
    ...(left > 0 ? [`${left} ${alike > 0 ? 'even ' : ''}older`] : []),
  ].join(', ');

/** Its node was asked, and has no live one. */
function gone({ versions, failure, troubles }: Found): boolean {
  return (
    failure === undefined &&
    !troubles.some(({ from }) => from === 'live') &&
    versions.some(({ source }) => source === 'snapshot') &&
    !versions.some(({ source, type }) => source === 'live' || type === 'unread')
  );
}

/** A version worth looking at: the newest that differs from now, or the newest there is. */
function example(versions: readonly Version[]): string {
  const marks = letters(versions);
  const other = versions.findIndex((each, at) => each.source !== 'live' && marks[at] !== marks[0]);
  return (versions[other] ?? versions.at(-1))!.name;
}
