import type { Card, Fact } from '../src/contracts/card.ts';
import { defineCommand, type ReadContext } from '../src/contracts/command.ts';
import { Masker } from '../src/contracts/secrets.ts';
import type { FilePath } from '../src/contracts/shell.ts';
import { guestLabel } from '../src/contracts/steps.ts';
import { visible } from '../src/contracts/visible.ts';
import { ct, from, optional, path } from './options.ts';
import { beginning, difference } from './parts/files-diff.ts';
import { isProtected, shownPath, typedPath } from './parts/files-paths.ts';
import { type Picked, pick } from './parts/files-pick.ts';
import { type Seen, see } from './parts/files-show.ts';
import { containerOf } from './parts/files-sources.ts';
import { attempt } from './parts/guests.ts';
import { count, dateTime, fileSize } from './parts/units.ts';

export const fileShow = defineCommand({
  name: 'file show',
  summary: 'A file or folder now or in an older version, and how it differs from now',
  examples: [
    'file show vmid:103 path:/etc/nginx/nginx.conf',
    'file show vmid:103 path:/etc/nginx/nginx.conf from:autodaily261114020001',
  ],
  options: { vmid: ct, path, from: optional(from, 'Which version; default: the one there now') },
  positional: ['vmid', 'path', 'from'],
  action: 'file.show',
  risk: 'read',
  private: true,
  answer: (options, context) => answer(options.vmid, options.path, options.from ?? 'live', context),
});

const NAMES = 60;

async function answer(wanted: string, path: FilePath, from: string, context: ReadContext): Promise<Card> {
  const what = `${shownPath(path)} was not shown`;
  const guest = await containerOf(wanted, what, context);
  const picked = await pick(guest, path, from, what, context);
  const hidden = isProtected(path);
  const contents = !hidden && context.may('file.contents', guest);
  const seen = await see(guest, picked, path, contents, context);
  const masker = new Masker();
  const compared = contents ? await compare(guest, picked, path, seen, masker, context) : { lines: [], code: [] };
  const body = contents ? bodyOf(seen, masker) : { lines: [], code: [] };
  const notes = [
    ...(hidden ? ['Its path says that it holds passwords or keys; its contents are never shown'] : []),
    ...(!hidden && !contents && seen.type === 'file'
      ? ['You may see what it is, but not what is in it (file.contents)']
      : []),
    ...(masker.count > 0 ? [`${count(masker.count, 'secret')} masked; the same number is the same secret`] : []),
  ];
  return {
    title: `${shownPath(path)} in ${guestLabel(guest)}${picked.source === 'live' ? '' : `, ${from}`}`,
    tone: hidden ? 'warning' : 'plain',
    lines: [...notes, ...compared.lines, ...body.lines],
    facts: factsOf(seen, context.zone),
    ...(compared.code.length + body.code.length > 0 ? { code: [...compared.code, ...body.code] } : {}),
    footer:
      picked.source === 'snapshot'
        ? `${context.root}file restore vmid:${guest.vmid} path:${typedPath(path)} from:${from}`
        : `${context.root}file versions vmid:${guest.vmid} path:${typedPath(path)}`,
    private: true,
  };
}

function factsOf(seen: Seen, zone: string): readonly Fact[] {
  const { type, size, mode, uid, gid, mtime, links, entries, bytes, complete, target } = seen;
  const some = complete === false ? 'more than ' : '';
  return [
    { label: 'Type', value: type },
    ...(target === undefined ? [] : [{ label: 'Leads to', value: visible(target) }]),
    ...(type === 'file' && size !== undefined ? [{ label: 'Size', value: fileSize(size) }] : []),
    ...(entries === undefined ? [] : [{ label: 'Holds', value: `${some}${entries} names, ${fileSize(bytes ?? 0)}` }]),
    ...(mode === undefined ? [] : [{ label: 'Mode', value: mode }]),
    ...(uid === undefined ? [] : [{ label: 'Owner', value: `uid ${uid}, gid ${gid}` }]),
    ...(mtime === undefined ? [] : [{ label: 'Changed', value: dateTime(mtime * 1000, zone) }]),
    ...(type === 'file' && (links ?? 1) > 1 ? [{ label: 'Hard links', value: String(links) }] : []),
  ];
}

interface Part {
  readonly lines: readonly string[];
  readonly code: readonly string[];
}

function bodyOf(seen: Seen, masker: Masker): Part {
  if (seen.names) return folder(seen.names, seen.whole !== false);
  if (seen.type !== 'file') return { lines: [], code: [] };
  if (seen.binary) return { lines: ['It is not text'], code: [] };
  if (seen.text === undefined) return { lines: ['It is too large to be shown'], code: [] };
  if (seen.text === '') return { lines: ['It is empty'], code: [] };
  const first = beginning(masker.mask(seen.text));
  const lines =
    first.more > 0 || seen.whole === false
      ? [`The first ${count(first.text.split('\n').length, 'line')} of it, below`]
      : [];
  return { lines, code: [first.text] };
}

function folder(names: NonNullable<Seen['names']>, whole: boolean): Part {
  if (names.length === 0) return { lines: ['It is empty'], code: [] };
  const rows = names.slice(0, NAMES).map(({ name, type, size }) => {
    const end = type === 'directory' ? '/' : type === 'file' ? `  ${fileSize(size)}` : `  (${type})`;
    return `${visible(name)}${end}`;
  });
  const left = names.length - rows.length;
  const lines = left > 0 || !whole ? [`${whole ? left : `At least ${left}`} more names are not shown`] : [];
  return { lines, code: [rows.join('\n')] };
}

/** How it differs from what is there now; both sides are masked by the same masker. */
async function compare(
  guest: Parameters<typeof see>[0],
  picked: Picked,
  path: FilePath,
  seen: Seen,
  masker: Masker,
  context: ReadContext,
): Promise<Part> {
  if (picked.source === 'live' || seen.text === undefined) return { lines: [], code: [] };
  const now = await attempt(() =>
    see(guest, { source: 'live', node: guest.node, from: 'live', path }, path, true, context),
  );
  if ('failed' in now) return { lines: [`Not compared with now: ${now.failed}`], code: [] };
  if (now.value.text === undefined)
    return { lines: [`Not compared: what is there now is no small text (${now.value.type})`], code: [] };
  if (now.value.text === seen.text)
    return { lines: [seen.whole === false ? 'Its beginning is the same as now' : 'The same text as now'], code: [] };
  const found = difference(masker.mask(seen.text), masker.mask(now.value.text));
  if (!found) return { lines: ['It differs from now in very many lines'], code: [] };
  const more = found.more > 0 ? `, ${found.more} lines not shown` : '';
  return {
    lines: [`Since then: ${count(found.added, 'line')} came (+), ${found.removed} went (-)${more}`],
    code: [found.text],
  };
}
