import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { runDocument } from '../../helpers/doc-blocks.js';
import { INHERITED } from '../../helpers/inherited-environment.js';
import { hasNginx } from '../../../examples/legacy-product/nginx.mjs';
import { freePort } from '../../helpers/transition/legacy-product/nginx.js';
import { withoutBrowser } from '../../helpers/transition/legacy-product/shop-page.js';
import { Walk } from '../../helpers/transition/legacy-product/walk.js';
import { walkThrough } from '../../helpers/transition/legacy-product/walk-through.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');

const NGINX = hasNginx();
if (withoutBrowser !== undefined)
  console.warn(`The page of the example product is not tested: ${withoutBrowser}`);
if (!NGINX) console.warn('nginx is not installed: the walk of the example product is skipped');

/** The variables that name a port of the example, and the addresses that stand in the page. */
const PORTS = {
  SHOP_PORT: 'http://localhost:3000',
  REPORTS_PORT: 'http://localhost:3001',
  PORT: 'http://localhost:5000',
  SECOND_NODE_PORT: undefined,
  PROXY_PORT: 'http://localhost:8080',
  PRIVATE_PORT: undefined,
} as const;

/** `npm run example` in a folder of its own, on free ports. */
class Example {
  output = '';
  readonly closed: Promise<unknown>;
  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.closed = once(child, 'close');
  }

  static start(env: Readonly<Record<string, string>>, ...args: string[]): Example {
    const script = join(ROOT, 'examples', 'legacy-product', 'run.mjs');
    return new Example(
      spawn(process.execPath, [script, ...args], {
        cwd: ROOT,
        env: { ...INHERITED, HOME: process.env['HOME'], ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** Runs `work` as soon as the example has written all these texts, and stops it. */
  async during(texts: readonly string[], work: () => Promise<void>): Promise<void> {
    try {
      await until(() => {
        if (this.child.exitCode !== null) throw new Error(`it ended:\n${this.output}`);
        return Promise.resolve(texts.every((text) => this.output.includes(text)));
      }, 60_000);
      await work();
      this.child.kill('SIGTERM');
      await this.closed;
      expect({ code: this.code, output: this.output }).toMatchObject({ code: 0 });
    } finally {
      this.child.kill('SIGKILL');
      await this.closed;
    }
  }

  get code(): number | null {
    return this.child.exitCode;
  }
}

describe('npm run example', () => {
  let folder: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-example-'));
    await chmod(folder, 0o755);
    const ports = await Promise.all(Object.keys(PORTS).map(async (name) => [name, `${await freePort()}`]));
    env = { EXAMPLE_DIR: folder, ...(Object.fromEntries(ports) as Record<string, string>) };
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  /** Runs the blocks of a section of the page against the example. */
  function read(section: string): Promise<void> {
    const placed = Object.entries(PORTS).flatMap(([name, url]) =>
      url === undefined ? [] : [[url, `http://127.0.0.1:${env[name]}`]],
    );
    const urls = Object.fromEntries(placed) as Record<string, string>;
    return runDocument(
      'docs/adopt/walk-through.md',
      urls[PORTS.PORT]!,
      { EXAMPLE_DIR: folder },
      section,
      urls,
    );
  }

  it(
    'leads to the first exchanged token with the documented commands, and behind nginx to both services by session and by token',
    { timeout: 240_000 },
    async () => {
      const alone = Example.start(env);
      await alone.during(['Tandem is ready', 'The shop at', 'Reports at'], () => read('See it work'));
      expect(alone.output).toContain('Walk-through: docs/adopt/walk-through.md');
      expect(alone.output).not.toContain('README.md');
      if (!NGINX) return;
      const behindNginx = Example.start(env, '--proxy');
      await behindNginx.during([`nginx at http://localhost:${env['PROXY_PORT']}`], () =>
        read('Behind nginx'),
      );
    },
  );

  it('names the setting and the command if another program uses a port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const example = Example.start({ ...env, REPORTS_PORT: `${port}` });
    await example.closed;
    other.close();
    expect({ code: example.code, output: example.output }).toEqual({
      code: 1,
      output: `Port ${port} is in use. Stop the program that uses it, or set another port: REPORTS_PORT=${port + 100} npm run example\n`,
    });
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
