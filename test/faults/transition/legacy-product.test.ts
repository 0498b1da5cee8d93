import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { runDocument } from '../../helpers/doc-blocks.js';
import { INHERITED } from '../../helpers/inherited-environment.js';
import { freePort, hasNginx } from '../../helpers/transition/legacy-product/nginx.js';
import { withoutBrowser } from '../../helpers/transition/legacy-product/shop-page.js';
import { Walk } from '../../helpers/transition/legacy-product/walk.js';
import { walkThrough } from '../../helpers/transition/legacy-product/walk-through.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');

const NGINX = hasNginx();
if (withoutBrowser !== undefined)
  console.warn(`The page of the example product is not tested: ${withoutBrowser}`);
if (!NGINX) console.warn('nginx is not installed: the walk of the example product is skipped');

describe('npm run example', () => {
  it('leads to the first exchanged token with the documented commands', { timeout: 180_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-example-'));
    await chmod(folder, 0o755);
    const [shop, reports, tandem] = [await freePort(), await freePort(), await freePort()];
    const child = spawn(process.execPath, [join(ROOT, 'examples', 'legacy-product', 'run.mjs')], {
      cwd: ROOT,
      env: {
        ...INHERITED,
        HOME: process.env['HOME'],
        EXAMPLE_DIR: folder,
        SHOP_PORT: String(shop),
        REPORTS_PORT: String(reports),
        PORT: String(tandem),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const closed = once(child, 'close');
    try {
      await until(() => {
        if (child.exitCode !== null) throw new Error(`it ended:\n${output}`);
        const started = ['Tandem is ready', 'The shop at', 'Reports at'];
        return Promise.resolve(started.every((line) => output.includes(line)));
      }, 60_000);
      await runDocument(
        'docs/adopt/walk-through.md',
        `http://127.0.0.1:${tandem}`,
        { EXAMPLE_DIR: folder },
        'See it work',
        {
          'http://localhost:3000': `http://127.0.0.1:${shop}`,
          'http://localhost:3001': `http://127.0.0.1:${reports}`,
        },
      );
      child.kill('SIGTERM');
      await closed;
      expect({ code: child.exitCode, output }).toMatchObject({ code: 0 });
    } finally {
      child.kill('SIGKILL');
      await closed;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

describe.runIf(NGINX)('the example product on two nodes behind nginx', () => {
  let walk: Walk;
  beforeAll(async () => {
    walk = await Walk.begin();
  });
  afterAll(() => walk?.end());

  it(
    'moves from sessions to tokens and through the sunset, and nobody is logged out or sees the data of others',
    { timeout: 1_500_000 },
    async () => {
      const began = performance.now();
      await walkThrough(walk, { users: 50, sessions: 30, steps: 3 });
      const { unexpected, ...figures } = walk.tally;
      const seconds = Math.round((performance.now() - began) / 1000);
      console.info({ ...figures, unexpected: unexpected.length, seconds });
      expect(walk.tally.calls).toBeGreaterThan(1_000);
    },
  );
});
