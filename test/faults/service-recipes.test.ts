import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { transform } from '@swc/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { blocksOf, read } from '../helpers/doc-blocks.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login } from '../helpers/remote-client.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';

const ROOT = join(import.meta.dirname, '..', '..');
const RECIPES = blocksOf(read('docs/adopt/services.md')).filter(({ language }) => /^m[jt]s$/.test(language));

/** What the page leaves to the reader. */
const NEST_START = `
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
await (await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false })).listen(3000);`;

const POLL = { timeout: 45_000, interval: 50 };

describe('the recipes for services', () => {
  let db: TestDatabase;
  let front: TcpProxy;
  let node: NodeProcess;
  let token: string;
  let client: Readonly<Record<string, string>>;
  let folder: string;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    db = await createTestDatabase();
    front = await TcpProxy.to('http://127.0.0.1:1');
    node = await NodeProcess.start({ databaseUrl: db.url, env: { JWT_ISSUER: issuer() } });
    front.lead(node.url);
    token = (await login(node)).access_token;
    const body = { name: 'orders', scopes: ['revocations'] };
    const made = await call(node, 'POST', '/admin/clients', { token, body });
    client = JSON.parse(made.text) as typeof client;
    // Inside the project, so that a recipe can import its packages.
    folder = await mkdtemp(join(ROOT, 'test', 'documents-'));
  }, 120_000);
  afterEach(() => {
    child?.kill('SIGKILL');
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await node.remove();
    await front.close();
    await db.drop();
  });

  const issuer = () => front.url.replace(/\/$/, '');

  async function run(recipe: string, port: number): Promise<ChildProcess> {
    const file = join(folder, `recipe-${port}.mjs`);
    await writeFile(
      file,
      recipe.replaceAll('https://auth.example.com', issuer()).replaceAll('3000', String(port)),
    );
    const env = { TANDEM_CLIENT_ID: client['client_id'], TANDEM_CLIENT_SECRET: client['client_secret'] };
    child = spawn(process.execPath, [file], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return child;
  }

  it('are those for every framework', () => {
    expect(RECIPES.map(({ language }) => language)).toEqual(['mjs', 'mjs', 'mjs', 'mts']);
  });

  it('create a verifier that becomes ready and can be closed', async () => {
    const started = await run(`${RECIPES[0]!.text}\nverifier.close();`, 1);
    expect(await new Promise((resolve) => started.once('exit', resolve))).toBe(0);
  });

  it.each([
    ['Express', 1, ''],
    ['Fastify', 2, ''],
    ['Nest', 3, NEST_START],
  ])('protect the routes of a service on %s', async (_, index, rest) => {
    const source = RECIPES[index]!.text + rest;
    const { code } = await transform(source, { configFile: join(ROOT, '.swcrc'), filename: 'recipe.ts' });
    const port = await freePort();
    await run(code, port);
    const ask = (path: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers }).catch(() => undefined);

    await expect.poll(async () => (await ask('/orders'))?.status, POLL).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    const orders = (await ask('/orders', headers))!;
    expect(orders.status).toBe(200);
    expect(await orders.json()).toEqual({ owner: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    expect((await ask('/reports', headers))!.status).toBe(200);
    expect((await ask('/reports'))!.headers.get('x-auth-error')).toBe('token_missing');
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
