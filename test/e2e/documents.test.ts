import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksOf, runDocument } from '../helpers/doc-blocks.js';
import { DOCUMENT_TIMEOUT, runOnOwnNode } from '../helpers/document-node.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** Their blocks are run as they stand; those of the README's walk-through are in walk-through.test.ts. */
const EXECUTED = [
  'docs/admin/command-line.md',
  'docs/admin/import.md',
  'docs/admin/token-management.md',
  'docs/api/authentication.md',
  'docs/api/oauth.md',
  'docs/operations.md',
  'docs/security/jwt-best-practices.md',
];

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'keys/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** GitHub's names of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

describe('a document', () => {
  it.each(EXECUTED)('%s does what it shows', { timeout: DOCUMENT_TIMEOUT }, (path) => runOnOwnNode(path));

  it('is run where a block may build dist anew, and where blocks can import packages', async () => {
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

  it.each(DOCUMENTS)('%s has no link that leads nowhere, and says the language of its blocks', (path) => {
    const text = readFileSync(join(ROOT, path), 'utf8');
    blocksOf(text);
    const prose = text.replace(/^```.*?^```$/gms, '').replace(/`[^`\n]*`/g, '');
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/i.test(target!)) continue;
      const [file = '', anchor] = target!.split('#');
      const place = file === '' ? join(ROOT, path) : join(ROOT, dirname(path), file);
      expect(existsSync(place), `${path} → ${target}`).toBe(true);
      if (anchor !== undefined && place.endsWith('.md'))
        expect(anchorsOf(readFileSync(place, 'utf8')), `${path} → ${target}`).toContain(anchor);
    }
  });
});
