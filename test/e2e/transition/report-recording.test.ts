import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RevocationFeed } from '../../../src/tokens/revocation-feed.js';
import { Recorder } from '../../../src/transition/report/recorder.service.js';
import { ReportWriter } from '../../../src/transition/report/report-writer.store.js';
import { ReportStore } from '../../../src/transition/report/report.store.js';
import type { FiguresByScheme } from '../../../src/transition/report/report.store.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, post, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';

describe('what is recorded', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  async function figures(): Promise<FiguresByScheme> {
    await node.app.get(Recorder).flush();
    const until = node.app.get(RevocationFeed).now() + 1_000;
    return node.app.get(ReportStore).figures({ since: until - 3_600_000, until });
  }

  /** What `work` added to the figures of Bearer. */
  async function added(work: () => Promise<unknown>) {
    const { bearer: before } = await figures();
    await work();
    const { bearer: after } = await figures();
    const errors: Record<string, number> = {};
    for (const [code, n] of after.errors) {
      if (n !== (before.errors.get(code) ?? 0)) errors[code] = n - (before.errors.get(code) ?? 0);
    }
    return { requests: after.requests - before.requests, users: after.users - before.users, errors };
  }

  it('is each authentication call and each request that carries a credential to a closed route', async () => {
    expect(
      await added(async () => {
        const tokens = await login(node, user);
        await get(node, '/api/users/me', tokens.access_token);
        await node.app.inject({ method: 'HEAD', url: '/api/users/me', ...bearer(tokens.access_token) });
        await tryRefresh(node, tokens.refresh_token);
        await tryRefresh(node, 'garbage');
        await tryLogin(node, { ...user, password: 'wrong' });
        await get(node, '/api/users/me', 'no.such.token');
        await get(node, '/admin/users/no-uuid/revoke', tokens.access_token);
        await post(node, `/admin/users/${user.id}/revoke`, undefined, bearer(tokens.access_token));
        await post(node, '/auth/logout', undefined, bearer(tokens.access_token));
        await get(node, '/auth/verify', tokens.access_token);
      }),
    ).toEqual({
      requests: 10,
      users: 1,
      errors: {
        refresh_token_invalid: 1,
        invalid_credentials: 1,
        token_malformed: 1,
        forbidden: 1,
        token_revoked: 1,
      },
    });
  });

  it('is nothing else', async () => {
    const { access_token } = await login(node);
    expect(
      await added(async () => {
        for (const path of ['/health/live', '/metrics', '/docs', '/.well-known/jwks.json', '/nowhere'])
          await get(node, path, access_token);
        await get(node, '/api/users/me');
        await node.app.inject({ method: 'DELETE', url: '/auth/verify', ...bearer(access_token) });
      }),
    ).toEqual({ requests: 0, users: 0, errors: {} });
  });

  it('counts a request whose body could not be read', async () => {
    const headers = { 'content-type': 'application/json' };
    const malformed = () =>
      node.app.inject({ method: 'POST', url: '/auth/login', headers, payload: '{"username":' });
    expect(await added(malformed)).toEqual({ requests: 1, users: 0, errors: { malformed_request: 1 } });
  });

  it('is written later when the database does not answer, and once when its answer was lost', async () => {
    const writer = node.app.get(ReportWriter);
    const write = vi.spyOn(writer, 'write');
    const { access_token } = await login(node, user);
    expect(
      await added(async () => {
        await get(node, '/api/users/me', access_token);
        write.mockRejectedValueOnce(new Error('not sent'));
        await node.app.get(Recorder).flush();
        await get(node, '/api/users/me', access_token);
        write.mockImplementationOnce(async (...args) => {
          await ReportWriter.prototype.write.apply(writer, args);
          throw new Error('the answer was lost');
        });
        for (let time = 0; time < 3; time++) await node.app.get(Recorder).flush();
      }),
    ).toEqual({ requests: 2, users: 0, errors: {} });
    write.mockRestore();
  });
});
