import { expect } from 'vitest';
import { createTestApp } from '../../helpers/app.js';
import { bearer, login, post, sql, tryRefresh } from '../../helpers/client.js';
import type { Reply, Tokens } from '../../helpers/client.js';
import { CallbackProduct } from '../../helpers/transition/callback-product.js';
import { bySession } from './session-client.js';

/** Users that act at the same time. */
const AT_ONCE = 20;

/** One browser: it has a session, or tokens, or a session that came from tokens. */
interface Walker {
  readonly name: string;
  cookie: string;
  tokens: Tokens | undefined;
}

/** What the walk has seen. */
export interface WalkResult {
  readonly exchanged: number;
  readonly downgraded: number;
  readonly unexpectedLogouts: number;
  readonly requests: number;
}

/**
 * Walks users of a product with a callback from 0 to 100 per cent and back to 0 with `drain`, on two nodes. After each step every user makes
 * a request at both nodes, and no user may ever be refused.
 */
export async function walkByCallback(users: number): Promise<WalkResult> {
  const product = await CallbackProduct.start();
  const env = { ...product.env, ROLLOUT_PERCENTAGE: '0' };
  const first = await createTestApp({ env });
  const second = await createTestApp({ env, db: first.db });
  const nodes = [first, second];
  const seen = { exchanged: 0, downgraded: 0, unexpectedLogouts: 0, requests: 0 };
  try {
    const names = Array.from({ length: users }, (_, index) => `walker-${index}`);
    await sql(
      first,
      `INSERT INTO users (id, username, username_key, external_id) SELECT gen_random_uuid(), name, name, name FROM unnest($1::text[]) AS name`,
      [names],
    );
    const walkers: Walker[] = await inParts(names, async (name) => ({
      name,
      cookie: await product.login(name),
      tokens: undefined,
    }));
    const admin = bearer((await login(first)).access_token);
    const patch = async (payload: object) => {
      const reply = await first.app.inject({ method: 'PATCH', url: '/admin/rollout', payload, ...admin });
      expect(reply.statusCode).toBe(200);
      const { version } = reply.json<{ version: number }>();
      for (const node of nodes)
        await expect
          .poll(
            async () =>
              (await node.app.inject({ url: '/admin/rollout', ...admin })).json<{ version: number }>()
                .version,
          )
          .toBeGreaterThanOrEqual(version);
    };
    const check = (reply: Reply) => {
      seen.requests += 1;
      if (reply.statusCode === 401) seen.unexpectedLogouts += 1;
      return reply;
    };
    const act = async (walker: Walker, turn: number) => {
      const node = nodes[turn % 2]!;
      if (walker.tokens !== undefined) await actWithTokens(walker, node);
      else {
        const reply = check(await bySession(node, walker.cookie, { method: 'POST', url: '/auth/exchange' }));
        if (reply.statusCode === 200) {
          walker.tokens = reply.json<Tokens>();
          seen.exchanged += 1;
        } else expect(reply.statusCode).toBe(403);
      }
      for (const at of nodes) {
        const me =
          walker.tokens === undefined
            ? await bySession(at, walker.cookie, { url: '/api/users/me' })
            : await at.app.inject({ url: '/api/users/me', ...bearer(walker.tokens.access_token) });
        expect(check(me).json()).toMatchObject({ external_id: walker.name });
      }
      expect(await product.userOf(walker.cookie)).toBe(walker.name);
    };
    const actWithTokens = async (walker: Walker, node: (typeof nodes)[number]) => {
      const { refresh_token } = walker.tokens!;
      const reply = check(await tryRefresh(node, refresh_token));
      if (reply.statusCode === 200) {
        walker.tokens = reply.json<Tokens>();
        return;
      }
      expect(reply.json()).toMatchObject({ code: 'jwt_not_enabled' });
      const down = check(await post(node, '/auth/downgrade', { refresh_token }));
      const { value } = down.cookies.find((set) => set.name === product.cookieName)!;
      walker.cookie = `${product.cookieName}=${encodeURIComponent(value)}`;
      walker.tokens = undefined;
      seen.downgraded += 1;
    };
    let turn = 0;
    const round = () => {
      turn += 1;
      return inParts(walkers, (walker, index) => act(walker, turn + index));
    };
    await round();
    for (const percentage of [50, 100]) {
      await patch({ percentage });
      await round();
    }
    await round();
    for (const percentage of [50, 0]) {
      await patch({ percentage, drain: true });
      await round();
    }
    await round();
    return seen;
  } finally {
    await second.close();
    await first.close();
    await product.close();
  }
}

async function inParts<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    const part = items.slice(start, start + AT_ONCE);
    results.push(...(await Promise.all(part.map((item, index) => work(item, start + index)))));
  }
  return results;
}
