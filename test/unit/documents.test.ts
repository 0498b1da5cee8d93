import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksOf, filesBelow, read } from '../helpers/doc-blocks.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** The rehearsal of v3.0 removes the transition, which the documents of this release describe. */
const HAS_TRANSITION = existsSync(join(ROOT, 'src', 'transition'));

const PAGES = filesBelow('docs').filter((name) => name.endsWith('.md'));
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'keys/README.md', ...PAGES];

/** Where comments and messages name pages. */
const SOURCES = ['src', 'scripts', 'examples', 'migrations'].flatMap(filesBelow).concat('.env.example');

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

  it('name only tests that exist', () => {
    const named = PAGES.flatMap((path) =>
      [
        ...read(path).matchAll(
          /`(?:test\/)?((?:unit|integration|e2e|faults|long)\/[\w./-]+?)(?:\.test\.ts)?`/g,
        ),
      ].map(([, test]) => ({ path, test })),
    );
    expect(named.length).toBeGreaterThan(100);
    const present = named.filter(({ test }) => HAS_TRANSITION || !test!.includes('/transition/'));
    expect(present.filter(({ test }) => !existsSync(join(ROOT, 'test', `${test}.test.ts`)))).toEqual([]);
  });

  it.runIf(HAS_TRANSITION)('describe an architecture whose classes and files exist', () => {
    const code = filesBelow('src').filter((path) => path.endsWith('.ts'));
    const declared = new Set(
      code.flatMap((path) =>
        [...read(path).matchAll(/^export (?:abstract )?(?:class|interface|type|function|const) (\w+)/gm)].map(
          ([, name]) => name,
        ),
      ),
    );
    const named = [...read('docs/ARCHITECTURE.md').matchAll(/`([^`\n]+)`/g)].map(([, name]) => name!);
    const classes = named.flatMap((name) => /^([A-Z]\w*[a-z]\w*)(?:\.\w+)?$/.exec(name)?.[1] ?? []);
    const files = named.filter(
      (name) => /^(?!\*)[\w/-]+\/[\w.-]+\.ts$/.test(name) && !name.startsWith('test/'),
    );
    expect(classes.length).toBeGreaterThan(20);
    expect(classes.filter((name) => !declared.has(name))).toEqual([]);
    expect(files.filter((path) => !existsSync(join(ROOT, 'src', path)))).toEqual([]);
  });
});
