import { afterEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, aUser, bearer, codeOf, login, refresh, tryLogin, tryRefresh } from '../../helpers/client.js';
import { bySession, SECRET, sessionLogin } from './session-client.js';

describe('eligibility for a token family', () => {
  const nodes: TestApp[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0).toReversed()) await node.close();
  });

  async function aNode(env: Record<string, string>, first?: TestApp): Promise<TestApp> {
    const node = await createTestApp({ env, ...(first === undefined ? {} : { db: first.db }) });
    nodes.push(node);
    return node;
  }

  it('includes nobody in a new database at 0 per cent, and does not change by a restart with other settings', async () => {
    const first = await aNode({ ROLLOUT_PERCENTAGE: '0' });
    const user = await aUser(first);
    const refused = await tryLogin(first, user);
    expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'jwt_not_enabled']);
    const second = await aNode({ ROLLOUT_PERCENTAGE: '100' }, first);
    expect((await tryLogin(second, user)).statusCode).toBe(403);
  });

  it.each([{ phase: 'off' }, { phase: 'internal_beta' }, { phase: 'gradual_rollout', percentage: 0 }])(
    'is every administrator in %j, even with drain',
    async (state) => {
      const node = await aNode({ SESSION_SECRET: SECRET });
      const user = await aUser(node);
      const [admins, users] = [await login(node), await login(node, user)];
      const cookie = await sessionLogin(node, ROOT);
      const payload = { ...state, drain: true };
      const call = { method: 'PATCH', url: '/admin/rollout', payload } as const;
      expect((await node.app.inject({ ...call, ...bearer(admins.access_token) })).statusCode).toBe(200);
      expect(codeOf(await tryRefresh(node, users.refresh_token))).toBe('jwt_not_enabled');
      expect(codeOf(await tryLogin(node, user))).toBe('jwt_not_enabled');
      await refresh(node, admins.refresh_token);
      await login(node);
      const migration = await bySession(node, cookie, { url: '/auth/migration' });
      expect(migration.json()).toMatchObject({ eligible: true });
      const exchange = await bySession(node, cookie, { method: 'POST', url: '/auth/exchange' });
      expect(exchange.statusCode).toBe(200);
    },
  );

  it('is revealed only to callers who know the password', async () => {
    const node = await aNode({ ROLLOUT_PHASE: 'off' });
    const reply = await tryLogin(node, { ...ROOT, password: 'a wrong one' });
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'invalid_credentials']);
  });

  it.each(['deprecation_notice', 'sessions_removed', 'gradual_rollout'])(
    'is everybody in a new database that begins with %s',
    async (ROLLOUT_PHASE) => {
      const node = await aNode({ ROLLOUT_PHASE });
      const tokens = await login(node);
      expect(await refresh(node, tokens.refresh_token)).toMatchObject({ token_type: 'Bearer' });
    },
  );
});
