import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';

describe('the service', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
  });
  afterAll(() => node.close());

  it('logs in, calls the API, refreshes and logs out', async () => {
    const login = await node.app.inject({
      method: 'POST',
      url: '/auth/login',
      payload: { username: 'root', password: 'a long enough pass phrase' },
    });
    expect(login.statusCode).toBe(200);
    const tokens = login.json<{ access_token: string; refresh_token: string }>();
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    expect((await node.app.inject({ url: '/api/users', headers })).json()).toMatchObject({
      users: [{ username: 'root', role: 'admin' }],
      next_cursor: null,
    });
    const refreshed = await node.app.inject({
      method: 'POST',
      url: '/auth/refresh',
      payload: { refresh_token: tokens.refresh_token },
    });
    expect(refreshed.statusCode).toBe(200);
    expect((await node.app.inject({ method: 'POST', url: '/auth/logout', headers })).statusCode).toBe(204);
    const refused = await node.app.inject({ url: '/api/users', headers });
    expect(refused.statusCode).toBe(401);
    expect(refused.json()).toMatchObject({ code: 'token_revoked' });
  });
});
