import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { call, login } from '../../helpers/remote-client.js';
import { RoundRobin } from '../../helpers/round-robin.js';
import { WalkingClient } from './walking-client.js';
import type { Count } from './walking-client.js';

/** Clients that call at the same time. */
const WORKERS = 24;

const SECRET = 'of a test';

/** So short that tokens expire on the way, in seconds. */
const ENV = { SESSION_SECRET: SECRET, TOKEN_EXPIRY: '10', AUTH_RATE_LIMIT: '1000000' };

/** As another application has made them before the move. */
const SEED_USERS = `
  INSERT INTO users (id, username, username_key) SELECT id, id::text, id::text FROM unnest($1::uuid[]) AS id`;
const SEED_SESSIONS = `
  INSERT INTO session (sid, sess, expire)
  SELECT 's-' || id, json_build_object('cookie', json_build_object('originalMaxAge', 3600000), 'userId', id),
    now() + interval '1 hour'
  FROM unnest($1::uuid[]) AS id`;

/** Tests that so many users move to tokens, back and to tokens again, and none of them is signed out. */
export function moveUsers(users: number): void {
  describe(`${users} users on three nodes behind a load balancer without stickiness`, () => moves(users));
}

function moves(users: number): void {
  let db: TestDatabase;
  let nodes: NodeProcess[] = [];
  let balancer: RoundRobin;
  let admin: string;
  let clients: WalkingClient[] = [];
  const count: Count = { calls: 0, exchanged: 0, downgraded: 0, refreshed: 0, repeated: 0, unexpected: [] };

  beforeAll(async () => {
    db = await createTestDatabase();
    const first = await NodeProcess.start({ databaseUrl: db.url, env: ENV });
    nodes = [first];
    admin = (await login(first)).refresh_token;
    // The administrator keeps tokens. The other nodes start in this state.
    await asAdmin('PATCH', '/admin/rollout', { percentage: 0, roles: ['admin'] });
    const more = [1, 2].map(() => NodeProcess.start({ databaseUrl: db.url, env: ENV }));
    nodes = [first, ...(await Promise.all(more))];
    balancer = await RoundRobin.start();
    balancer.use(...nodes.map(({ url }) => url));
    const ids = Array.from({ length: users }, () => randomUUID());
    await db.dataSource.query(SEED_USERS, [ids]);
    await db.dataSource.query(SEED_SESSIONS, [ids]);
    clients = ids.map((id) => {
      const cookie = `session_id=${encodeURIComponent(signSid(`s-${id}`, SECRET))}`;
      return new WalkingClient(balancer.url, id, cookie, count);
    });
  });
  afterAll(async () => {
    await balancer?.stop();
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  async function asAdmin(method: string, path: string, body?: object): Promise<string> {
    const refreshed = await call(nodes[0]!, 'POST', '/auth/refresh', { body: { refresh_token: admin } });
    const tokens = JSON.parse(refreshed.text) as { access_token: string; refresh_token: string };
    admin = tokens.refresh_token;
    const given = { token: tokens.access_token, ...(body === undefined ? {} : { body }) };
    const answer = await call(nodes[0]!, method, path, given);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer.text;
  }

  /** Every client takes a step, and those that have tokens refresh them, or only every other does. */
  async function walk(refresh: 'all' | 'half'): Promise<void> {
    const queue = clients.map((client, index) => ({ client, refresh: refresh === 'all' || index % 2 === 0 }));
    const work = async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        await next.client.step(next.refresh);
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  }

  const withTokens = () => new Set(clients.filter(({ hasTokens }) => hasTokens).map(({ userId }) => userId));

  /** Clients go on calling while the state is changed, and until each has met the new one on any node. */
  async function move(state: object): Promise<Set<string>> {
    await Promise.all([walk('half'), asAdmin('PATCH', '/admin/rollout', state)]);
    await walk('all');
    expect(count.unexpected).toEqual([]);
    return withTokens();
  }

  it('move to tokens, back with drain, and to tokens again, and nobody is signed out', async () => {
    const began = performance.now();
    expect((await move({ percentage: 0 })).size).toBe(0);

    const ten = await move({ percentage: 10 });
    expect(Math.abs(ten.size - users / 10)).toBeLessThan(strayOf(users, 0.1));
    const half = await move({ percentage: 50 });
    expect(Math.abs(half.size - users / 2)).toBeLessThan(strayOf(users, 0.5));
    expect([...ten].filter((id) => !half.has(id))).toEqual([]);
    expect((await move({ percentage: 100 })).size).toBe(users);

    expect(await move({ percentage: 10, drain: true })).toEqual(ten);
    expect((await move({ percentage: 0 })).size).toBe(0);
    expect(await move({ percentage: 10, drain: false })).toEqual(ten);
    expect((await move({ percentage: 100 })).size).toBe(users);

    const report = JSON.parse(await asAdmin('GET', '/admin/rollout/report')) as {
      schemes: Record<string, { unexpected_logouts: { total: number } }>;
    };
    for (const scheme of ['bearer', 'session']) {
      expect(report.schemes[scheme]!.unexpected_logouts.total).toBe(0);
    }
    const { unexpected, ...rest } = count;
    console.info({ ...rest, unexpected: unexpected.length, seconds: (performance.now() - began) / 1000 });
    expect(count.calls).toBeGreaterThanOrEqual(8 * 2 * users);
    expect(count.exchanged).toBeGreaterThanOrEqual(users + users - ten.size);
    expect(count.downgraded).toBeGreaterThanOrEqual(users);
    expect(count.unexpected).toEqual([]);
  }, 300_000);
}

/** Five standard deviations of how many of the users are eligible. */
function strayOf(users: number, share: number): number {
  return 5 * Math.sqrt(users * share * (1 - share));
}
