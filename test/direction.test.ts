import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

/**
 * Who may import whom (DESIGN: Direction). `src/contracts` imports nothing of ours; handlers, policies and each
 * adapter import the contracts and themselves; the rest of `src` imports only `src`; `src/main*.ts` know everyone.
 */
const root = resolve(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[mc]?[tj]s$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Relative imports, static, dynamic and re-exports, as paths from the root. */
function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)].map((match) =>
    relative(root, resolve(root, dirname(file), match[1]!)),
  );
}

/** The room a file lives in; adapters are one room each. */
function room(file: string): string {
  const parts = file.split('/');
  if (file.startsWith('src/contracts/')) return 'src/contracts';
  return parts[0] === 'adapters' ? parts.slice(0, 2).join('/') : parts[0]!;
}

const forbidden = ['src', 'handlers', 'policies', 'adapters'].flatMap(sources).flatMap((file) =>
  imports(file)
    .filter((target) => {
      const [from, to] = [room(file), room(target)];
      if (/^src\/main(-[a-z]+)?\.ts$/.test(file)) return false;
      if (from === to) return false;
      if (from === 'src/contracts') return true;
      return to !== 'src/contracts';
    })
    .map((target) => `${file} imports ${target}`),
);

test('imports point only where the design allows', () => {
  expect(sources('src').length).toBeGreaterThan(20);
  expect(forbidden).toEqual([]);
});

test('nothing is named utils, helpers, manager or service', () => {
  const names = ['src', 'handlers', 'policies', 'adapters', 'test'].flatMap(sources);
  expect(names.filter((name) => /(^|[/-])(utils?|helpers?|manager|service)\b/i.test(name))).toEqual([]);
});

test('the top level holds only what the design names and what tools demand', () => {
  const allowed = new Set(
    'package.json package-lock.json tsconfig.json biome.json src handlers adapters policies test Dockerfile .dockerignore README.md CHANGELOG.md CONTRIBUTING.md LICENSE bascule.example.yaml .ci .git .gitignore node_modules var coverage .vitest'.split(
      ' ',
    ),
  );
  expect(readdirSync(root).filter((name) => !allowed.has(name))).toEqual([]);
});
