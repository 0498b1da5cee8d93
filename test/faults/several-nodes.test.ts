import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEASE_MS } from '../../src/tokens/feed/lease.js';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, logout, refresh, verify } from '../helpers/remote-client.js';

async function count(db: TestDatabase, table: string): Promise<number> {
  const rows = await db.dataSource.query<{ n: number }[]>(`SELECT count(*)::int AS n FROM ${table}`);
  return rows[0]!.n;
}

describe('several nodes that start at once on one empty database', () => {
  let db: TestDatabase;
  let nodes: NodeProcess[] = [];
  beforeAll(async () => {
    db = await createTestDatabase({ migrated: false });
    nodes = await Promise.all([1, 2, 3].map(() => NodeProcess.spawn({ databaseUrl: db.url })));
    await Promise.all(nodes.map((node) => node.ready()));
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  it('create one schema, one key and one administrator', async () => {
    const names = await db.dataSource.query<{ name: string }[]>('SELECT name FROM migrations');
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    expect(await count(db, 'signing_keys')).toBe(1);
    expect(await count(db, `users WHERE role = 'admin'`)).toBe(1);
    expect(await count(db, 'service_state')).toBe(1);
  });

  it('accept the tokens of each other', async () => {
    const tokens = await login(nodes[0]!);
    expect((await verify(nodes[1]!, tokens.access_token)).status).toBe(204);
    const next = await refresh(nodes[2]!, tokens.refresh_token);
    expect((await verify(nodes[0]!, next.access_token)).status).toBe(204);
    expect(new Set(await Promise.all(nodes.map(keysOf))).size).toBe(1);
  });
});

describe('two nodes', () => {
  let db: TestDatabase;
  let a: NodeProcess;
  let b: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    [a, b] = await Promise.all([
      NodeProcess.start({ databaseUrl: db.url }),
      NodeProcess.start({ databaseUrl: db.url }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([a.remove(), b.remove()]);
    await db.drop();
  });

  it('refuse a family after a logout, the node of the logout at once and the other within a second', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { access_token } = await login(a);
      expect((await verify(b, access_token)).status).toBe(204);
      expect((await logout(a, access_token)).status).toBe(204);
      expect(await verify(a, access_token)).toMatchObject({ status: 401, code: 'token_revoked' });
      const took = await until(async () => (await verify(b, access_token)).code === 'token_revoked', 1_000);
      expect(took).toBeLessThan(1_000);
    }
  });

  it('accept no token that was revoked while they were frozen', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { access_token } = await login(a);
      expect((await verify(b, access_token)).status).toBe(204);
      b.signal('SIGSTOP');
      let waking: ReturnType<typeof verify>[];
      try {
        expect((await logout(a, access_token)).status).toBe(204);
        // They wait in the frozen node's socket: the first that it does on waking is to answer them.
        waking = [1, 2, 3].map(() => verify(b, access_token));
        // The pause itself, not a wait for something: a little longer than a lease, after which old knowledge is void.
        await delay(LEASE_MS + 50 + 100 * round);
      } finally {
        b.signal('SIGCONT');
      }
      for (const answer of await Promise.all(waking)) {
        expect(answer).toMatchObject({ status: 401, code: 'token_revoked' });
      }
    }
  });
});

async function keysOf(node: NodeProcess): Promise<string> {
  return (await call(node, 'GET', '/.well-known/jwks.json')).text;
}
