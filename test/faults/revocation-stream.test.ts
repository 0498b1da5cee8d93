import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sidOf } from '../helpers/client.js';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { EventStream } from '../helpers/event-stream.js';
import { TestNodes } from '../helpers/node-process.js';
import type { NodeProcess } from '../helpers/node-process.js';
import { PlainNginx } from '../helpers/proxies/plain-nginx.js';
import { RUNNING, ProtectedProduct } from '../helpers/proxies/protected-product.js';
import { pathOf } from '../helpers/proxies/proxy-process.js';
import { call, login, logout } from '../helpers/remote-client.js';
import { ReplicatedDatabase } from '../helpers/replicated-database.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';
import { refusedWithinASecond } from '../helpers/within-a-second.js';

interface Client {
  readonly client_id: string;
  readonly client_secret: string;
}

/** On a busy machine everything takes long. */
const POLL = { timeout: 30_000, interval: 20 };

const opened: EventStream[] = [];

async function aClient(node: { readonly url: string }): Promise<Client> {
  const { access_token } = await login(node);
  const body = { name: 'billing', scopes: ['revocations'] };
  return JSON.parse(
    (await call(node, 'POST', '/admin/clients', { token: access_token, body })).text,
  ) as Client;
}

async function follow(
  node: { readonly url: string },
  client: Client,
  lastEventId?: string,
): Promise<EventStream> {
  const stream = await EventStream.open(node.url, client, { lastEventId });
  opened.push(stream);
  await stream.fresh();
  return stream;
}

/** Resolves when the revocation of a new family was answered. */
async function aRevokedFamily(node: { readonly url: string }): Promise<string> {
  const { access_token } = await login(node);
  expect((await logout(node, access_token)).status).toBe(204);
  return sidOf({ access_token });
}

const lastId = (stream: EventStream) => stream.events.findLast(({ id }) => id !== undefined)!.id!;
const hears = (stream: EventStream, sid: string) => expect.poll(() => stream.knows(sid), POLL).toBe(true);
const freshOnes = (stream: EventStream) => stream.events.filter(({ event }) => event === 'fresh').length;

afterEach(() => {
  for (const stream of opened.splice(0)) stream.close();
});

describe('a stream of revocations', () => {
  const nodes = new TestNodes();
  let db: TestDatabase;
  let link: TcpProxy;
  let one: NodeProcess;
  let two: NodeProcess;
  let client: Client;
  beforeAll(async () => {
    db = await createTestDatabase();
    link = await TcpProxy.to(db.url);
    one = await nodes.start({ databaseUrl: db.url });
    client = await aClient(one);
  });
  beforeEach(async () => {
    two = await nodes.start({ databaseUrl: link.url });
  });
  afterEach(() => two.remove());
  afterAll(async () => {
    await nodes.remove();
    await link.close();
    await db.drop();
  });

  it('continues at another node when its node is killed, with what was revoked meanwhile and little else', async () => {
    const old = await aRevokedFamily(one);
    const stream = await follow(two, client);
    await hears(stream, old);
    const before = freshOnes(stream);
    await expect.poll(() => freshOnes(stream), POLL).toBeGreaterThan(before + 1);
    two.signal('SIGKILL');
    const missed = await aRevokedFamily(one);
    await stream.end();
    expect(stream.ended).toBe(false);
    const next = await follow(one, client, lastId(stream));
    expect([next.knows(missed), next.knows(old)]).toEqual([true, false]);
  });

  it('ends when its node stops, which does not wait for it, and continues at another node', async () => {
    const stream = await follow(two, client);
    const stopped = two.end();
    await stream.end();
    expect(stream.ended).toBe(true);
    expect(await stopped).toBe(0);
    const missed = await aRevokedFamily(one);
    const next = await follow(one, client, lastId(stream));
    await hears(next, missed);
  });

  it('lets no consumer accept a revoked token for more than a second while its node is paused', async () => {
    const stream = await follow(two, client);
    two.signal('SIGSTOP');
    const sid = await aRevokedFamily(one);
    await refusedWithinASecond({ refuses: () => !stream.accepts(sid), accepts: () => stream.accepts(sid) });
    const seen = stream.events.length;
    two.signal('SIGCONT');
    await stream.fresh(seen);
    await expect.poll(() => stream.knows(sid), POLL).toBe(true);
    await expect.poll(() => stream.accepts('another family'), POLL).toBe(true);
  });

  it('sends no fresh while its node does not reach the database, and then what was revoked meanwhile', async () => {
    const stream = await follow(two, client);
    link.blackHole();
    const sid = await aRevokedFamily(one);
    await refusedWithinASecond({ refuses: () => !stream.accepts(sid), accepts: () => stream.accepts(sid) });
    const ready = async () => (await call(two, 'GET', '/health/ready')).status;
    await expect.poll(ready, POLL).toBe(503);
    const seen = stream.events.length;
    await expect.poll(ready, POLL).toBe(503);
    expect(stream.events.slice(seen)).toEqual([]);
    link.heal();
    const first = await stream.fresh(seen);
    const before = stream.events.slice(0, stream.events.indexOf(first));
    expect(JSON.stringify(before)).toContain(sid);
  });
});

describe('the streams of several workers', () => {
  const nodes = new TestNodes();
  let db: TestDatabase;
  afterAll(async () => {
    await nodes.remove();
    await db.drop();
  });

  it('all carry a revocation, are counted in the metrics and end when the node stops', async () => {
    db = await createTestDatabase();
    const node = await nodes.start({ databaseUrl: db.url, env: { WORKERS: '2' } });
    const client = await aClient(node);
    const streams = await Promise.all(Array.from({ length: 6 }, () => follow(node, client)));
    const sid = await aRevokedFamily(node);
    for (const stream of streams) await hears(stream, sid);
    const { text } = await call(node, 'GET', '/metrics');
    const open = [...text.matchAll(/^tandem_revocation_streams\{.*\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(open.reduce((sum, count) => sum + count, 0)).toBe(6);
    expect(await node.end()).toBe(0);
    for (const stream of streams) {
      await stream.end();
      expect(stream.ended).toBe(true);
    }
  });
});

describe('a stream behind a proxy', () => {
  const nodes = new TestNodes();
  let db: TestDatabase;
  let node: NodeProcess;
  let client: Client;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await nodes.start({ databaseUrl: db.url });
    client = await aClient(node);
  });
  afterAll(async () => {
    await nodes.remove();
    await db.drop();
  });

  async function arrivesAtOnce(proxy: { readonly url: string }): Promise<void> {
    const stream = await follow(proxy, client);
    const sid = await aRevokedFamily(node);
    await hears(stream, sid);
    // By the consumer's clock: the proxy does not hold the events back.
    await expect.poll(() => stream.accepts('another family'), POLL).toBe(true);
    stream.close();
  }

  describe.runIf(pathOf('nginx') !== undefined)('nginx', () => {
    it.each([
      ['with its defaults', ''],
      ['with HTTP/1.1 to the node', 'proxy_http_version 1.1; proxy_set_header Connection "";'],
      [
        'that ignores the header, with proxy_buffering off',
        'proxy_ignore_headers X-Accel-Buffering; proxy_buffering off;',
      ],
      ['that compresses', 'gzip on; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0;'],
    ])('%s passes each event on at once', async (_how, directives) => {
      const nginx = await PlainNginx.start(pathOf('nginx')!, node.url, directives);
      try {
        await arrivesAtOnce(nginx);
      } finally {
        await nginx.stop();
      }
    });
  });

  it.each(RUNNING)('passes through the example for %s at once', async (name) => {
    const shop = await ProtectedProduct.start(node.url);
    try {
      await arrivesAtOnce(shop.proxy(name));
    } finally {
      await shop.close();
    }
  });
});

describe('a position of a database that has lost commits', () => {
  const nodes = new TestNodes();
  let servers: ReplicatedDatabase;
  let link: TcpProxy;
  beforeAll(async () => {
    servers = await ReplicatedDatabase.start();
    link = await TcpProxy.to(servers.primaryUrl);
  });
  afterAll(async () => {
    await nodes.remove();
    await link.close();
    await servers.stop();
  });

  it('is of no use on the promoted standby, whose transactions have the same numbers', async () => {
    const node = await nodes.start({ databaseUrl: link.url });
    const client = await aClient(node);
    const stream = await follow(node, client);
    await servers.caughtUp();
    await servers.disconnect();
    for (let lost = 0; lost < 50; lost += 1) await login(node);
    const before = stream.events.length;
    await stream.fresh(before);
    const position = lastId(stream);
    await servers.promote();
    link.cut();
    link.lead(servers.standbyUrl);
    link.heal();
    const sid = await aRevokedFamily(await nodes.start({ databaseUrl: servers.standbyUrl }));
    // The open stream continues.
    await hears(stream, sid);
    await expect.poll(() => lastId(stream).split('.')[0] === position.split('.')[0], POLL).toBe(false);
    const resumed = await follow(node, client, position);
    expect(resumed.knows(sid)).toBe(true);
  });
});
