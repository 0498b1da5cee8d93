import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const OXLINT = join(ROOT, 'node_modules', '.bin', 'oxlint');

const REFUSED = {
  'a MAC by operator': `if (mac === given) done();`,
  'a property': `if (row.passwordHash !== other) done();`,
  'a property in brackets': `if (parts['digest'] == other) done();`,
  'a private field': `class A { #secret = f(); same(x: unknown) { return x === this.#secret; } }`,
  'the result of a function': `if (signatureOf(text) === given) done();`,
  'a hash of another name': `const a = createHmac('sha256', key).update(x).digest('hex'); if (a === b) done();`,
  'a hash behind two variables': `const a = scryptSync(x, y, 32); const b = Buffer.from(a).toString('hex'); if (b === c) done();`,
  'a variable that is given a hash later': `let a; a = hkdfSync('sha256', k, '', '', 32); if (a === b) done();`,
  'what an await gives': `const a = (await hashOf(x)) as string; if (a! === b) done();`,
  'text with a hash in it': 'if (`v1.${digest}` === given) done();',
  'one of two': `if ((ready ? mac : other) === given) done();`,
  'a part of it': `if (mac.subarray(0, 8).toString('hex') === given) done();`,
  'any buffers': `if (a.equals(b)) done();`,
  'any buffers, by the static method': `if (Buffer.compare(a, b) === 0) done();`,
  'any buffers, behind a question mark': `if (a?.equals(b)) done();`,
  'by localeCompare': `if (mac.localeCompare(given) === 0) done();`,
  'by Object.is': `if (Object.is(given, signature)) done();`,
  'by a function of assert': `if (isDeepStrictEqual(given, digest)) done();`,
  'by a look into a list': `if (accepted.includes(secret)) done();`,
  'by its beginning': `if (password.startsWith(given)) done();`,
  'by a switch': `switch (given) { case secret: done(); }`,
};

const ALLOWED = {
  'constant time': `if (timingSafeEqual(mac, given)) done();`,
  nothing: `if (mac === undefined || secret === null || password == null) done();`,
  'a literal': `if (password === '' || kind === 'password') done();`,
  'a type': `if (typeof secret === 'string') done();`,
  'a length': `if (mac.length === given.length) done();`,
  'what a check says': `if (checkMac(a, b) === right) done();`,
  'a count of hashes': `const hash = counter(); if (hash.count === n) done();`,
  'a name that only looks like it': `if (machine === other || hashingRoom === other) done();`,
  'a literal in a list': `if (password.includes(' ') || secrets.includes('x')) done();`,
  'a switch over kinds': `switch (digest) { case 'sha256': done(); }`,
};

/** The same file with the call at `start` turned into a comparison that is not in constant time. */
function mutantsOf(text: string, start: number, end: number): string[] {
  let depth = 0;
  let comma = 0;
  let close = end;
  for (; close < text.length; close += 1) {
    if ('([{'.includes(text[close]!)) depth += 1;
    if (')]}'.includes(text[close]!)) depth -= 1;
    if (depth === 0) break;
    if (depth === 1 && text[close] === ',' && comma === 0) comma = close;
  }
  const [one, other] = [text.slice(end + 1, comma), text.slice(comma + 1, close)];
  const mutants = [`((${one}) === (${other}))`, `(${one}).equals(${other})`, `Object.is(${one}, ${other})`];
  return mutants.map((mutant) => text.slice(0, start) + mutant + text.slice(close + 1));
}

describe('the lint rule tandem/constant-time', () => {
  let folder: string;
  let reported: Set<string>;
  const mutants: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-lint-'));
    const put = async (path: string, text: string) => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    };
    const config = { categories: { correctness: 'off' }, rules: { 'tandem/constant-time': 'error' } };
    const plugin = join(ROOT, 'scripts', 'lint', 'tandem.mjs');
    await put('.oxlintrc.json', JSON.stringify({ ...config, jsPlugins: [plugin] }));
    for (const [kind, cases] of Object.entries({ refused: REFUSED, allowed: ALLOWED }))
      for (const [name, text] of Object.entries(cases)) await put(`${kind}/${name}.ts`, text);
    for (const path of readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue;
      const text = readFileSync(join(ROOT, 'src', path), 'utf8');
      await put(join('as-it-is', path), text);
      for (const { index, 0: call } of text.matchAll(
        /\b(?:timingSafeEqual|sameSecret)(?=\((?!secret: Secret))/g,
      )) {
        for (const mutant of mutantsOf(text, index, index + call.length)) {
          mutants.push(`mutants/${mutants.length}.ts`);
          await put(mutants.at(-1)!, mutant);
        }
      }
    }
    const output = await new Promise<string>((resolve) => {
      execFile(OXLINT, ['--format', 'json', '.'], { cwd: folder, maxBuffer: 1 << 26 }, (_error, stdout) =>
        resolve(stdout),
      );
    });
    const { diagnostics } = JSON.parse(output) as { diagnostics: { code: string; filename: string }[] };
    expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(['tandem(constant-time)']));
    reported = new Set(diagnostics.map(({ filename }) => filename));
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(Object.keys(REFUSED))('refuses a comparison of %s', (name) => {
    expect(reported).toContain(`refused/${name}.ts`);
  });

  it.each(Object.keys(ALLOWED))('allows a comparison of %s', (name) => {
    expect(reported).not.toContain(`allowed/${name}.ts`);
  });

  it('finds each secret comparison of the sources if it is not made in constant time', () => {
    expect(mutants.length).toBeGreaterThan(30);
    expect(mutants.filter((path) => !reported.has(path))).toEqual([]);
  });

  it('reports nothing in the sources, and is enabled as an error', async () => {
    expect([...reported].filter((path) => path.startsWith('as-it-is'))).toEqual([]);
    const { jsPlugins, overrides } = JSON.parse(await readFile(join(ROOT, '.oxlintrc.json'), 'utf8')) as {
      jsPlugins: string[];
      overrides: { files: string[]; rules: Record<string, unknown> }[];
    };
    expect(jsPlugins).toEqual(['./scripts/lint/tandem.mjs']);
    const enforced = overrides.filter(({ rules }) => rules['tandem/constant-time'] === 'error');
    expect(enforced.flatMap(({ files }) => files)).toEqual(['src/**', 'migrations/**']);
    const disabled = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .filter((path) => /lint-disable/.test(readFileSync(join(ROOT, 'src', path), 'utf8')));
    expect(disabled).toEqual([]);
  });
});
