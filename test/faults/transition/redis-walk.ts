import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { signSid } from '../../../src/transition/sessions/stores/express-session.codec.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NodeProcess } from '../../helpers/node-process.js';
import { call, login } from '../../helpers/remote-client.js';
import { RoundRobin } from '../../helpers/round-robin.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { RedisServer } from '../../helpers/transition/redis-server.js';
import { WalkingClient } from './walking-client.js';
import type { Count } from './walking-client.js';

/** Clients that call at the same time. */
const WORKERS = 16;

const SECRET = 'of a test';

const SEED_USERS = `
  INSERT INTO users (id, username, username_key) SELECT id, id::text, id::text FROM unnest($1::uuid[]) AS id`;

const LIFE_SECONDS = 3_600;

/** Users whose sessions are in Redis, on two nodes behind a load balancer without stickiness. */
export class RedisWalk {
  readonly count: Count = {
    calls: 0,
    exchanged: 0,
    downgraded: 0,
    refreshed: 0,
    repeated: 0,
    unexpected: [],
  };
  private readonly nodes: NodeProcess[] = [];
  private readonly servers: RedisServer[] = [];
  private clients: WalkingClient[] = [];
  private admin = '';

  private constructor(
    private readonly db: TestDatabase,
    private readonly balancer: RoundRobin,
    private readonly link: TcpProxy,
  ) {}

  static async begin(users: number): Promise<RedisWalk> {
    const redis = await RedisServer.start();
    const walk = new RedisWalk(
      await createTestDatabase(),
      await RoundRobin.start(),
      await TcpProxy.to(redis.url),
    );
    walk.servers.push(redis);
    await walk.startNodes();
    await walk.seed(users);
    return walk;
  }

  /** From no tokens to tokens for all, with a failover of Redis on the way, and back with `drain`. */
  async run(): Promise<void> {
    const users = this.clients.length;
    expect(await this.move({ percentage: 0 })).toBe(0);
    const half = await this.move({ percentage: 50 });
    expect(half).toBeGreaterThan(0);
    expect(half).toBeLessThan(users);
    await Promise.all([this.walk(), this.failOver()]);
    expect(this.count.unexpected).toEqual([]);
    expect(await this.move({ percentage: 100 })).toBe(users);
    expect(await this.move({ percentage: 0, drain: true })).toBe(0);
    const report = JSON.parse(await this.asAdmin('GET', '/admin/rollout/report')) as {
      schemes: Record<string, { unexpected_logouts: { total: number } }>;
    };
    for (const scheme of ['bearer', 'session'])
      expect(report.schemes[scheme]!.unexpected_logouts.total).toBe(0);
    expect(this.count.exchanged).toBeGreaterThanOrEqual(users);
    expect(this.count.downgraded).toBeGreaterThanOrEqual(users);
    expect(this.count.unexpected).toEqual([]);
  }

  async end(): Promise<void> {
    await this.balancer.stop();
    await Promise.all(this.nodes.map((node) => node.remove()));
    await this.link.close();
    await Promise.all(this.servers.map((server) => server.stop()));
    await this.db.drop();
  }

  private async startNodes(): Promise<void> {
    const env = {
      SESSION_SECRET: SECRET,
      SESSION_STORE: 'redis',
      REDIS_URL: this.link.url,
      TOKEN_EXPIRY: '10',
      AUTH_RATE_LIMIT: '1000000',
    };
    const first = await NodeProcess.start({ databaseUrl: this.db.url, env });
    this.nodes.push(first);
    this.admin = (await login(first)).refresh_token;
    await this.asAdmin('PATCH', '/admin/rollout', { percentage: 0, roles: ['admin'] });
    this.nodes.push(await NodeProcess.start({ databaseUrl: this.db.url, env }));
    this.balancer.use(...this.nodes.map(({ url }) => url));
  }

  /** As connect-redis has written them before the move. */
  private async seed(users: number): Promise<void> {
    const ids = Array.from({ length: users }, () => randomUUID());
    await this.db.dataSource.query(SEED_USERS, [ids]);
    const { client } = this.servers[0]!;
    const expiration = { type: 'EX', value: LIFE_SECONDS } as const;
    const sessionOf = (userId: string) =>
      JSON.stringify({ cookie: { originalMaxAge: LIFE_SECONDS * 1000, httpOnly: true, path: '/' }, userId });
    await Promise.all(ids.map((id) => client.set(`sess:s-${id}`, sessionOf(id), { expiration })));
    this.clients = ids.map((id) => {
      const cookie = `session_id=${encodeURIComponent(signSid(`s-${id}`, SECRET))}`;
      return new WalkingClient(this.balancer.url, id, cookie, this.count);
    });
  }

  /** The replica has everything that was written, as after a planned failover. */
  private async failOver(): Promise<void> {
    const [primary] = this.servers;
    const replica = await primary!.replica();
    this.servers.push(replica);
    this.link.cut();
    await primary!.copied();
    await replica.promote();
    this.link.lead(replica.url);
    this.link.heal();
  }

  private async asAdmin(method: string, path: string, body?: object): Promise<string> {
    const refreshed = await call(this.nodes[0]!, 'POST', '/auth/refresh', {
      body: { refresh_token: this.admin },
    });
    const tokens = JSON.parse(refreshed.text) as { access_token: string; refresh_token: string };
    this.admin = tokens.refresh_token;
    const given = { token: tokens.access_token, ...(body === undefined ? {} : { body }) };
    const answer = await call(this.nodes[0]!, method, path, given);
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer.text;
  }

  /** Every client takes a step and refreshes its tokens. */
  private async walk(): Promise<void> {
    const queue = [...this.clients];
    const work = async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await next.step(true);
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  }

  /** Clients call while the state is changed, and until each has met the new one on any node. Returns how many have tokens. */
  private async move(state: object): Promise<number> {
    await Promise.all([this.walk(), this.asAdmin('PATCH', '/admin/rollout', state)]);
    await this.walk();
    expect(this.count.unexpected).toEqual([]);
    return this.clients.filter(({ hasTokens }) => hasTokens).length;
  }
}
