import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RefusalCounter } from '../../src/audit/refusal-counter.js';
import { createTestApp, TEST_SECRET } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  everyRow,
  login,
  post,
  refresh,
  sidOf,
  sql,
  tryLogin,
  tryRefresh,
} from '../helpers/client.js';
import type { Account } from '../helpers/client.js';

interface Event {
  readonly event: string;
  readonly cause: string | null;
  readonly sid: string | null;
  readonly user_id: string;
  readonly ip: string | null;
  readonly request_id: string | null;
}

describe('the audit trail', () => {
  let node: TestApp;
  let user: Account;
  beforeAll(async () => {
    node = await createTestApp();
    user = await aUser(node);
  });
  afterAll(() => node.close());

  function eventsOf(sid: string): Promise<Event[]> {
    return sql<Event>(node, 'SELECT * FROM audit_events WHERE sid = $1 ORDER BY id', [sid]);
  }

  it('has one event for each login, refresh and logout, with user, address and request id', async () => {
    const more = { headers: { 'x-request-id': 'req-login', 'user-agent': 'Phone/1.0' } };
    const tokens = await login(node, user, more);
    const next = await refresh(node, tokens.refresh_token);
    // A repeated answer belongs to the same refresh.
    await refresh(node, tokens.refresh_token);
    await refresh(node, next.refresh_token);
    for (let time = 0; time < 2; time++)
      await post(node, '/auth/logout', undefined, bearer(tokens.access_token));
    const events = await eventsOf(sidOf(tokens));
    expect(events.map(({ event }) => event)).toEqual(['login', 'refresh', 'refresh', 'logout']);
    for (const event of events) expect(event).toMatchObject({ user_id: user.id, ip: '127.0.0.1' });
    expect(events[0]).toMatchObject({ request_id: 'req-login', user_agent: 'Phone/1.0' });
  });

  it('has one event for a reused refresh token and one for a revocation', async () => {
    const tokens = await login(node, user);
    await refresh(node, (await refresh(node, tokens.refresh_token)).refresh_token);
    for (let time = 0; time < 2; time++) await tryRefresh(node, tokens.refresh_token);
    expect((await eventsOf(sidOf(tokens))).map(({ event }) => event)).toEqual([
      'login',
      'refresh',
      'refresh',
      'refresh_reused',
    ]);
    const admin = bearer((await login(node)).access_token);
    await post(node, `/admin/users/${user.id}/revoke`, undefined, admin);
    const revokes = await sql(node, `SELECT 1 FROM audit_events WHERE event = 'revoke' AND user_id = $1`, [
      user.id,
    ]);
    expect(revokes).toHaveLength(1);
  });

  it('counts refusals by cause and address', async () => {
    const counter = node.app.get(RefusalCounter);
    await counter.flush();
    const [{ last } = { last: '0' }] = await sql<{ last: string }>(
      node,
      'SELECT max(id) AS last FROM audit_events',
    );
    const remoteAddress = '192.0.2.44';
    for (let time = 0; time < 3; time++)
      await tryLogin(node, { ...user, password: 'not the password' }, { remoteAddress });
    await tryLogin(node, { ...user, username: 'nobody-at-all' }, { remoteAddress });
    for (let time = 0; time < 2; time++) await tryRefresh(node, 'garbage', { remoteAddress });
    await counter.flush();
    const sums = await sql(
      node,
      `SELECT cause, ip, count FROM audit_events WHERE event = 'refusal' AND id > $1 ORDER BY cause`,
      [last],
    );
    expect(sums).toEqual([
      { cause: 'refresh_token_invalid', ip: remoteAddress, count: 2 },
      { cause: 'unknown_user', ip: remoteAddress, count: 1 },
      { cause: 'wrong_password', ip: remoteAddress, count: 3 },
    ]);
  });

  it('contains no secret, and neither does any other table', async () => {
    const tokens = await login(node, user);
    const next = await refresh(node, tokens.refresh_token);
    await tryLogin(node, { ...user, password: 'a password that is wrong' });
    await node.app.get(RefusalCounter).flush();
    const secrets = [
      user.password,
      'a password that is wrong',
      TEST_SECRET,
      ...[tokens, next].flatMap(({ access_token, refresh_token }) => [
        access_token,
        refresh_token,
        refresh_token.slice(-43),
        // The MAC as PostgreSQL prints a bytea.
        Buffer.from(refresh_token.slice(-43), 'base64url').toString('hex'),
      ]),
    ];
    const rows = await everyRow(node);
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) {
      for (const secret of secrets) expect(row.includes(secret)).toBe(false);
    }
  });
});
