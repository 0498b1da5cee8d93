import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { login, logout } from '../helpers/remote-client.js';
import { WebhookReceiver } from '../helpers/webhook-receiver.js';

const PATIENCE = 60_000;

describe('webhooks', () => {
  let db: TestDatabase;
  let receiver: WebhookReceiver;
  const nodes: NodeProcess[] = [];
  const start = async (env: Record<string, string>): Promise<NodeProcess> => {
    const node = await NodeProcess.start({ databaseUrl: db.url, env });
    nodes.push(node);
    return node;
  };
  const waiting = async () =>
    (await db.database.query<{ n: number }>('SELECT count(*)::integer AS n FROM webhook_events'))[0]!.n;

  beforeAll(async () => {
    db = await createTestDatabase();
    receiver = await WebhookReceiver.start();
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
    await receiver.close();
    await db.drop();
  });

  it('arrive once if the node is killed between the change and the sending, and go through no proxy', async () => {
    const { env, port } = receiver;
    await receiver.close();
    const proxy = 'http://127.0.0.1:9/';
    const proxied = { ...env, NODE_USE_ENV_PROXY: '1', HTTP_PROXY: proxy, http_proxy: proxy };
    const first = await start(proxied);
    const logins = [await login(first), await login(first), await login(first)];
    for (const { access_token } of logins) expect((await logout(first, access_token)).status).toBe(204);
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    expect(await waiting()).toBe(3);
    receiver = await WebhookReceiver.start(port);
    await Promise.all([start(proxied), start(proxied)]);
    await until(async () => (await waiting()) === 0, PATIENCE);
    expect(receiver.received.map(({ event }) => event.type)).toEqual(logins.map(() => 'login.revoked'));
    expect(new Set(receiver.received.map(({ event }) => event.data['sid'])).size).toBe(3);
    expect(receiver.forged).toEqual([]);
  });

  it('arrive again with the same webhook-id if the node is killed while the receiver answers', async () => {
    receiver.received.length = 0;
    // The receiver has the event, but its answer never arrives.
    receiver.behaviour = () => undefined;
    const [one, two] = nodes.filter((node) => node.alive) as [NodeProcess, NodeProcess];
    const { access_token } = await login(one);
    expect((await logout(one, access_token)).status).toBe(204);
    await until(async () => receiver.received.length === 1, PATIENCE);
    for (const node of [one, two]) expect(await node.end('SIGKILL')).toBe('SIGKILL');
    receiver.behaviour = 204;
    // As if the lease of the killed node had run out.
    await db.database.query('UPDATE webhook_events SET due_at = now()');
    await start(receiver.env);
    await until(async () => (await waiting()) === 0, PATIENCE);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(receiver.received[1]!.body).toBe(receiver.received[0]!.body);
  });

  it('do not keep a node from stopping while the receiver hangs, and are due at once for the next node', async () => {
    receiver.received.length = 0;
    receiver.behaviour = () => undefined;
    const node = nodes.at(-1)!;
    const { access_token } = await login(node);
    expect((await logout(node, access_token)).status).toBe(204);
    await until(async () => receiver.received.length === 1, PATIENCE);
    expect(await node.end('SIGTERM')).toBe(0);
    const [row] = await db.database.query<{ due: boolean; attempts: number }>(
      'SELECT due_at <= now() AS due, attempts FROM webhook_events',
    );
    expect(row).toEqual({ due: true, attempts: 0 });
  });
});
