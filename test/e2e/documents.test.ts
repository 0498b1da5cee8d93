import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { blocksOf, runDocument } from '../helpers/doc-blocks.js';
import { ADMIN, NodeProcess } from '../helpers/node-process.js';

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
  let node: NodeProcess | undefined;
  afterEach(async () => {
    await node?.remove();
    node = undefined;
  });

  it.each(EXECUTED)('%s does what it shows', { timeout: 120_000 }, async (path) => {
    // Started as the README does it: with a database of its own, so the demonstration user is there.
    node = await NodeProcess.start({ env: { TOKEN_EXPIRY: '900' } });
    await runDocument(path, node.url, {
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...node.environment,
    });
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
