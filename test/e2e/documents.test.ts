import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksOf, runDocument } from '../helpers/doc-blocks.js';
import { DOCUMENT_TIMEOUT, runOnOwnNode } from '../helpers/document-node.js';

const ROOT = join(import.meta.dirname, '..', '..');

const PAGES = filesBelow('docs').filter((name) => name.endsWith('.md'));
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'keys/README.md', ...PAGES];

/** Pages that go with the transition: `transition/documents.test.ts` runs them. `walk-through.test.ts` runs the README. */
const OF_TRANSITION = /^docs\/(transition\/|auth-migration-guide\.md)/;
const EXECUTED = PAGES.filter((path) => !OF_TRANSITION.test(path) && hasCode(path));

/** Where comments and messages name pages. */
const SOURCES = ['src', 'scripts', 'deploy', 'migrations'].flatMap(filesBelow).concat('.env.example');

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function hasCode(path: string): boolean {
  return blocksOf(read(path)).some(({ language }) => /^(bash|sh|typescript|ts|python)$/.test(language));
}

/** The anchors that GitHub gives the headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

describe('the documents', () => {
  it.each(EXECUTED)('every code block in %s runs as written', { timeout: DOCUMENT_TIMEOUT }, (path) =>
    runOnOwnNode(path),
  );

  it('run in a folder where a block can rebuild dist and import packages', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-document-'));
    try {
      const text = [
        '```bash',
        'case "$0" in "$PWD"/dist/*) exit 1;; "$PWD"/*) ;; *) exit 2;; esac',
        '```',
        '```typescript',
        `import { decodeJwt } from 'jose'; decodeJwt satisfies Function;`,
        '```',
        '',
      ];
      await writeFile(join(folder, 'document.md'), text.join('\n'));
      await runDocument(relative(ROOT, join(folder, 'document.md')), 'http://127.0.0.1:1', {});
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each(DOCUMENTS)(
    '%s links only to files and headings that exist, and names a language for each block',
    (path) => {
      const text = read(path);
      blocksOf(text);
      const prose = text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '');
      for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/i.test(target!)) continue;
        const [file = '', anchor] = target!.split('#');
        const place = file === '' ? path : join(dirname(path), file);
        expect(existsSync(join(ROOT, place)), `${path} → ${target}`).toBe(true);
        if (anchor !== undefined && place.endsWith('.md'))
          expect(anchorsOf(read(place)), `${path} → ${target}`).toContain(anchor);
      }
    },
  );

  it('exist under every path that the sources name', () => {
    const named = SOURCES.flatMap((path) =>
      [...read(path).matchAll(/docs\/[\w/-]+\.md/g)].map(([page]) => ({ path, page })),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter(({ page }) => !existsSync(join(ROOT, page)))).toEqual([]);
  });
});
