import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, it } from 'vitest';
import { blocksOf, filesBelow, read, runDocument } from '../helpers/doc-blocks.js';
import { DOCUMENT_TIMEOUT, runOnOwnNode } from '../helpers/document-node.js';

const ROOT = join(import.meta.dirname, '..', '..');

const PAGES = filesBelow('docs').filter((name) => name.endsWith('.md'));

/** Pages that go with the transition: `transition/documents.test.ts` runs them. `walk-through.test.ts` runs the README. */
const OF_TRANSITION = /^docs\/(transition\/|adopt\/walk-through\.md|auth-migration-guide\.md)/;
const EXECUTED = PAGES.filter((path) => !OF_TRANSITION.test(path) && hasCode(path));

function hasCode(path: string): boolean {
  return blocksOf(read(path)).some(({ language }) => /^(bash|sh|typescript|ts|python)$/.test(language));
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
});
