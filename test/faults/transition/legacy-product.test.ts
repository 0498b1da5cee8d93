import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { runDocument } from '../../helpers/doc-blocks.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('npm run example', () => {
  it(
    'leads to the first exchanged token and through all phases with the documented commands',
    { timeout: 180_000 },
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tandem-example-'));
      await chmod(folder, 0o755);
      const [shop, reports, tandem] = [await freePort(), await freePort(), await freePort()];
      const child = spawn(process.execPath, [join(ROOT, 'examples', 'legacy-product', 'run.mjs')], {
        cwd: ROOT,
        env: {
          PATH: process.env['PATH'],
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
          undefined,
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
    },
  );
});
