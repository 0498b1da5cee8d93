import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, codeOf, login, refresh, sidOf, sql, tryRefresh, verify } from '../helpers/client.js';
import type { Reply, Tokens } from '../helpers/client.js';

const PRESENTATIONS = 64;

/** With the default limit: presenting a token again counts as the same call. */
const env = { AUTH_RATE_LIMIT: '10' };

describe('a refresh token that is presented many times at once', () => {
  let node: TestApp;
  let other: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env });
    other = await createTestApp({ env, db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  function presentAtOnce(token: string, times: number, nodes: readonly TestApp[]): Promise<Reply[]> {
    return Promise.all(
      Array.from({ length: times }, (_, index) => tryRefresh(nodes[index % nodes.length]!, token)),
    );
  }

  async function expectOneBranch(first: Tokens, replies: readonly Reply[]) {
    expect(new Set(replies.map((reply) => `${reply.statusCode} ${codeOf(reply)}`))).toEqual(
      new Set(['200 undefined']),
    );
    const successors = new Set(replies.map((reply) => reply.json<Tokens>().refresh_token));
    expect(successors.size).toBe(1);
    const [row] = await sql<{ generation: number }>(
      node,
      'SELECT generation FROM refresh_tokens WHERE id = $1 AND revoked_at IS NULL',
      [sidOf(first)],
    );
    expect(row).toEqual({ generation: 1 });
    const events = await sql(node, `SELECT 1 FROM audit_events WHERE event = 'refresh' AND sid = $1`, [
      sidOf(first),
    ]);
    expect(events).toHaveLength(1);
    for (const reply of replies) expect(await verify(node, reply.json<Tokens>().access_token)).toBe('204');
    await refresh(other, [...successors][0]!);
  }

  it('is answered 200 every time with one successor', async () => {
    const first = await login(node, await aUser(node));
    await expectOneBranch(first, await presentAtOnce(first.refresh_token, PRESENTATIONS, [node]));
  });

  it('is answered 200 every time with one successor, over two nodes', async () => {
    const first = await login(node, await aUser(node));
    await expectOneBranch(first, await presentAtOnce(first.refresh_token, PRESENTATIONS, [node, other]));
  });

  it('is never answered 401: presentations beyond the bound succeed after a retry', async () => {
    const first = await login(node, await aUser(node));
    const replies = await presentAtOnce(first.refresh_token, 3 * PRESENTATIONS, [node]);
    const busy = replies.filter(({ statusCode }) => statusCode !== 200);
    for (const reply of busy) {
      expect([reply.statusCode, codeOf(reply)]).toEqual([503, 'service_unavailable']);
      expect(reply.headers['retry-after']).toMatch(/^\d+$/);
    }
    expect(replies.length - busy.length).toBeGreaterThanOrEqual(PRESENTATIONS);
    const tokens = replies.filter(({ statusCode }) => statusCode === 200);
    expect(new Set(tokens.map((reply) => reply.json<Tokens>().refresh_token)).size).toBe(1);
  });

  it('leaves one current generation if the token and its successor race', async () => {
    const first = await login(node, await aUser(node));
    const second = await refresh(node, first.refresh_token);
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        tryRefresh(index % 2 ? node : other, index % 3 ? second.refresh_token : first.refresh_token),
      ),
    );
    const given = new Set(
      replies.filter((r) => r.statusCode === 200).map((r) => r.json<Tokens>().refresh_token),
    );
    given.delete(second.refresh_token);
    expect(given.size).toBeLessThanOrEqual(1);
    const [row] = await sql<{ generation: number }>(
      node,
      'SELECT generation FROM refresh_tokens WHERE id = $1',
      [sidOf(first)],
    );
    expect(row!.generation).toBeLessThanOrEqual(2);
  });
});
