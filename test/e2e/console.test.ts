import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { ROOT, aUser, codeOf, login, post, refreshCookie, tryLogin } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

const PAGE = '<!doctype html><meta charset="utf-8" /><base href="/console/" /><title>Console</title>';
const ORIGIN = 'https://console.example.com';
const HOST = 'console.example.com';

let folder: string;
let node: TestApp;
beforeAll(async () => {
  folder = await mkdtemp(join(temporaryFolder(), 'console-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), PAGE);
  await writeFile(join(folder, 'icon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(join(folder, 'assets', 'index-abc.js'), 'export {};'.repeat(100));
  await writeFile(join(folder, 'assets', 'index-abc.js.map'), '{}');
  await writeFile(join(folder, '.env'), 'SECRET=1');
  node = await createTestApp({ consoleFolder: folder });
});
afterAll(async () => {
  await node.close();
  await rm(folder, { recursive: true });
});

const ask = (path: string, headers: Record<string, string> = {}, by = node): Promise<Reply> =>
  by.app.inject({ url: path, headers });
const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;

describe('the console', () => {
  it('is a page under a policy that allows nothing inline and no other origin', async () => {
    for (const path of ['/console/', '/console/logins', '/console/logins/4711?ip=192.0.2.1']) {
      const reply = await ask(path);
      expect([reply.statusCode, reply.body]).toEqual([
        200,
        PAGE.replace('<base href="/console/" />', '<base href="/console/">'),
      ]);
      expect(reply.headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-cache',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      });
      const policy = String(reply.headers['content-security-policy']);
      expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
    }
  });

  it('redirects to the address with a slash at its end', async () => {
    for (const path of ['/console', '/console?a=b']) {
      const reply = await ask(path);
      expect([reply.statusCode, reply.headers.location]).toEqual([308, '/console/']);
    }
  });

  it('compresses its files, and lets caches keep those that never change', async () => {
    const plain = await ask('/console/assets/index-abc.js');
    expect(plain.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'Accept-Encoding',
    });
    const br = await ask('/console/assets/index-abc.js', { 'accept-encoding': 'gzip, deflate, br;q=0.5' });
    expect(br.headers['content-encoding']).toBe('br');
    expect(brotliDecompressSync(br.rawPayload).toString()).toBe(plain.body);
    const gzip = await ask('/console/assets/index-abc.js', { 'accept-encoding': 'br;q=0, gzip' });
    expect(gzip.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(gzip.rawPayload).toString()).toBe(plain.body);
    const again = await ask('/console/assets/index-abc.js', {
      'if-none-match': `"x", ${plain.headers.etag}`,
    });
    expect([again.statusCode, again.body]).toEqual([304, '']);
    const head = await node.app.inject({ method: 'HEAD', url: '/console/' });
    expect([head.statusCode, head.body]).toEqual([200, '']);
  });

  it.each([
    '/console/assets/other.js',
    '/console/assets/',
    '/console/assets/index-abc.js.map',
    '/console/.env',
    '/console/../package.json',
    '/console/..%2fpackage.json',
    '/console/%2e%2e/%2e%2e/package.json',
    '/console//etc/passwd.txt',
    '/console/index.html%00.js',
    '/console/__proto__.js',
    '/consoles',
  ])('has no file at %s', async (path) => {
    expect(refusal(await ask(path))).toBe('404 not_found');
  });

  it('takes any path without an error of the server', async () => {
    for (const path of [
      '%',
      '%E0%A4%A',
      '💥',
      'a'.repeat(5_000),
      '%00',
      '..',
      '.',
      '?',
      '#',
      '__proto__',
      'constructor',
    ])
      expect((await ask(`/console/${encodeURI(path)}`)).statusCode).toBeLessThan(500);
  });

  it('answers no other method', async () => {
    expect((await post(node, '/console', {})).statusCode).toBe(405);
    expect((await post(node, '/console/', {})).statusCode).toBe(404);
  });
});

describe('a console that is off, or not built', () => {
  it('does not exist', async () => {
    const off = await createTestApp({ consoleFolder: folder, db: node.db, env: { CONSOLE: 'off' } });
    const unbuilt = await createTestApp({ db: node.db });
    for (const by of [off, unbuilt])
      for (const path of ['/console', '/console/', '/console/assets/index-abc.js'])
        expect(refusal(await ask(path, {}, by))).toBe('404 not_found');
    await unbuilt.close();
    await off.close();
  });
});

describe('a console with an origin of its own', () => {
  let apart: TestApp;
  let user: Account;
  beforeAll(async () => {
    const env = { CONSOLE_ORIGIN: `${ORIGIN.toUpperCase()}:443`.replace('HTTPS', 'https') };
    apart = await createTestApp({ consoleFolder: folder, db: node.db, env });
    user = await aUser(apart);
  });
  afterAll(() => apart.close());

  const byCookie = (account: Account, headers: Record<string, string>) =>
    post(apart, '/auth/login', { ...pick(account), token_delivery: 'cookie' }, { headers });
  const pick = ({ username, password }: Account) => ({ username, password });

  it('is served there and nowhere else', async () => {
    expect((await ask('/console/', { host: HOST }, apart)).statusCode).toBe(200);
    expect((await ask('/console/', { host: 'CONSOLE.example.com' }, apart)).statusCode).toBe(200);
    for (const host of [
      'app.example.com',
      'example.com',
      `${HOST}:8443`,
      `x.${HOST}`,
      `${HOST}.evil.example`,
    ])
      expect(refusal(await ask('/console/', { host }, apart))).toBe('404 not_found');
  });

  it('is where administrators sign in by cookie', async () => {
    const reply = await byCookie(ROOT, { host: HOST, origin: ORIGIN, 'sec-fetch-site': 'same-origin' });
    expect(reply.statusCode).toBe(200);
    expect(refreshCookie(reply)).toBeDefined();
    expect(reply.json()).not.toHaveProperty('refresh_token');
    const cookie = `refresh_token=${refreshCookie(reply)!.value}`;
    const next = await post(apart, '/auth/refresh', undefined, {
      headers: { host: HOST, origin: ORIGIN, cookie },
    });
    expect(refreshCookie(next)).toBeDefined();
  });

  it('is the only place where they can', async () => {
    const places: Record<string, string>[] = [
      { host: 'app.example.com' },
      { host: 'app.example.com', origin: ORIGIN },
      { host: HOST, origin: 'https://app.example.com' },
      { host: HOST, origin: 'null' },
    ];
    for (const headers of places) {
      const reply = await byCookie(ROOT, headers);
      expect(refusal(reply)).toBe('403 console_origin_only');
      expect(refreshCookie(reply)).toBeUndefined();
    }
    // A wrong password is refused as ever.
    const wrong = { ...ROOT, password: 'another long pass phrase' };
    expect(refusal(await byCookie(wrong, { host: 'app.example.com' }))).toBe('401 invalid_credentials');
  });

  it('lets them log in elsewhere without a cookie, and refresh', async () => {
    const reply = await tryLogin(apart, ROOT);
    expect(reply.statusCode).toBe(200);
    expect(refreshCookie(reply)).toBeUndefined();
    const { refresh_token } = reply.json<{ refresh_token: string }>();
    const next = await post(apart, '/auth/refresh', { refresh_token });
    expect(next.json()).toHaveProperty('refresh_token');
    expect(refreshCookie(next)).toBeUndefined();
  });

  it('changes nothing for other users', async () => {
    expect(refreshCookie(await byCookie(user, { host: 'app.example.com' }))).toBeDefined();
    expect(refreshCookie(await tryLogin(apart, user))).toBeDefined();
  });

  it('changes nothing for administrators if it is not set', async () => {
    expect((await login(node)).refresh_token).toBeDefined();
    expect(refreshCookie(await tryLogin(node, ROOT))).toBeDefined();
  });
});

describe('a console behind a path prefix', () => {
  it('resolves its files and calls below the prefix', async () => {
    const env = { JWT_ISSUER: 'http://tandem.test/auth' };
    const prefixed = await createTestApp({ consoleFolder: folder, env });
    expect((await ask('/console/', {}, prefixed)).body).toContain('<base href="/auth/console/">');
    expect((await ask('/console', {}, prefixed)).headers.location).toBe('/auth/console/');
    await prefixed.close();
  });
});
