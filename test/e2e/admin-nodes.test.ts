import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NodeReporter } from '../../src/operations/nodes/node-reporter.js';
import { ChangeFeed } from '../../src/tokens/feed/change-feed.js';
import { TEST_SECRET, createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, get, login, post, sql } from '../helpers/client.js';

interface Node {
  readonly id: string;
  readonly state: string;
  readonly failing: readonly string[];
  readonly version: string;
  readonly current: boolean;
  readonly knowledge_age_ms: number | null;
  readonly propagation: { p50_ms: number | null; p99_ms: number | null; samples: number };
}

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
  version: string;
};

describe('the list of nodes', () => {
  let one: TestApp;
  let two: TestApp;
  let token: string;
  beforeAll(async () => {
    one = await createTestApp();
    two = await createTestApp({ db: one.db });
    token = (await login(one)).access_token;
  });
  afterAll(async () => {
    await two?.close();
    await one?.close();
  });

  async function nodes(from = one): Promise<Node[]> {
    const reply = await get(from, '/admin/nodes', token);
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<{ nodes: Node[] }>().nodes;
  }
  const idOf = (node: TestApp) => node.app.get(NodeReporter).id;
  const nodeOf = async (of: TestApp, from = one) => (await nodes(from)).find(({ id }) => id === idOf(of))!;

  it('is the same on every node, and says which one has answered', async () => {
    await two.app.get(NodeReporter).report();
    for (const node of [one, two]) {
      const list = await nodes(node);
      expect(list.map(({ id }) => id).toSorted()).toEqual([idOf(one), idOf(two)].toSorted());
      expect(list.filter(({ current }) => current).map(({ id }) => id)).toEqual([idOf(node)]);
      for (const { state, failing, version: its, knowledge_age_ms: age } of list) {
        expect([state, failing, its]).toEqual(['ready', [], version]);
        expect(age).toBeGreaterThanOrEqual(0);
      }
    }
  });

  it('says how long revocations took to reach a node', async () => {
    const user = await aUser(one);
    await login(one, user);
    expect((await nodeOf(two, two)).propagation).toEqual({ p50_ms: null, p99_ms: null, samples: 0 });
    expect((await post(one, `/admin/users/${user.id}/revoke`, undefined, bearer(token))).statusCode).toBe(
      200,
    );
    await two.app.get(ChangeFeed).catchUp();
    const { p50_ms: p50, p99_ms: p99, samples } = (await nodeOf(two, two)).propagation;
    expect(samples).toBe(1);
    expect(p50).toBeGreaterThanOrEqual(0);
    expect(p99).toBe(p50);
  });

  it('counts a node as silent that has missed three reports, and names what another one lacks', async () => {
    await sql(
      one,
      `INSERT INTO service_nodes (id, host, workers, version, started_at, seen_at, failing, propagation_samples) VALUES
        ('00000000-0000-4000-8000-000000000001', 'lost', 1, '0', now(), now() - interval '15 seconds', '{}', 0),
        ('00000000-0000-4000-8000-000000000002', 'weak', 1, '0', now(), now(), '{signing_key}', 0)`,
    );
    const list = await nodes();
    const found = (last: number) => list.find(({ id }) => id.endsWith(`000${last}`));
    expect(found(1)).toMatchObject({ state: 'silent', knowledge_age_ms: null });
    expect(found(2)).toMatchObject({ state: 'not_ready', failing: ['signing_key'] });
  });

  it('loses a node that stops', async () => {
    const three = await createTestApp({ db: one.db });
    await three.app.get(NodeReporter).report();
    const id = idOf(three);
    expect((await nodes()).map((node) => node.id)).toContain(id);
    await three.close();
    expect((await nodes()).map((node) => node.id)).not.toContain(id);
  });

  it('comes with the findings of the doctor, made once for all who ask, without a secret', async () => {
    const [first, ...others] = await Promise.all(
      Array.from({ length: 5 }, () => get(one, '/admin/doctor', token)),
    );
    expect(first!.statusCode).toBe(200);
    for (const reply of [...others, await get(one, '/admin/doctor', token)])
      expect(reply.body).toBe(first!.body);
    const { ok, findings } = first!.json<{
      ok: boolean;
      findings: { check: string; level: string; advice: string | null }[];
    }>();
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['jwt_secret', 'keys', 'rows', 'token_size', 'admins', 'audit']),
    );
    expect(ok).toBe(findings.every(({ level }) => level !== 'fail'));
    expect(first!.body).not.toContain(TEST_SECRET);
  });
});
