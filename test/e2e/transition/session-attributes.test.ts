import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, sql, tokensOf } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { SECRET, bySession, cookieFor, sessionCookie, sidIn, trySessionLogin } from './session-client.js';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';

/** The attributes of the session cookie that a response sets, in lower case and in order. */
function attributesOf(reply: Reply, name = 'session_id'): string[] | undefined {
  const headers = [reply.headers['set-cookie'] ?? []].flat();
  const header = headers.find((text) => text.startsWith(`${name}=`));
  return header
    ?.split('; ')
    .slice(1)
    .map((attribute) => attribute.toLowerCase())
    .filter((attribute) => !/^(?:max-age|expires)=/.test(attribute))
    .sort();
}

/** A session of a product, due for an extension. */
async function productSession(node: TestApp, user: Account, cookie: object): Promise<string> {
  const sid = randomUUID();
  const sess = { cookie: { originalMaxAge: 3_600_000, path: '/', ...cookie }, userId: user.id };
  await sql(node, `INSERT INTO session VALUES ($1, $2::json, now() + interval '1 minute')`, [
    sid,
    JSON.stringify(sess),
  ]);
  return sid;
}

describe('the cookie of a product’s session', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp({ env: { SESSION_SECRET: SECRET, TRUST_PROXY: '127.0.0.1' } });
    user = await aUser(node);
  });
  afterAll(() => node.close());

  const EMBEDDED = ['httponly', 'partitioned', 'path=/', 'samesite=none', 'secure'];
  const KEPT: readonly (readonly [stored: object, proto: string, attributes: readonly string[]])[] = [
    [{ partitioned: true, sameSite: 'none', secure: true }, 'http', EMBEDDED],
    [{ partitioned: true, sameSite: 'None', secure: false }, 'http', EMBEDDED],
    [{ sameSite: 'NONE' }, 'http', ['httponly', 'path=/', 'samesite=none', 'secure']],
    [{ sameSite: true }, 'http', ['httponly', 'path=/', 'samesite=strict']],
    [{ sameSite: 'Lax', priority: 'High' }, 'http', ['httponly', 'path=/', 'priority=high', 'samesite=lax']],
    [{ sameSite: false, httpOnly: false }, 'http', ['path=/']],
    [{ secure: 'auto' }, 'http', ['httponly', 'path=/']],
    [{ secure: 'auto' }, 'https', ['httponly', 'path=/', 'secure']],
    [{ secure: true, priority: 'urgent', partitioned: 'yes' }, 'http', ['httponly', 'path=/', 'secure']],
    [
      { domain: '.example.com', path: '/app', partitioned: true },
      'http',
      ['domain=.example.com', 'httponly', 'partitioned', 'path=/app', 'secure'],
    ],
  ];

  it.each(KEPT)(
    'is renewed and cleared with the attributes of the row: %j over %s',
    async (stored, proto, attributes) => {
      const cookie = cookieFor(await productSession(node, user, stored));
      const headers = { 'x-forwarded-proto': proto };
      const renewed = await bySession(node, cookie, { url: '/auth/verify', headers });
      expect(renewed.statusCode).toBe(204);
      expect(attributesOf(renewed)).toEqual(attributes);
      const out = await bySession(node, cookie, { method: 'POST', url: '/api/logout', headers });
      expect(attributesOf(out)).toEqual(attributes);
    },
  );

  it('passes its attributes to the session that replaces it at a login or a downgrade', async () => {
    const stored = {
      partitioned: true,
      sameSite: 'None',
      secure: true,
      priority: 'high',
      domain: 'example.com',
    };
    const attributes = [...EMBEDDED, 'domain=example.com', 'priority=high'].sort();
    const before = cookieFor(await productSession(node, user, stored));
    const next = await trySessionLogin(node, user, { cookie: before });
    expect(attributesOf(next)).toEqual(attributes);
    const cookie = sessionCookie(next)!;
    const exchanged = await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', payload: {} });
    expect(attributesOf(exchanged)).toEqual(attributes);
    const { refresh_token } = tokensOf(exchanged);
    const downgraded = await post(node, '/auth/downgrade', { refresh_token });
    expect(attributesOf(downgraded)).toEqual(attributes);
    const repeated = await post(node, '/auth/downgrade', { refresh_token });
    expect(attributesOf(repeated)).toEqual(attributes);
    const [row] = await sql<{ cookie: object }>(
      node,
      `SELECT sess -> 'cookie' AS cookie FROM session WHERE sid = $1`,
      [sidIn(sessionCookie(downgraded)!)],
    );
    expect(row!.cookie).toMatchObject({ ...stored, sameSite: 'none', httpOnly: true, path: '/' });
  });
});

describe('the cookie of a session that is opened here', () => {
  const withNode = async (
    env: Record<string, string>,
    work: (node: TestApp, user: Account) => Promise<void>,
  ) => {
    const node = await createTestApp({ env: { SESSION_SECRET: SECRET, ...env } });
    try {
      await work(node, await aUser(node));
    } finally {
      await node.close();
    }
  };

  it('has the attributes of the settings, also at a downgrade', async () => {
    const env = {
      SESSION_COOKIE_DOMAIN: 'example.com',
      SESSION_COOKIE_PATH: '/app',
      SESSION_COOKIE_SAME_SITE: 'none',
      SESSION_COOKIE_PARTITIONED: 'true',
    };
    const attributes = [
      'domain=example.com',
      'httponly',
      'partitioned',
      'path=/app',
      'samesite=none',
      'secure',
    ];
    await withNode(env, async (node, user) => {
      expect(attributesOf(await trySessionLogin(node, user))).toEqual(attributes);
      const { username, password } = user;
      const { refresh_token } = tokensOf(await post(node, '/auth/login', { username, password }));
      expect(attributesOf(await post(node, '/auth/downgrade', { refresh_token }))).toEqual(attributes);
    });
  });

  it('has the path of the issuer by default', async () => {
    await withNode({ JWT_ISSUER: 'https://example.com/tenant' }, async (node, user) => {
      const attributes = ['httponly', 'path=/tenant', 'samesite=lax'];
      expect(attributesOf(await trySessionLogin(node, user))).toEqual(attributes);
    });
  });

  it('meets the demands of its name’s prefix, for any attributes of the row', async () => {
    const name = '__Host-sid';
    const env = { JWT_ISSUER: 'https://example.com/tenant', SESSION_COOKIE_NAME: name };
    await withNode(env, async (node, user) => {
      const first = await trySessionLogin(node, user);
      expect(attributesOf(first, name)).toEqual(['httponly', 'path=/', 'samesite=lax', 'secure']);
      const sid = await productSession(node, user, { domain: 'example.com', path: '/app', secure: false });
      const cookie = `${name}=${encodeURIComponent(signSid(sid, SECRET))}`;
      const renewed = await bySession(node, cookie, { url: '/auth/verify' });
      expect(attributesOf(renewed, name)).toEqual(['httponly', 'path=/', 'secure']);
    });
  });
});
