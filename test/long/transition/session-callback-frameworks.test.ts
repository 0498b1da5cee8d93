import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, refresh, sql, tokensOf, tryRefresh } from '../../helpers/client.js';
import { CALLBACK_SECRET } from '../../helpers/transition/callback-product.js';
import { bySession, statusOf, verifySession } from '../../e2e/transition/session-client.js';
import { exchange } from '../../e2e/transition/session-nodes.js';

const EXAMPLES = join(import.meta.dirname, '..', '..', '..', 'examples', 'session-callback');

/** Debian's own Python has Debian's packages; another one may come first on the path. */
const PYTHONS = ['/usr/bin/python3', 'python3'] as const;

const FRAMEWORKS = [
  { framework: 'Django', module: 'django', file: 'django_shop.py', cookieName: 'sessionid' },
  { framework: 'Flask-Login', module: 'flask_login', file: 'flask_shop.py', cookieName: 'session' },
] as const;

describe.each(FRAMEWORKS)('a product on $framework', ({ framework, module, file, cookieName }) => {
  const python = PYTHONS.find((path) => spawnSync(path, ['-c', `import ${module}`]).status === 0);
  const isInstalled = python !== undefined;
  let product: ChildProcess;
  let url: string;
  let node: TestApp;
  beforeAll(async () => {
    if (python === undefined) return;
    product = spawn(python, [join(EXAMPLES, file)], {
      env: { ...process.env, SESSION_CALLBACK_SECRET: CALLBACK_SECRET },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [port] = (await once(createInterface(product.stdout!), 'line')) as [string];
    url = `http://127.0.0.1:${port}`;
    node = await createTestApp({
      env: {
        SESSION_STORE: 'callback',
        SESSION_CALLBACK_URL: `${url}/tandem/session`,
        SESSION_CALLBACK_SECRET: CALLBACK_SECRET,
        SESSION_COOKIE_NAME: cookieName,
      },
    });
  });
  afterAll(async () => {
    if (!isInstalled) return;
    await node.close();
    product.kill();
    await once(product, 'exit');
  });

  async function aLogin(name: string): Promise<{ user: string; id: string; cookie: string }> {
    const response = await fetch(`${url}/login/${name}`, { method: 'POST' });
    const { user } = (await response.json()) as { user: string };
    const cookie = response.headers
      .getSetCookie()
      .find((line) => line.startsWith(`${cookieName}=`))!
      .split(';')[0]!;
    const { id } = await aUser(node);
    await sql(node, 'UPDATE users SET external_id = NULL WHERE external_id = $1', [user]);
    await sql(node, 'UPDATE users SET external_id = $2 WHERE id = $1', [id, user]);
    return { user, id, cookie };
  }
  const inProduct = async (cookie: string) => {
    const response = await fetch(`${url}/me`, { headers: { cookie } });
    return ((await response.json()) as { user?: string }).user;
  };

  it('uses its sessions in both directions', async (test) => {
    test.skip(!isInstalled, `Debian's package for ${framework} is not installed`);
    const { user, cookie } = await aLogin('ann');
    expect((await bySession(node, cookie, { url: '/api/users/me' })).json()).toMatchObject({
      external_id: user,
    });
    const { refresh_token } = await refresh(node, tokensOf(await exchange(node, cookie)).refresh_token);
    const down = await post(node, '/auth/downgrade', { refresh_token });
    const own = `${cookieName}=${down.cookies.find(({ name }) => name === cookieName)!.value}`;
    expect(await inProduct(own)).toBe(user);
    expect(await inProduct(cookie)).toBeUndefined();
    expect(await verifySession(node, own)).toBe('204');
    expect((await bySession(node, own, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await inProduct(own)).toBeUndefined();
  });

  it('ends the tokens with its logout', async (test) => {
    test.skip(!isInstalled, `Debian's package for ${framework} is not installed`);
    const { cookie } = await aLogin('bob');
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    await fetch(`${url}/logout`, { method: 'POST', headers: { cookie } });
    expect(statusOf(await tryRefresh(node, refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('ends all sessions of a user whom Tandem revokes', async (test) => {
    test.skip(!isInstalled, `Debian's package for ${framework} is not installed`);
    const [user, other] = [await aLogin('cid'), await aLogin('dan')];
    await node.app
      .get(RevocationService)
      .revokeUser(user.id, { reason: 'revoke', event: 'revoke' }, NO_ORIGIN);
    await expect.poll(() => inProduct(user.cookie)).toBeUndefined();
    expect(await verifySession(node, user.cookie)).toBe('401 session_invalid');
    expect(await inProduct(other.cookie)).toBe(other.user);
  });
});
