import { afterEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { ROOT, codeOf, login, refresh, tryLogin } from '../../helpers/client.js';

describe('who may begin a login by tokens', () => {
  const nodes: TestApp[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0).toReversed()) await node.close();
  });

  async function aNode(env: Record<string, string>, first?: TestApp): Promise<TestApp> {
    const node = await createTestApp({ env, ...(first === undefined ? {} : { db: first.db }) });
    nodes.push(node);
    return node;
  }

  it('is nobody in a new database that begins at 0 per cent, and the same after a restart that says otherwise', async () => {
    const first = await aNode({ ROLLOUT_PERCENTAGE: '0' });
    const refused = await tryLogin(first, ROOT);
    expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'jwt_not_enabled']);
    const second = await aNode({ ROLLOUT_PERCENTAGE: '100' }, first);
    expect((await tryLogin(second, ROOT)).statusCode).toBe(403);
  });

  it('is told only to those who know the password', async () => {
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
