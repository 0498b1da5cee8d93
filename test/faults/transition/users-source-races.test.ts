import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestApp } from '../../helpers/app.js';
import { TEST_SECRET } from '../../helpers/app.js';
import { login, refresh, tokensOf, tryLogin, tryRefresh, verify } from '../../helpers/client.js';
import {
  change,
  hashOf,
  productNode,
  productSession,
  signUp,
  withoutSource,
} from '../../e2e/transition/product-users.js';
import { statusOf, verifySession } from '../../e2e/transition/session-client.js';
import { exchange } from '../../e2e/transition/session-nodes.js';

const ROUNDS = 8;

describe('a product that changes its users while they are in use', () => {
  let node: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    node = await productNode();
    other = await productNode({ db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  it('leaves no login with the old password, whatever runs at the same time', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const user = await signUp(node);
      const account = { ...user, id: '' };
      const first = await login(node, account);
      const renewed = { ...account, password: `new phrase of round ${round}` };
      const [refreshed, , old] = await Promise.all([
        tryRefresh(node, first.refresh_token),
        change(node, user, 'hash = $2', [hashOf(renewed.password)]),
        tryLogin(other, account),
        tryLogin(node, renewed),
      ]);
      // The next query sees the new password. From then on nothing older is live.
      const last = tokensOf(await tryLogin(other, renewed));
      for (const reply of [refreshed, old]) {
        if (reply.statusCode !== 200) continue;
        const { refresh_token, access_token } = tokensOf(reply);
        expect(statusOf(await tryRefresh(node, refresh_token))).toMatch(/^401 /);
        expect(await verify(other, access_token)).toBe('401 token_revoked');
      }
      expect(statusOf(await tryLogin(node, account))).toBe('401 invalid_credentials');
      await refresh(node, last.refresh_token);
    }
  });

  it('leaves no credential of a user who is disabled during a login and an exchange', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const user = await signUp(node);
      const cookie = await productSession(node, user.id);
      const replies = await Promise.all([
        tryLogin(node, { ...user, id: '' }),
        exchange(other, cookie),
        change(node, user, 'banned = true'),
      ]);
      expect(statusOf(await tryLogin(other, { ...user, id: '' }))).toBe('401 invalid_credentials');
      for (const reply of replies.slice(0, 2)) {
        if (reply?.statusCode !== 200) continue;
        const { refresh_token, access_token } = tokensOf(reply);
        expect(statusOf(await tryRefresh(node, refresh_token))).toMatch(/^401 /);
        expect(await verify(node, access_token)).toBe('401 token_revoked');
      }
      expect(await verifySession(node, cookie)).toBe('401 session_invalid');
    }
  });

  it('ends nothing while the source is away, however often everybody tries', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => signUp(node)));
    const logins = await Promise.all(users.map((user) => login(node, { ...user, id: '' })));
    await withoutSource(node, async () => {
      for (let round = 0; round < 3; round += 1) {
        const replies = await Promise.all(logins.map(({ refresh_token }) => tryRefresh(node, refresh_token)));
        expect(new Set(replies.map(statusOf))).toEqual(new Set(['503 service_unavailable']));
      }
    });
    await Promise.all(logins.map(({ refresh_token }) => refresh(other, refresh_token)));
  });

  it('logs nobody out when JWT_SECRET changes and JWT_SECRET_PREVIOUS is the old one', async () => {
    const user = await signUp(node);
    const { refresh_token } = await login(node, { ...user, id: '' });
    const env = {
      JWT_SECRET: 'YW5vdGhlci10ZXN0LXNlY3JldC0wMTIzNDU2Nzg5',
      JWT_SECRET_PREVIOUS: TEST_SECRET,
    };
    const changed = await productNode({ db: node.db, env });
    try {
      const next = await refresh(changed, refresh_token);
      await refresh(changed, next.refresh_token);
      // A node that knows only the old secret agrees.
      await login(node, { ...user, id: '' });
    } finally {
      await changed.close();
    }
  });
});
