import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout, refresh, tryLogin, tryRefresh, verify } from '../helpers/remote-client.js';

describe('a node', () => {
  let db: TestDatabase;
  const nodes: NodeProcess[] = [];
  const start = async (): Promise<NodeProcess> => {
    const node = await NodeProcess.start({ databaseUrl: db.url });
    nodes.push(node);
    return node;
  };
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await db.drop();
  });

  it('that is killed right after a logout has revoked the family', async () => {
    const node = await start();
    const tokens = await login(node);
    expect((await logout(node, tokens.access_token)).status).toBe(204);
    expect(await node.end('SIGKILL')).toBe('SIGKILL');
    const next = await start();
    expect((await verify(next, tokens.access_token)).code).toBe('token_revoked');
    expect((await tryRefresh(next, tokens.refresh_token)).code).toBe('refresh_token_revoked');
  });

  it('that is killed right after a refresh leaves both the new token and its repetition valid', async () => {
    const node = await start();
    const [first, other] = [await login(node), await login(node)];
    const second = await refresh(node, first.refresh_token);
    const lost = await refresh(node, other.refresh_token);
    await node.end('SIGKILL');
    const next = await start();
    // As if the answer had been lost with the node: what the client still holds gives the same successor.
    expect((await refresh(next, other.refresh_token)).refresh_token).toBe(lost.refresh_token);
    expect((await verify(next, second.access_token)).status).toBe(204);
    const third = await refresh(next, second.refresh_token);
    expect((await verify(next, third.access_token)).status).toBe(204);
  });

  it('that is killed during refreshes leaves every client with a usable token', async () => {
    const node = await start();
    const held = await Promise.all(Array.from({ length: 6 }, () => login(node)));
    let answered = 0;
    const clients = held.map(async (tokens, index) => {
      for (;;) {
        const next = await refresh(node, tokens.refresh_token);
        answered += 1;
        tokens = next;
        held[index] = next;
        if (answered === 30) node.signal('SIGKILL');
      }
    });
    expect((await Promise.allSettled(clients)).map(({ status }) => status)).toEqual(
      held.map(() => 'rejected'),
    );
    const next = await start();
    for (const { refresh_token } of held) expect((await tryRefresh(next, refresh_token)).status).toBe(200);
  });

  it('that gets SIGTERM answers the requests that it has received, and exits with 0', async () => {
    const node = await start();
    const { access_token } = await login(node);
    let answered = 0;
    const calls = [
      ...Array.from({ length: 20 }, () => tryLogin(node)),
      ...Array.from({ length: 5 }, () => tryLogin(node, { username: 'nobody', password: 'wrong' })),
      ...Array.from({ length: 20 }, () => verify(node, access_token)),
    ].map(async (answer) => {
      const { status } = await answer;
      answered += 1;
      // One answer is proof that the rest has arrived: fetch wrote them all in the same turn.
      if (answered === 10) node.signal('SIGTERM');
      return status;
    });
    const statuses = await Promise.all(calls);
    expect(statuses).toEqual(statuses.map((_, index) => (index < 20 ? 200 : index < 25 ? 401 : 204)));
    expect(await node.exited).toBe(0);
  });
});
