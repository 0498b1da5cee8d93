import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { call, login, logout } from '../helpers/remote-client.js';
import { SlowLink } from '../helpers/slow-link.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';
import { VerifyingProduct } from '../helpers/verifying-product.js';
import type { ProductAnswer } from '../helpers/verifying-product.js';

/** No token is accepted later than this after the answer that confirmed its revocation, in milliseconds. */
const SECOND = 1_000;

const POLL = { timeout: 45_000, interval: 20 };

describe('a product that follows revocations (P35)', () => {
  let db: TestDatabase;
  let database: TcpProxy;
  let front: TcpProxy;
  let slow: SlowLink;
  /** Revokes. */
  let a: NodeProcess;
  /** The product follows it through `front`. Its link to the database can fail. */
  let b: NodeProcess;
  let product: VerifyingProduct;

  beforeAll(async () => {
    db = await createTestDatabase();
    database = await TcpProxy.to(db.url);
    front = await TcpProxy.to('http://127.0.0.1:1');
    slow = await SlowLink.to(front.url);
    const env = { JWT_ISSUER: slow.url };
    [a, b] = await Promise.all([
      NodeProcess.start({ databaseUrl: db.url, env }),
      NodeProcess.start({ databaseUrl: database.url, env }),
    ]);
    front.lead(b.url);
    const { access_token: admin } = await login(a);
    const made = await call(a, 'POST', '/admin/clients', {
      token: admin,
      body: { name: 'orders', scopes: ['revocations'] },
    });
    const { client_id: id, client_secret: secret } = JSON.parse(made.text) as Record<string, string>;
    product = await VerifyingProduct.start({
      issuer: slow.url,
      audience: 'api',
      client: { id: id!, secret: secret! },
    });
  }, 120_000);
  afterAll(async () => {
    await product.end();
    await Promise.all([a.remove(), b.remove()]);
    await Promise.all([slow.close(), front.close(), database.close()]);
    await db.drop();
  });

  const accepts = async (token: string) => (await product.ask(token)).status === 200;

  /** Logs in twice, and waits until the product accepts both tokens. */
  async function accepted() {
    const [kept, revoked] = [await login(a), await login(a)];
    for (const { access_token } of [kept, revoked])
      await expect.poll(() => accepts(access_token), POLL).toBe(true);
    return { kept: kept.access_token, revoked: revoked.access_token };
  }

  /**
   * Revokes the token during a fault, and asks the product about it until it has refused it three times after the second. Returns what
   * it answered to requests that were sent after the second.
   */
  async function revokeDuring(begin: () => void, token: string, end?: () => void): Promise<ProductAnswer[]> {
    begin();
    expect((await logout(a, token)).status).toBe(204);
    const confirmed = performance.now();
    end?.();
    const late: ProductAnswer[] = [];
    while (late.length < 3) {
      const answer = await product.ask(token);
      if (answer.askedAt - confirmed >= SECOND) late.push(answer);
    }
    return late;
  }

  it('refuses a revoked token within a second, and keeps accepting others', async () => {
    const { kept, revoked } = await accepted();
    const late = await revokeDuring(() => undefined, revoked);
    expect(late.map(({ status, code }) => ({ status, code }))).toEqual(
      late.map(() => ({ status: 401, code: 'token_revoked' })),
    );
    expect(await accepts(kept)).toBe(true);
  });

  it.each<[string, () => void, () => void]>([
    ['while its node is paused', () => b.signal('SIGSTOP'), () => b.signal('SIGCONT')],
    ['while its node is lost in a black hole', () => front.blackHole(), () => front.heal()],
    ['while its node cannot be reached', () => front.cut(), () => front.heal()],
    ['while its node has lost the database', () => database.blackHole(), () => database.heal()],
    ['while packets take 0.4 s', () => void (slow.latency = 400), () => void (slow.latency = 0)],
    ['while packets take 3 s', () => void (slow.latency = 3_000), () => void (slow.latency = 0)],
  ])('never accepts a token a second after its revocation %s, and recovers', async (_, begin, end) => {
    const { kept, revoked } = await accepted();
    try {
      const late = await revokeDuring(begin, revoked);
      for (const { status, code } of late) expect([401, 503], code).toContain(status);
    } finally {
      end();
    }
    await expect.poll(() => accepts(kept), POLL).toBe(true);
    await expect.poll(async () => (await product.ask(revoked)).code, POLL).toBe('token_revoked');
  });

  it('judges its first request after a pause by fresh knowledge', async () => {
    const { kept, revoked } = await accepted();
    const pause = () => product.signal('SIGSTOP');
    const late = await revokeDuring(pause, revoked, () => {
      setTimeout(() => product.signal('SIGCONT'), SECOND + 200);
    });
    for (const { status, code } of late) expect([401, 503], code).toContain(status);
    await expect.poll(() => accepts(kept), POLL).toBe(true);
  });

  it('asks another node about tokens while the stream has ended with its node', async () => {
    const { kept, revoked } = await accepted();
    const late = await revokeDuring(() => {
      b.signal('SIGKILL');
      front.cut();
      front.heal();
      front.lead(a.url);
    }, revoked);
    for (const { status, code } of late) expect([401, 503], code).toContain(status);
    await expect.poll(() => accepts(kept), POLL).toBe(true);
    await expect.poll(async () => (await product.ask(revoked)).code, POLL).toBe('token_revoked');
  });
});
