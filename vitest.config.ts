import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Files of one worker share their modules: loading Nest and TypeORM anew for each file took half of the run's time.
const shared = { isolate: false };
/** The first logger of a process serves all of it, so a test that reads the log needs a process of its own. */
const OWN_PROCESS = ['test/e2e/edge-logs.test.ts'];
/** Faults that promise an answer within a time, or fill the machine themselves. Nothing else runs beside them. */
const RUN_ALONE = [
  'database-gone',
  'full-disk',
  'heap-only-updates',
  'killed-node',
  'login-time',
  'lost-link',
  'password-work',
  'refresh-statement',
  'rolling-restart',
  'several-nodes',
  'standing-still',
  'untrusted-database',
  'transition/autopilot-killed',
  'transition/legacy-product',
  'transition/standby-sessions',
].map((name) => `test/faults/${name}.test.ts`);
const database = { globalSetup: ['test/helpers/global-setup.ts'], testTimeout: 30_000, hookTimeout: 60_000 };

/**
 * The compiler writes each type of a decorated signature as `typeof X === "undefined" ? Object : X`: a branch that is in
 * no source, and would count as one that no test takes. As long as before, so that source maps still fit.
 */
const plainMetadata = {
  name: 'plain-decorator-metadata',
  enforce: 'post' as const,
  transform(code: string, id: string) {
    if (!id.includes('/src/')) return undefined;
    const values = new Set(['Buffer', 'Date', 'Promise', 'Array', 'Map', 'Set']);
    for (const line of code.match(/^import .*$|\bclass \w+/gm) ?? []) {
      for (const name of line.match(/\w+/g) ?? []) values.add(name);
    }
    const plain = code.replace(/typeof (\w+) === "undefined" \? Object : \1\b/g, (all, name: string) =>
      (values.has(name) ? name : 'Object').padEnd(all.length),
    );
    return { code: plain, map: null };
  },
};

/** Tests run the sources of the packages, not what the last build made of them. */
const packages = join(import.meta.dirname, 'packages');
const alias = [
  { find: /^@tandem-auth\/(\w+)$/, replacement: join(packages, '$1/src/index.ts') },
  { find: /^@tandem-auth\/(\w+)\/(\w+)$/, replacement: join(packages, '$1/src/$2.ts') },
];

export default defineConfig({
  plugins: [plainMetadata],
  resolve: { alias },
  test: {
    pool: 'forks',
    // More than cores: a test often waits for the database.
    maxWorkers: 4,
    // What is awaited comes on a slow machine too; the default is one second.
    expect: { poll: { timeout: 15_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000, ...shared },
      },
      {
        extends: true,
        test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...database, ...shared },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: OWN_PROCESS,
          ...database,
          ...shared,
        },
      },
      { extends: true, test: { name: 'e2e-own-process', include: OWN_PROCESS, testTimeout: 30_000 } },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          ...database,
          ...shared,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          exclude: RUN_ALONE,
          ...database,
          testTimeout: 240_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'faults-alone',
          include: RUN_ALONE,
          ...database,
          fileParallelism: false,
          testTimeout: 240_000,
          sequence: { groupOrder: 2 },
        },
      },
      { extends: true, test: { name: 'long', include: ['test/long/**/*.test.ts'], ...database } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/auth/**', 'src/tokens/**'],
      reporter: ['text', 'text-summary'],
      thresholds: { lines: 95, branches: 95 },
    },
  },
});
