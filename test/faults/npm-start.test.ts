import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { TEST_SECRET } from '../helpers/app.js';
import { INHERITED } from '../helpers/inherited-environment.js';
import { tryLogin } from '../helpers/remote-client.js';

const ROOT = join(import.meta.dirname, '..', '..');

describe('npm start in the background', () => {
  let db: TestDatabase;
  let folder: string;
  beforeAll(async () => {
    db = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tandem-npm-'));
    await chmod(folder, 0o755);
  });
  afterAll(async () => {
    await db.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What it prints, and the process of npm alone. */
  function npmStart(): { readonly npm: ChildProcess; output: () => string } {
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: {
        ...INHERITED,
        HOME: folder,
        PORT: '0',
        DATA_DIR: join(folder, 'data'),
        KEYS_DIR: join(folder, 'keys'),
        DATABASE_URL: db.url,
        JWT_SECRET: TEST_SECRET,
        RSA_MODULUS_BITS: '2048',
        ADMIN_USERNAME: 'root',
        ADMIN_PASSWORD: 'a long enough pass phrase',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    for (const stream of [npm.stdout, npm.stderr])
      stream.setEncoding('utf8').on('data', (more: string) => (text += more));
    return { npm, output: () => text };
  }

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL'] as const)(
    'ends with its node when it gets %s',
    async (signal) => {
      const { npm, output } = npmStart();
      const closed = once(npm, 'close');
      const port = () => /ready at http:\/\/localhost:(\d+)/.exec(output())?.[1];
      await until(async () => port() !== undefined, 40_000);
      const node = { url: `http://127.0.0.1:${port()}` };
      expect((await tryLogin(node)).status).toBe(200);
      npm.kill(signal);
      const refused = () =>
        fetch(`${node.url}/health/live`).then(
          () => false,
          () => true,
        );
      await until(refused, 20_000);
      // Its output ends when the last process that writes to it has ended.
      await closed;
    },
  );
});
