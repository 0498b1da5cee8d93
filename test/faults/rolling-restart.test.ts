import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import type { Tokens } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';
import type { Answer } from '../helpers/remote-client.js';
import { RoundRobin } from '../helpers/round-robin.js';

const CLIENTS = 8;

describe('a rolling restart', () => {
  let db: TestDatabase;
  let balancer: RoundRobin;
  const nodes: NodeProcess[] = [];
  const start = async (): Promise<NodeProcess> => {
    const node = await NodeProcess.start({ databaseUrl: db.url });
    nodes.push(node);
    return node;
  };
  beforeAll(async () => {
    db = await createTestDatabase();
    balancer = await RoundRobin.start();
  });
  afterAll(async () => {
    await balancer.stop();
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  it(
    'of two nodes behind a load balancer fails no request: log in, refresh, verify, log out',
    { timeout: 180_000 },
    async () => {
      let [a, b] = await Promise.all([start(), start()]);
      balancer.use(a.url, b.url);
      const failures: string[] = [];
      let answered = 0;
      let running = true;
      const note = (what: string, wanted: number, { status, text }: Answer) => {
        answered += 1;
        if (status !== wanted) failures.push(`${what}: ${status} ${text}`);
      };
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (running) {
          const began = await tryLogin(balancer);
          note('login', 200, began);
          if (began.status !== 200) continue;
          let tokens = JSON.parse(began.text) as Tokens;
          for (let round = 0; round < 10 && running; round += 1) {
            note('verify', 204, await verify(balancer, tokens.access_token));
            note('users', 200, await call(balancer, 'GET', '/api/users', { token: tokens.access_token }));
            const refreshed = await tryRefresh(balancer, tokens.refresh_token);
            note('refresh', 200, refreshed);
            if (refreshed.status !== 200) break;
            tokens = JSON.parse(refreshed.text) as Tokens;
          }
          note('logout', 204, await call(balancer, 'POST', '/auth/logout', { token: tokens.access_token }));
        }
      });
      const enough = async () => {
        const goal = answered + 100;
        await until(async () => answered >= goal, 30_000);
      };
      await enough();
      // The balancer is told of nothing: it finds the node gone, and gets the address of the new one when that is ready.
      expect(await a.end()).toBe(0);
      await enough();
      a = await start();
      balancer.use(a.url, b.url);
      await enough();
      expect(await b.end()).toBe(0);
      await enough();
      b = await start();
      balancer.use(a.url, b.url);
      await enough();
      running = false;
      await Promise.all(clients);
      expect(failures).toEqual([]);
    },
  );
});
