import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, sql, tryLogin } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { SECRET, bySession, cookieFor, sessionLogin, trySessionLogin } from './session-client.js';

const LIMIT = 3;
const WRONG = 'not the password';

describe('a live session', () => {
  let node: TestApp;
  let user: Account;
  let cookie: string;
  beforeAll(async () => {
    node = await createTestApp({
      env: { AUTH_RATE_LIMIT: String(LIMIT), TRUST_PROXY: '127.0.0.1', SESSION_SECRET: SECRET },
    });
  });
  beforeEach(async () => {
    await sql(node, 'DELETE FROM rate_limits');
    user = await aUser(node);
    cookie = await sessionLogin(node, user);
    for (let i = 0; i < LIMIT; i++) await tryLogin(node, { ...user, password: WRONG }, somewhere());
  });
  afterAll(() => node.close());

  let clients = 0;
  function somewhere(more: Record<string, string> = {}) {
    clients += 1;
    return { headers: { ...more, 'x-forwarded-for': `203.0.113.${clients}` } };
  }

  it('makes a known device of its user at /api/login and /auth/login, even during an attack', async () => {
    expect((await trySessionLogin(node, user, somewhere().headers)).statusCode).toBe(429);
    expect((await tryLogin(node, user, somewhere({ cookie }))).statusCode).toBe(200);
    expect((await trySessionLogin(node, user, somewhere({ cookie }).headers)).statusCode).toBe(200);
  });

  it('makes no known device if it is another user’s, unsigned or revoked', async () => {
    const foreign = await sessionLogin(node, await aUser(node));
    const forged = cookieFor(randomUUID(), 'another secret');
    for (const other of [foreign, forged, cookieFor('unknown')])
      expect((await trySessionLogin(node, user, somewhere({ cookie: other }).headers)).statusCode).toBe(429);
    expect((await bySession(node, cookie, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect((await trySessionLogin(node, user, somewhere({ cookie }).headers)).statusCode).toBe(429);
  });

  it('does not allow unlimited guesses', async () => {
    const guess = () => trySessionLogin(node, { ...user, password: WRONG }, somewhere({ cookie }).headers);
    for (let i = 0; i < LIMIT; i++) expect((await guess()).statusCode).toBe(401);
    expect((await guess()).statusCode).toBe(429);
  });
});
