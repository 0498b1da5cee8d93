import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import { CallbackCheck } from '../../../src/transition/sessions/callback/callback.check.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  everyRow,
  get,
  login,
  post,
  refresh,
  sql,
  tokensOf,
  tryRefresh,
  verify,
} from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { CallbackProduct } from '../../helpers/transition/callback-product.js';
import { bySession, statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

type Answer = Parameters<CallbackProduct['misbehave']>[1];

const json = (response: Answer, status: number, body: unknown, headers: Record<string, string> = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
  return true;
};

describe('SESSION_STORE=callback', () => {
  let product: CallbackProduct;
  let node: TestApp;
  let other: TestApp;
  /** Of a product whose sessions Tandem finds itself. */
  let plain: TestApp;
  beforeAll(async () => {
    plain = await createTestApp();
    product = await CallbackProduct.start();
    node = await createTestApp({ env: product.env });
    other = await createTestApp({ env: product.env, db: node.db });
  });
  afterEach(() => {
    product.misbehave = () => false;
    product.ended = async () => undefined;
  });
  afterAll(async () => {
    await other.close();
    await node.close();
    await plain.close();
    await product.close();
  });

  /** A user of the product whom Tandem knows by an external id. */
  async function aMember(): Promise<Account & { name: string }> {
    const account = await aUser(node);
    const name = `member-${randomUUID()}`;
    await sql(node, 'UPDATE users SET external_id = $2 WHERE id = $1', [account.id, name]);
    return { ...account, name };
  }

  async function aLogin(): Promise<Account & { name: string; cookie: string }> {
    const member = await aMember();
    return { ...member, cookie: await product.login(member.name) };
  }

  /** A service client with the scope. */
  async function aClient(at: TestApp, ...scopes: string[]): Promise<{ headers: { authorization: string } }> {
    const { access_token } = await login(at);
    const reply = await post(at, '/admin/clients', { name: randomUUID(), scopes }, bearer(access_token));
    const { client_id: id, client_secret: secret } = reply.json<{
      client_id: string;
      client_secret: string;
    }>();
    return { headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` } };
  }

  it('accepts a session by what the product says, and sends nothing but the session cookie and the secret', async () => {
    const { name, cookie } = await aLogin();
    product.take('GET');
    const me = await bySession(node, `theme=dark; ${cookie}; other=1`, { url: '/api/users/me' });
    expect(me.json()).toMatchObject({ external_id: name });
    const [call, ...others] = product.take('GET');
    expect(others).toEqual([]);
    const { authorization, cookie: sent, ...rest } = call!.headers;
    expect({ authorization, sent }).toEqual({
      authorization: `Bearer shared-by-the-product-and-tandem`,
      sent: cookie,
    });
    expect(Object.keys(rest).toSorted()).toEqual(['accept', 'cache-control', 'connection', 'host']);
    expect(await verifySession(node, 'connect.sid=s%3Aunknown.unknown')).toBe('401 session_invalid');
  });

  it('makes one call for many requests with one cookie at the same time, and one for each cookie', async () => {
    const logins = await Promise.all([aLogin(), aLogin()]);
    product.take('GET');
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => verifySession(node, logins[index % 2]!.cookie)),
    );
    expect(new Set(answers)).toEqual(new Set(['204']));
    expect(product.take('GET')).toHaveLength(2);
  });

  it.each<[string, CallbackProduct['misbehave']]>([
    ['an error', (_, response) => json(response, 500, {})],
    ['a refusal of the secret', (_, response) => json(response, 403, {})],
    ['a redirect', (_, response) => json(response, 302, '', { location: 'http://127.0.0.1:1/' })],
    ['a page', (_, response) => json(response, 200, '<html></html>')],
    ['another form', (_, response) => json(response, 200, [])],
    ['no user', (_, response) => json(response, 200, { session: 'x', expires_at: '2099-01-01T00:00:00Z' })],
    [
      'a user that is no external id',
      (_, response) => json(response, 200, { user: 'a b', session: 'x', expires_at: '2099-01-01T00:00:00Z' }),
    ],
    ['no session', (_, response) => json(response, 200, { user: 'x', expires_at: '2099-01-01T00:00:00Z' })],
    ['no time', (_, response) => json(response, 200, { user: 'x', session: 'x', expires_at: 'tomorrow' })],
    ['an answer of a cache', (_, response) => json(response, 401, '', { age: '1' })],
    ['a long body', (_, response) => json(response, 200, ' '.repeat(9_000))],
    ['a long head', (_, response) => json(response, 200, '', { 'x-filler': 'x'.repeat(9_000) })],
    ['no answer', (request) => request.socket.destroy() !== undefined],
    [
      'half an answer',
      (_, response) => (
        response.writeHead(200, { 'content-length': '50' }),
        response.write('{'),
        response.destroy(),
        true
      ),
    ],
  ])('answers 503 and never 401 if the product gives %s, and recovers', async (_name, misbehave) => {
    const { cookie } = await aLogin();
    product.misbehave = misbehave;
    const reply = await bySession(node, cookie, { url: '/auth/verify' });
    expect([statusOf(reply), reply.headers['retry-after']]).toEqual(['503 service_unavailable', '1']);
    product.misbehave = () => false;
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('gives up on a call after two seconds', async () => {
    const { cookie } = await aLogin();
    const held: Answer[] = [];
    product.misbehave = (_request, response) => (held.push(response), true);
    expect(statusOf(await bySession(node, cookie, { url: '/auth/verify' }))).toBe('503 service_unavailable');
    expect(held).toHaveLength(1);
    // The product sees that nobody waits any more.
    await expect
      .poll(() => held[0]!.destroyed || held[0]!.socket?.destroyed !== false, { timeout: 10_000 })
      .toBe(true);
  });

  it('answers 503 if the product asks Tandem about the same cookie within its callback', async () => {
    const { cookie } = await aLogin();
    product.misbehave = (_request, response) => {
      void verifySession(node, cookie).then((status) => json(response, 200, { status }));
      return true;
    };
    expect(statusOf(await bySession(node, cookie, { url: '/auth/verify' }))).toBe('503 service_unavailable');
  });

  it('does not accept an answer about another user for a session that it knows, and ends the tokens of the first', async () => {
    const [first, second] = [await aLogin(), await aMember()];
    const answer = (user: string) =>
      (product.misbehave = ({ method }, response) =>
        method === 'GET' &&
        json(response, 200, { user, session: `of-${first.name}`, expires_at: '2099-01-01T00:00:00Z' }));
    answer(first.name);
    const { refresh_token } = tokensOf(await exchange(node, first.cookie));
    answer(second.name);
    expect(statusOf(await tryRefresh(other, refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('does not sign in an administrator', async () => {
    const { id, cookie } = await aLogin();
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [id]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('does not sign in an administrator even by a session that a downgrade began', async () => {
    const { id, cookie } = await aLogin();
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    const { value } = reply.cookies.find((set) => set.name === product.cookieName)!;
    const own = `${product.cookieName}=${encodeURIComponent(value)}`;
    expect(await verifySession(node, own)).toBe('204');
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [id]);
    expect(await verifySession(node, own)).toBe('401 session_invalid');
  });

  it('ends the tokens with a logout in the product at the next refresh, without a report', async () => {
    const { cookie } = await aLogin();
    const first = tokensOf(await exchange(node, cookie));
    const { refresh_token } = await refresh(other, first.refresh_token);
    expect(await verifySession(other, cookie)).toBe('204');
    // A fresh answer in memory is no excuse.
    await product.logout(cookie);
    expect(statusOf(await tryRefresh(other, refresh_token))).toBe('401 refresh_token_revoked');
  });

  it('keeps the tokens if the product does not answer at a refresh', async () => {
    const { cookie } = await aLogin();
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    product.misbehave = (_request, response) => json(response, 500, {});
    expect(statusOf(await tryRefresh(other, refresh_token))).toBe('503 service_unavailable');
    product.misbehave = () => false;
    await refresh(other, refresh_token);
  });

  it('keeps the tokens when the session has expired by itself', async () => {
    const { id, cookie } = await aLogin();
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    await sql(
      node,
      `UPDATE session_records SET expire = now() WHERE sid IN (SELECT sid FROM session_fates WHERE user_id = $1)`,
      [id],
    );
    product.misbehave = ({ method }, response) => method === 'GET' && json(response, 401, {});
    expect((await tryRefresh(other, refresh_token)).statusCode).toBe(200);
  });

  it('ends the session and its tokens on all nodes as soon as the product reports the logout', async () => {
    const { cookie } = await aLogin();
    const { access_token, refresh_token } = tokensOf(await exchange(node, cookie));
    const client = await aClient(node, 'sessions');
    product.ended = async (session) => {
      const reply = await post(node, '/oauth/sessions/ended', { session }, client);
      expect(reply.statusCode).toBe(204);
    };
    product.take('DELETE');
    await product.logout(cookie);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    expect(await verify(node, access_token)).toBe('401 token_revoked');
    await expect.poll(() => verify(other, access_token), { timeout: 10_000 }).toBe('401 token_revoked');
    expect(statusOf(await tryRefresh(other, refresh_token))).toBe('401 refresh_token_revoked');
    // The product knows already.
    expect(product.take('DELETE')).toEqual([]);
  });

  it('takes reports only from clients with the scope and from administrators, again and about any session', async () => {
    const report = (more: object, session: unknown = 'unknown') =>
      post(node, '/oauth/sessions/ended', { session }, more);
    expect(statusOf(await report(await aClient(node, 'revoke')))).toBe('403 insufficient_scope');
    expect((await report({})).statusCode).toBe(401);
    expect(statusOf(await report(bearer((await login(node, await aUser(node))).access_token)))).toBe(
      '403 forbidden',
    );
    const client = await aClient(node, 'sessions');
    for (const session of ['unknown', 'unknown'])
      expect((await report(client, session)).statusCode).toBe(204);
    for (const session of ['', 'a b', 'x'.repeat(256), 1, null])
      expect(statusOf(await report(client, session))).toBe('400 validation_failed');
    const there = await aClient(plain, 'sessions');
    expect(statusOf(await post(plain, '/oauth/sessions/ended', { session: 'x' }, there))).toBe(
      '404 not_found',
    );
  });

  it('ends a session in the product at a logout here', async () => {
    const { name, cookie } = await aLogin();
    expect(await product.userOf(cookie)).toBe(name);
    expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await product.userOf(cookie)).toBeUndefined();
    expect(await verifySession(other, cookie)).toBe('401 session_invalid');
  });

  it('refuses a session that it has ended until the product confirms, and repeats the call', async () => {
    const { name, cookie } = await aLogin();
    product.misbehave = ({ method }, response) => method === 'DELETE' && json(response, 500, {});
    expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await product.userOf(cookie)).toBe(name);
    for (const at of [node, other]) expect(await verifySession(at, cookie)).toBe('401 session_invalid');
    expect(statusOf(await exchange(other, cookie))).toBe('401 session_invalid');
    product.misbehave = () => false;
    await expect.poll(() => product.userOf(cookie), { timeout: 30_000 }).toBeUndefined();
  });

  it('ends all sessions of a revoked user, also those that it has never seen', async () => {
    const { id, name, cookie } = await aLogin();
    const unseen = await product.login(name);
    const bystander = await aLogin();
    expect(await verifySession(node, cookie)).toBe('204');
    product.misbehave = ({ method }, response) => method === 'DELETE' && json(response, 500, {});
    const revoked = { reason: 'revoke', event: 'revoke' } as const;
    await node.app.get(RevocationService).revokeUser(id, revoked, NO_ORIGIN);
    expect(await verifySession(other, cookie)).toBe('401 session_invalid');
    expect(await verifySession(other, unseen)).toBe('503 service_unavailable');
    product.misbehave = () => false;
    await expect.poll(() => verifySession(other, unseen), { timeout: 30_000 }).toBe('401 session_invalid');
    expect([await product.userOf(cookie), await product.userOf(unseen)]).toEqual([undefined, undefined]);
    expect(await product.userOf(bystander.cookie)).toBe(bystander.name);
    // Answers from before the product's 204 count for two seconds. Until then no unseen session of the user is accepted.
    const later = await product.login(name);
    await expect.poll(() => verifySession(node, later), { timeout: 30_000 }).toBe('204');
  });

  it('lets the product begin the session of a downgrade, and passes its cookie on, also at a repetition', async () => {
    const { name, cookie } = await aLogin();
    const { access_token, refresh_token } = tokensOf(await exchange(node, cookie));
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    expect(reply.statusCode).toBe(200);
    const cookieOf = (answer: typeof reply) => answer.cookies.find((set) => set.name === product.cookieName)!;
    const { value, httpOnly, path } = cookieOf(reply);
    expect({ httpOnly, path }).toEqual({ httpOnly: true, path: '/' });
    const own = `${product.cookieName}=${encodeURIComponent(value)}`;
    expect(await product.userOf(own)).toBe(name);
    expect(await product.userOf(cookie)).toBeUndefined();
    expect(await verify(node, access_token)).toBe('401 token_revoked');
    const again = await post(other, '/auth/downgrade', { refresh_token });
    expect(cookieOf(again).value).toBe(value);
    expect(await verifySession(other, own)).toBe('204');
    tokensOf(await exchange(other, own));
  });

  it.each<[string, CallbackProduct['misbehave']]>([
    [
      'of another user',
      ({ method }, response) =>
        method === 'GET' &&
        json(response, 200, { user: 'other', session: randomUUID(), expires_at: '2099-01-01T00:00:00Z' }),
    ],
    ['without a cookie', ({ method }, response) => method === 'POST' && json(response, 200, {})],
    [
      'with two cookies',
      ({ method }, response) => {
        if (method !== 'POST') return false;
        response.writeHead(200, { 'set-cookie': ['connect.sid=a', 'connect.sid=b'] }).end();
        return true;
      },
    ],
    ['that is not there', ({ method }, response) => method === 'GET' && json(response, 401, {})],
    ['that has begun before', () => false],
  ])('refuses a downgrade to a session %s, and keeps the tokens', async (kind, misbehave) => {
    const { name, cookie } = await aLogin();
    const { access_token, refresh_token } = tokensOf(await exchange(node, cookie));
    const before = `${await product.login(name)}; Path=/`;
    if (kind === 'that has begun before')
      expect(await verifySession(node, before.split(';')[0]!)).toBe('204');
    product.misbehave = (request, response) => {
      // The session that was exchanged is as it was.
      if (request.headers.cookie === cookie) return false;
      if (kind !== 'that has begun before' || request.method !== 'POST') return misbehave(request, response);
      response.writeHead(200, { 'set-cookie': before }).end();
      return true;
    };
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    expect(statusOf(reply)).toBe('503 service_unavailable');
    expect(reply.headers['set-cookie']).toBeUndefined();
    expect(await verify(node, access_token)).toBe('204');
  });

  it('does not pass on a cookie with the name of the refresh token', async () => {
    const { name, cookie } = await aLogin();
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    const fresh = await product.login(name);
    product.misbehave = ({ method }, response) => {
      if (method !== 'POST') return false;
      response.writeHead(200, {
        'set-cookie': ['refresh_token=stolen; Path=/auth', `${fresh}; Path=/`, 'theme=dark'],
      });
      response.end();
      return true;
    };
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    const lines = [reply.headers['set-cookie']].flat();
    expect(lines).toContain('theme=dark');
    expect(lines.some((line) => line?.includes('stolen'))).toBe(false);
  });

  it('leaves the legacy login to the product', async () => {
    const { username, password } = await aMember();
    expect(statusOf(await post(node, '/api/login', { username, password }))).toBe('404 not_found');
    expect((await post(node, '/auth/login', { username, password })).statusCode).toBe(200);
  });

  it('serves a login with a password while the product does not answer, whatever cookie comes with it', async () => {
    const { username, password, cookie } = await aLogin();
    product.misbehave = (_request, response) => json(response, 500, {});
    const reply = await post(node, '/auth/login', { username, password }, { headers: { cookie } });
    expect(reply.statusCode).toBe(200);
  });

  it('lists sessions, and stores neither a cookie nor the id of the product', async () => {
    const { id, name, cookie } = await aLogin();
    const session = `named-${randomUUID()}`;
    product.misbehave = (_request, response) =>
      json(response, 200, { user: name, session, expires_at: '2099-01-01T00:00:00Z' });
    expect(await verifySession(node, cookie)).toBe('204');
    const listed = await get(
      node,
      `/admin/tokens?user_id=${id}&scheme=session`,
      (await login(node)).access_token,
    );
    expect(listed.json<{ tokens: unknown[] }>().tokens).toHaveLength(1);
    const rows = (await everyRow(node)).join('\n');
    const secret = decodeURIComponent(cookie).slice('connect.sid=s:'.length);
    const hex = (text: string) => Buffer.from(text).toString('hex');
    for (const text of [secret, secret.split('.')[0]!, session])
      expect([rows.includes(text), rows.includes(hex(text))]).toEqual([false, false]);
  });

  it('has a check of the doctor that finds a product that does not answer, and one that names somebody for nobody', async () => {
    const check = node.app.get(CallbackCheck);
    const levels = async () => (await check.examine()).map(({ level, message }) => `${level} ${message}`);
    expect(await levels()).toEqual([
      'ok the product answers, and names nobody for a request without a session',
    ]);
    product.misbehave = (_request, response) => json(response, 200, { user: 'x' });
    expect(await levels()).toEqual(['fail the product answers 200 to a request without a session cookie']);
    product.misbehave = (request) => request.socket.destroy() !== undefined;
    expect(await levels()).toEqual([
      expect.stringMatching(/^fail the product does not answer at SESSION_CALLBACK_URL \(\w+\)$/),
    ]);
  });
});
