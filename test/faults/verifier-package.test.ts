import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { transformFile } from '@swc/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PackedPackage, run } from '../helpers/packed-package.js';

const ROOT = join(import.meta.dirname, '..', '..');
const APPS = join(ROOT, 'test', 'frameworks', 'apps');

/** Where the frameworks of each major release are in the checkout. */
const PREVIOUS = 'test/frameworks/previous/node_modules';
const frameworks = (folder: string, platformExpress: string) => ({
  express: `${folder}/express`,
  fastify: `${folder}/fastify`,
  '@nestjs/common': `${folder}/@nestjs/common`,
  '@nestjs/core': `${folder}/@nestjs/core`,
  '@nestjs/platform-express': platformExpress,
  '@nestjs/platform-fastify': `${folder}/@nestjs/platform-fastify`,
  'reflect-metadata': 'node_modules/reflect-metadata',
  rxjs: 'node_modules/rxjs',
});
const CURRENT = frameworks('node_modules', 'node_modules/nest-platform-express');
const OLDER = frameworks(PREVIOUS, `${PREVIOUS}/@nestjs/platform-express`);

interface Product {
  readonly url: string;
  readonly credentials: Readonly<Record<'user' | 'admin' | 'expired', Record<string, string>>>;
}

describe('the package @tandem-auth/verifier', () => {
  let packed: PackedPackage;
  let products: Readonly<Record<'current' | 'previous', string>>;
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    packed = await PackedPackage.of('verifier');
    products = {
      current: await packed.installBeside(CURRENT),
      previous: await packed.installBeside(OLDER),
    };
    const { code } = await transformFile(join(APPS, 'nest.ts'), { configFile: join(ROOT, '.swcrc') });
    for (const folder of Object.values(products)) {
      for (const name of ['announce', 'express', 'fastify'])
        await copyFile(join(APPS, `${name}.mjs`), join(folder, `${name}.mjs`));
      await writeFile(join(folder, 'nest.mjs'), code);
    }
  }, 300_000);
  afterEach(() => {
    child?.kill('SIGKILL');
    child = undefined;
  });
  afterAll(() => packed.remove());

  /** Starts a product, and resolves when it listens. */
  async function start(folder: string, app: string, ...args: string[]): Promise<Product> {
    const started = spawn(process.execPath, [`${app}.mjs`, ...args], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    let errors = '';
    started.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    for await (const line of createInterface(started.stdout)) return JSON.parse(line) as Product;
    throw new Error(`${app} did not start:\n${errors}`);
  }

  it('contains its modules with types, and nothing else', async () => {
    const files = await packed.files();
    expect(files).toContain('package.json');
    for (const entry of ['index', 'express', 'fastify', 'nest', 'testing', 'token', 'refusals']) {
      expect(files).toEqual(expect.arrayContaining([`dist/${entry}.js`, `dist/${entry}.d.ts`]));
    }
    const others = files.filter((path) => !/^dist\/[\w/-]+\.(?:d\.ts|js)$/.test(path));
    expect(others.toSorted()).toEqual(['README.md', 'package.json']);
  });

  it('needs no module of Node.js and no package, besides Nest in its own entry point', async () => {
    const home = join(products.current, 'node_modules', '@tandem-auth', 'verifier');
    const foreign: string[] = [];
    for (const path of (await packed.files()).filter((name) => name.endsWith('.js'))) {
      const text = await readFile(join(home, path), 'utf8');
      for (const [, name] of text.matchAll(/(?:from|import)\s*\(?\s*["']([^."'][^"']*)["']/g))
        foreign.push(`${path} ${name}`);
      expect(text, path).not.toMatch(/\b(?:Buffer|process)\.\w/);
    }
    expect([...new Set(foreign)].toSorted()).toEqual([
      'dist/nest.js @nestjs/common',
      'dist/nest.js @nestjs/core',
    ]);
  });

  it('passes publint and are-the-types-wrong', async () => {
    await run('publint', [packed.tarball, '--strict']);
    await run('attw', [packed.tarball, '--profile', 'esm-only']);
  });

  it('is installed by npm without any other package', async () => {
    const project = await packed.installBeside({});
    await writeFile(join(project, 'package.json'), '{"name":"product","version":"1.0.0","type":"module"}');
    await run('npm', ['install', '--offline', '--no-audit', '--no-fund', packed.tarball], project);
    const program = `
      import { createVerifier, AuthError } from '@tandem-auth/verifier';
      const verifier = createVerifier({ issuer: 'https://auth.example.com', audience: 'api' });
      const refusal = await verifier.verify({}).catch((error) => error);
      verifier.close();
      console.log(refusal instanceof AuthError, refusal.code);`;
    const output = await run(process.execPath, ['--input-type=module', '-e', program], project);
    expect(output.trim()).toBe('true token_missing');
  });

  describe.each(['current', 'previous'] as const)('with the %s major releases', (release) => {
    it.each([
      ['Express', 'express'],
      ['Fastify', 'fastify'],
      ['Nest on Express', 'nest', 'express'],
      ['Nest on Fastify', 'nest', 'fastify', 'async'],
    ])('protects the routes of a product on %s', async (_, app, ...args) => {
      const { url, credentials } = await start(products[release], app!, ...args);
      const ask = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
        fetch(`${url}${path}`, { ...init, headers });

      expect(await (await ask('/open')).json()).toEqual({ principal: null });
      const me = await ask('/me', credentials.user);
      expect(me.status).toBe(200);
      expect(await me.json()).toMatchObject({
        userId: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01',
        externalId: '4711',
        role: 'user',
        scheme: 'bearer',
      });
      const json = { 'content-type': 'application/json' };
      const echo = { method: 'POST', body: '{"a":1}' };
      expect(await (await ask('/echo', { ...credentials.user, ...json }, echo)).json()).toEqual({ a: 1 });
      // Nest parses bodies before its guards run.
      const refusedFirst = app !== 'nest';
      expect((await ask('/echo', json, { method: 'POST', body: '{' })).status).toBe(refusedFirst ? 401 : 400);
      expect((await ask('/echo', json, echo)).status).toBe(401);
      expect((await ask('/admin', credentials.admin)).status).toBe(200);

      const challenge = 'Bearer realm="tandem"';
      for (const [answer, status, code, expected] of [
        [await ask('/me'), 401, 'token_missing', challenge],
        [
          await ask('/me', { authorization: 'Bearer x' }),
          401,
          'token_malformed',
          `${challenge}, error="invalid_token"`,
        ],
        [await ask('/me', credentials.expired), 401, 'token_expired', `${challenge}, error="invalid_token"`],
        [await ask('/admin', credentials.user), 403, 'forbidden', undefined],
      ] as const) {
        expect(answer.status, code).toBe(status);
        expect(answer.headers.get('x-auth-error')).toBe(code);
        expect(answer.headers.get('cache-control')).toBe('no-store');
        if (expected === undefined) expect(answer.headers.get('www-authenticate')).toBeNull();
        else expect(answer.headers.get('www-authenticate')).toMatch(expected);
        expect(await answer.json()).toMatchObject({ code });
      }
    });
  });
});
