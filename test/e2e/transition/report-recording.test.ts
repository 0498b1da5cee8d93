import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DatabaseClock } from '../../../src/tokens/feed/database-clock.js';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { ReportWriterStore } from '../../../src/transition/report/report-writer.store.js';
import { ReportStore } from '../../../src/transition/report/report.store.js';
import type { FiguresByScheme } from '../../../src/transition/report/report.store.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, get, login, post, sql, tryLogin, tryRefresh } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';

describe('the recorder of the report', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  async function figures(): Promise<FiguresByScheme> {
    await node.app.get(RecorderService).flush();
    const until = node.app.get(DatabaseClock).now() + 1_000;
    return node.app.get(ReportStore).figures({ since: until - 3_600_000, until });
  }

  /** The change of the figures of `bearer` during `work`. */
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

  it('counts each authentication call and each request with a credential to a closed route', async () => {
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
        await post(node, '/auth/verify/items', undefined, bearer(tokens.access_token));
      }),
    ).toEqual({
      requests: 11,
      users: 1,
      errors: {
        refresh_token_invalid: 1,
        invalid_credentials: 1,
        token_malformed: 1,
        forbidden: 1,
        token_revoked: 2,
      },
    });
  });

  it('counts no public route, unknown path or request without a credential', async () => {
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

  it('counts refreshes of OAuth clients and their users', async () => {
    const newcomer = await aUser(node);
    const { refresh_token } = await login(node, newcomer);
    await figures();
    await sql(node, 'TRUNCATE scheme_uses');
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const grant = (token: string) => {
      const payload = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }).toString();
      return node.app.inject({ method: 'POST', url: '/oauth/token', headers, payload });
    };
    expect(
      await added(async () => {
        expect((await grant(refresh_token)).statusCode).toBe(200);
        expect((await grant('garbage')).statusCode).toBe(400);
      }),
    ).toEqual({ requests: 2, users: 1, errors: { refresh_token_invalid: 1 } });
  });

  it('counts the user of a refresh, and a session with its user agent', async () => {
    const newcomer = await aUser(node);
    const { refresh_token } = await login(node, newcomer);
    await figures();
    await sql(node, 'TRUNCATE scheme_uses');
    await tryRefresh(node, refresh_token);
    const headers = { 'user-agent': 'App/9' };
    const { username, password } = newcomer;
    const reply = await post(node, '/api/login', { username, password }, { headers });
    const cookies = Object.fromEntries(reply.cookies.map(({ name, value }) => [name, value]));
    for (let time = 0; time < 2; time++)
      await node.app.inject({ url: '/api/users/me', cookies, headers: { 'user-agent': 'App/9' } });
    await node.app.inject({ url: '/api/users/me', cookies, headers: { 'user-agent': 'x'.repeat(300) } });
    const { bearer: tokens, session } = await figures();
    expect([tokens.users, session.users]).toEqual([1, 1]);
    const uses = await sql(
      node,
      `SELECT scheme, user_id, user_agent, sum(requests)::int AS requests FROM scheme_uses
       GROUP BY scheme, user_id, user_agent ORDER BY scheme, requests DESC`,
    );
    expect(uses).toEqual([
      { scheme: 'bearer', user_id: newcomer.id, user_agent: '', requests: 0 },
      { scheme: 'session', user_id: newcomer.id, user_agent: 'App/9', requests: 3 },
      { scheme: 'session', user_id: newcomer.id, user_agent: 'x'.repeat(256), requests: 1 },
    ]);
  });

  it('counts a request whose body could not be read', async () => {
    const headers = { 'content-type': 'application/json' };
    const malformed = () =>
      node.app.inject({ method: 'POST', url: '/auth/login', headers, payload: '{"username":' });
    expect(await added(malformed)).toEqual({ requests: 1, users: 0, errors: { malformed_request: 1 } });
  });

  it('writes a batch later after a failure, and only once if the answer was lost', async () => {
    const writer = node.app.get(ReportWriterStore);
    const write = vi.spyOn(writer, 'write');
    const { access_token } = await login(node, user);
    expect(
      await added(async () => {
        await get(node, '/api/users/me', access_token);
        write.mockRejectedValueOnce(new Error('not sent'));
        await node.app.get(RecorderService).flush();
        await get(node, '/api/users/me', access_token);
        write.mockImplementationOnce(async (...args) => {
          await ReportWriterStore.prototype.write.apply(writer, args);
          throw new Error('the answer was lost');
        });
        for (let time = 0; time < 3; time++) await node.app.get(RecorderService).flush();
      }),
    ).toEqual({ requests: 2, users: 0, errors: {} });
    write.mockRestore();
  });
});
