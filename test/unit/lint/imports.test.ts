import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const OXLINT = join(ROOT, 'node_modules', '.bin', 'oxlint');

/** A file and what it must not import, at several depths. `a.ts` stands for a file of any name. */
const REFUSED: readonly (readonly [file: string, specifier: string])[] = [
  ['src/common/a.ts', '../database/database.js'],
  ['src/common/a.ts', '../users/user.store.js'],
  ['src/common/deep/er/a.ts', '../../../auth/principal.js'],
  ['src/config/a.ts', '../database/database.js'],
  ['src/database/a.ts', '../limits/limits.store.js'],
  ['src/database/trust/a.ts', '../../users/user.store.js'],
  ['src/limits/a.ts', '../audit/audit.store.js'],
  ['src/audit/a.ts', '../users/user.store.js'],
  ['src/webhooks/a.ts', '../users/user.store.js'],
  ['src/audit/a.ts', '../webhooks/webhook.store.js'],
  ['src/users/a.ts', '../tokens/feed/revocation-feed.js'],
  ['src/users/import/a.ts', '../../tokens/feed/revocation-feed.js'],
  ['src/tokens/a.ts', '../auth/principal.js'],
  ['src/tokens/families/a.ts', '../../auth/guards/roles.guard.js'],
  ['src/tokens/families/a.ts', '../../operations/metrics.js'],
  ['src/auth/a.ts', '../admin/admin.dto.js'],
  ['src/auth/login/a.ts', '../../oauth/oauth.errors.js'],
  ['src/auth/login/a.ts', '../../api/api.dto.js'],
  ['src/api/a.ts', '../admin/admin.dto.js'],
  ['src/oauth/a.ts', '../admin/admin.dto.js'],
  ['src/oauth/deep/a.ts', '../../operations/metrics.js'],
  ['src/cluster/a.ts', '../operations/metrics.js'],
  ['src/operations/health/a.ts', '../../admin/admin.dto.js'],
  ['src/operations/a.ts', '../oauth/oauth.errors.js'],
  ['src/admin/a.ts', '../transition/rollout/flag.js'],
  ['src/admin/cli/a.ts', '../../transition/rollout/flag.js'],
  ['src/admin/cli/doctor/a.ts', '../../../transition/rollout/flag.js'],
  ['src/admin/cli/doctor/a.ts', '../../../transition'],
  ['src/admin/a.ts', './../../src/transition/rollout/flag.js'],
  ['src/common/a.ts', '../transition/rollout/flag.js'],
  ['src/docs.cli.ts', './transition/rollout/flag.js'],
  ['src/auth/a.ts', '../app.setup.js'],
  ['src/transition/sessions/a.ts', '../../app.module.js'],
  ['src/users/user.service.ts', 'typeorm'],
  ['src/users/import/import.service.ts', 'typeorm/driver/postgres/PostgresDriver.js'],
  ['src/users/users.module.ts', 'typeorm'],
  ['src/app.setup.ts', 'typeorm'],
  ['src/transition/sessions/link/a.ts', 'typeorm'],
  ['src/auth/guards/roles.guard.ts', '@nestjs/typeorm'],
  ['src/admin/users.admin.controller.ts', '../users/user.store.js'],
  ['src/transition/sessions/http/a.controller.ts', '../stores/session.store.js'],
];

const ALLOWED: readonly (readonly [file: string, specifier: string])[] = [
  ['src/common/a.ts', '../config/config.js'],
  ['src/database/trust/a.ts', '../../common/clock.js'],
  ['src/database/embedded/a.ts', '../database.js'],
  ['src/audit/a.ts', '../limits/client-address.js'],
  ['src/users/import/a.ts', '../../audit/audit.store.js'],
  ['src/tokens/families/a.ts', '../../webhooks/webhook-outbox.service.js'],
  ['src/tokens/keys/a.ts', '../../users/user.store.js'],
  ['src/auth/login/a.ts', '../../tokens/families/rotation.js'],
  ['src/oauth/a.ts', '../auth/principal.js'],
  ['src/admin/cli/doctor/a.ts', '../../../database/migrate.js'],
  ['src/admin/cli/a.ts', '../../oauth/oauth-client.service.js'],
  ['src/operations/a.ts', '../cluster/sibling-metrics.js'],
  ['src/transition/sessions/link/a.ts', '../../../admin/cli/admin-command.js'],
  ['src/transition/sessions/link/a.ts', '../../rollout/rollout.service.js'],
  ['src/app.module.ts', './transition/credentials.module.js'],
  ['src/main.ts', './node.js'],
  ['src/node.ts', './operations/drain.js'],
  ['src/auth/a.ts', '@nestjs/common'],
  ['src/admin/a.controller.ts', '../users/user.service.js'],
  ['src/users/user.store.ts', 'typeorm'],
  ['src/users/user.entity.ts', 'typeorm'],
  ['src/database/embedded/a.ts', 'typeorm'],
  ['src/tokens/tokens.module.ts', '@nestjs/typeorm'],
  ['migrations/1.ts', 'typeorm'],
  ['test/unit/a.test.ts', '../../src/transition/rollout/flag.js'],
];

const UNLISTED = ['src/unlisted/a.ts', '../common/clock.js'] as const;

/** Every form in which a file can name another one, each in one line. */
const FORMS: readonly ((specifier: string) => string)[] = [
  (specifier) => `import { a } from '${specifier}';`,
  (specifier) => `import '${specifier}';`,
  (specifier) => `import type { B } from '${specifier}';`,
  (specifier) => `export type C = import('${specifier}').C;`,
  (specifier) => `export const d = await import('${specifier}');`,
  (specifier) => `export { e } from '${specifier}';`,
  (specifier) => `export type { F } from '${specifier}';`,
  (specifier) => `export * from '${specifier}';`,
  (specifier) => `import g = require('${specifier}');`,
];

const EVERY_LINE = FORMS.map((_, index) => index + 1);

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

describe('the lint rule tandem/imports', () => {
  let folder: string;
  let diagnostics: readonly Diagnostic[];

  /** A file that imports the specifier in every form. Files named `a.ts` get a name of their own. */
  async function place(file: string, specifier: string): Promise<string> {
    const path = file.replace(/\ba(?=\.(?:test\.)?ts$)/, specifier.replaceAll(/[^a-z]+/g, '-'));
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), FORMS.map((form) => `${form(specifier)}\n`).join(''), { flag: 'wx' });
    return path;
  }

  const paths = new Map<string, string>();
  const linesOf = (file: string, specifier: string) => {
    const path = paths.get(`${file} ${specifier}`);
    const lines = diagnostics
      .filter(({ filename }) => filename === path)
      .map(({ labels }) => labels[0]?.span.line);
    return EVERY_LINE.filter((line) => lines.includes(line));
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-lint-'));
    const plugin = join(ROOT, 'scripts', 'lint', 'tandem.mjs');
    const config = { categories: { correctness: 'off' }, rules: { 'tandem/imports': 'error' } };
    await writeFile(join(folder, '.oxlintrc.json'), JSON.stringify({ ...config, jsPlugins: [plugin] }));
    for (const [file, specifier] of [...REFUSED, ...ALLOWED, UNLISTED])
      paths.set(`${file} ${specifier}`, await place(file, specifier));
    const output = await new Promise<string>((resolve) => {
      execFile(OXLINT, ['--format', 'json', '.'], { cwd: folder }, (_error, stdout) => resolve(stdout));
    });
    ({ diagnostics } = JSON.parse(output) as { diagnostics: readonly Diagnostic[] });
    expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(['tandem(imports)']));
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(REFUSED)('refuses every form of import in %s from %s', (file, specifier) => {
    expect(linesOf(file, specifier)).toEqual(EVERY_LINE);
  });

  it.each(ALLOWED)('allows every form of import in %s from %s', (file, specifier) => {
    expect(linesOf(file, specifier)).toEqual([]);
  });

  it('refuses a folder of src that has no place in the table', () => {
    expect(linesOf(...UNLISTED)).toEqual([1]);
  });

  it('is an error in all of src, and cycles are an error for types too', async () => {
    const config = JSON.parse(await readFile(join(ROOT, '.oxlintrc.json'), 'utf8')) as {
      rules: Record<string, unknown>;
      overrides: { files: string[]; rules: Record<string, unknown> }[];
    };
    expect(config.rules['import/no-cycle']).toEqual(['error', { ignoreTypes: false }]);
    const enforced = config.overrides.filter(({ rules }) => rules['tandem/imports'] === 'error');
    expect(enforced.flatMap(({ files }) => files)).toEqual(['src/**']);
  });
});
