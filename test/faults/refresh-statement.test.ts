import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database } from '../../src/database/database.js';
import { RateLimitService } from '../../src/limits/limits.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, codeOf, login, post, refresh, sidOf, sql, tryRefresh, verify } from '../helpers/client.js';

/** What a refresh may touch. */
const CONCERNED = /\b(refresh_tokens|rate_limits|session_fates|session|users)\b/;

describe('a refresh, as the database sees it', () => {
  let node: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    node = await createTestApp();
    other = await createTestApp({ db: node.db });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  /** What concerns the login or its user: nodes look after all sessions and logins beside it, several times a second. */
  function watch(on: TestApp, ...ids: readonly string[]) {
    const database = on.app.get(Database);
    const query = vi.spyOn(database, 'query');
    const concerns = (text: string, values: readonly unknown[] = []) =>
      CONCERNED.test(text) && ids.some((id) => JSON.stringify(values).includes(id));
    let transactions = 0;
    const begin = database.transaction.bind(database);
    vi.spyOn(database, 'transaction').mockImplementation((work) =>
      begin((sql) => {
        const seen = vi.fn((text: string, values?: readonly unknown[]) => {
          if (concerns(text, values)) transactions += 1;
          return sql.query(text, values);
        });
        return work({ query: seen as typeof sql.query });
      }),
    );
    return {
      statements: () => query.mock.calls.filter(([text, values]) => concerns(text, values)).length,
      transactions: () => transactions,
    };
  }

  it('needs one statement and no transaction', async () => {
    const user = await aUser(node);
    let tokens = await login(node, user);
    const seen = watch(node, sidOf(tokens), user.id);
    for (let round = 1; round <= 3; round++) {
      tokens = await refresh(node, tokens.refresh_token);
      expect([seen.statements(), seen.transactions()]).toEqual([round, 0]);
    }
    expect(await verify(node, tokens.access_token)).toBe('204');
  });

  it('needs one more statement on a node that sees the family for the first time, and one from then on', async () => {
    const user = await aUser(node);
    let tokens = await login(node, user);
    const seen = watch(other, sidOf(tokens), user.id);
    tokens = await refresh(other, tokens.refresh_token);
    expect(seen.statements()).toBe(2);
    await refresh(other, tokens.refresh_token);
    expect(seen.statements()).toBe(3);
  });

  it('refuses a family that another node has revoked since, and counts no call', async () => {
    const tokens = await refresh(node, (await login(node, await aUser(node))).refresh_token);
    const hits = () => sql<{ n: number }>(node, 'SELECT sum(h)::int AS n FROM rate_limits, unnest(hits) h');
    expect((await post(other, '/auth/logout', { refresh_token: tokens.refresh_token })).statusCode).toBe(204);
    // What logins give back is written a moment later.
    for (const { app } of [node, other]) await app.get(RateLimitService).onApplicationShutdown();
    const before = await hits();
    const reply = await tryRefresh(node, tokens.refresh_token);
    expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'refresh_token_revoked']);
    // The refusal counts by address, which is the only thing that does.
    expect((await hits())[0]!.n).toBe((before[0]!.n ?? 0) + 1);
    const rows = await sql(node, `SELECT 1 FROM audit_events WHERE event = 'refresh' AND sid = $1`, [
      sidOf(tokens),
    ]);
    expect(rows).toHaveLength(1);
  });
});
