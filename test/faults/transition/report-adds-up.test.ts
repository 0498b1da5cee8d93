import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';
import { CountingClient } from './counting-client.js';
import type { Counts } from './counting-client.js';

const NODES = 3;
const USERS = 12;

/** Milliseconds that the report may be behind. */
const BEHIND = 5_000;

interface Report {
  readonly schemes: Readonly<
    Record<'bearer' | 'session', { requests: number; users: number; errors: Record<string, number> }>
  >;
  readonly user_agents: readonly { user_agent: string; users: number; requests: number; last_seen: string }[];
}

describe('the report of three nodes', () => {
  let db: TestDatabase;
  let nodes: NodeProcess[] = [];
  let admin: string;
  const client = new CountingClient();
  beforeAll(async () => {
    db = await createTestDatabase();
    nodes = await Promise.all(
      Array.from({ length: NODES }, () => NodeProcess.start({ databaseUrl: db.url })),
    );
    admin = (await client.login(nodes[0]!, ADMIN))!.access_token;
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  async function report(node: NodeProcess): Promise<Report> {
    const response = await fetch(`${node.url}/admin/rollout/report`, {
      headers: { authorization: `Bearer ${admin}` },
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Report;
  }

  async function reported(node: NodeProcess): Promise<Counts> {
    const { schemes, user_agents } = await report(node);
    const of = ({ requests, users, errors }: Report['schemes']['bearer']) => ({ requests, users, errors });
    return {
      bearer: of(schemes.bearer),
      session: of(schemes.session),
      agents: Object.fromEntries(
        user_agents.map(({ user_agent, users, requests }) => [user_agent, { users, requests }]),
      ),
    };
  }

  /** Within the time that it may be behind, and not a request more or less. */
  async function addsUp(node: NodeProcess): Promise<void> {
    const counted = client.counts();
    let last: Counts | undefined;
    await until(async () => isDeepStrictEqual((last = await reported(node)), counted), BEHIND).catch(() => {
      expect(last).toEqual(counted);
    });
  }

  /** What a user of an app does, at any of the nodes: by token, then by session. */
  async function visit(number: number): Promise<void> {
    const account = { username: `visitor-${number}`, password: `a pass phrase of visitor ${number}` };
    const at = (turn: number) => nodes[(number + turn) % nodes.length]!;
    await client.call(at(0), 'POST', '/admin/users', { token: admin, body: account });
    const tokens = (await client.login(at(0), account))!;
    for (let turn = 0; turn < 6; turn++) await client.me(at(turn), { token: tokens.access_token });
    const next = (await client.refresh(at(1), tokens.refresh_token))!;
    await client.me(at(2), { token: `${next.access_token.slice(0, -4)}AAAA` });
    await client.call(at(0), 'GET', '/api/users?limit=0', { token: next.access_token });
    await client.login(at(2), { ...account, password: 'not the right one' });
    await client.refresh(at(0), 'tandem_rt_of_nobody');
    const agent = `App/${number % 3}`;
    const cookie = await client.sessionLogin(at(1), account, agent);
    for (let turn = 0; turn < 5; turn++) await client.me(at(turn), { cookie, agent });
    await client.call(at(0), 'POST', '/api/logout', { cookie, agent });
    await client.me(at(1), { cookie, agent });
    await client.call(at(2), 'POST', '/auth/logout', { token: next.access_token });
    await until(async () => (await client.me(at(1), { token: next.access_token })).status === 401, 5_000);
    // What counts for neither.
    for (const path of ['/health/live', '/auth/migration', '/nothing/here', '/.well-known/jwks.json'])
      await fetch(`${at(0).url}${path}`, { headers: { authorization: `Bearer ${next.access_token}` } });
  }

  it('equals the count of a client, on each node', async () => {
    await Promise.all(Array.from({ length: USERS }, (_, number) => visit(number)));
    for (const node of nodes) await addsUp(node);
    const { user_agents } = await report(nodes[0]!);
    for (const { last_seen } of user_agents) expect(Date.now() - Date.parse(last_seen)).toBeLessThan(60_000);
  });

  it('contains all requests of a node that was stopped', async () => {
    await Promise.all(Array.from({ length: 6 }, (_, number) => visit(USERS + number)));
    const [stopped] = nodes.splice(1, 1);
    // Answered just now: most likely not written yet.
    for (let time = 0; time < 20; time++) await client.me(stopped!, { token: admin });
    expect(await stopped!.end('SIGTERM')).toBe(0);
    await addsUp(nodes[0]!);
    await stopped!.remove();
  });

  it('keeps what a killed node had written', async () => {
    await visit(USERS + 6);
    await addsUp(nodes[0]!);
    const [killed] = nodes.splice(1, 1);
    await killed!.end('SIGKILL');
    await addsUp(nodes[0]!);
    await killed!.remove();
  });
});
