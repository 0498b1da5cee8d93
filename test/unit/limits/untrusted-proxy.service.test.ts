import type { HttpAdapterHost } from '@nestjs/core';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { Clock } from '../../../src/common/clock.js';
import type { Config } from '../../../src/config/config.js';
import type { ServiceStateStore } from '../../../src/database/service-state.store.js';
import { fastifyTrustProxy } from '../../../src/limits/client-address.js';
import { UntrustedProxyService } from '../../../src/limits/untrusted-proxy.service.js';

const PROXY = '10.0.0.5';
const FORWARDED = { 'x-forwarded-for': '198.51.100.7' };

class SetClock extends Clock {
  elapsed = 0;
  override monotonic(): number {
    return this.elapsed;
  }
}

/** A server and the proxies that it recorded. */
function aServer(trustProxy?: Config['trustProxy']) {
  const recorded: string[] = [];
  const clock = new SetClock();
  const state = {
    noteUntrustedProxy: (peer: string, header: string) => {
      recorded.push(`${peer} ${header}`);
      return recorded.length < 3 ? Promise.resolve() : Promise.reject(new Error('no database'));
    },
  };
  const server = fastify({ trustProxy: fastifyTrustProxy(trustProxy) });
  const host = { httpAdapter: { getInstance: () => server } } as unknown as HttpAdapterHost;
  new UntrustedProxyService(
    state as unknown as ServiceStateStore,
    clock,
    { trustProxy } as Config,
    host,
  ).onModuleInit();
  server.get('/', () => 'served');
  const ask = async (headers: Readonly<Record<string, string>>, remoteAddress = PROXY) =>
    expect((await server.inject({ url: '/', headers, remoteAddress })).statusCode).toBe(200);
  return { recorded, clock, ask };
}

describe('a proxy that TRUST_PROXY does not name', () => {
  it.each([
    ['x-forwarded-for', '198.51.100.7'],
    ['x-forwarded-for', 'unknown'],
    ['forwarded', 'for=198.51.100.7'],
    ['via', '1.1 edge'],
    ['x-real-ip', '198.51.100.7'],
  ])('is recorded by its %s header', async (header, value) => {
    const { recorded, ask } = aServer();
    await ask({ [header]: value }, `::ffff:${PROXY}`);
    expect(recorded).toEqual([`${PROXY} ${header}`]);
  });

  it.each([[undefined], [0], [[]], [['192.0.2.1']]] as const)(
    'is recorded if TRUST_PROXY is %j',
    async (trust) => {
      const { recorded, ask } = aServer(trust);
      await ask(FORWARDED);
      expect(recorded).toEqual([`${PROXY} x-forwarded-for`]);
    },
  );

  it('is recorded once a minute, and a failed write refuses no request', async () => {
    const { recorded, clock, ask } = aServer();
    for (let count = 0; count < 5; count += 1) await ask(FORWARDED);
    expect(recorded).toHaveLength(1);
    for (const elapsed of [60_000, 120_000, 180_000]) {
      clock.elapsed = elapsed;
      await ask(FORWARDED);
      await ask(FORWARDED);
    }
    expect(recorded).toHaveLength(4);
  });
});

describe('UntrustedProxyService', () => {
  it.each([[['10.0.0.0/8']], [1]] as const)('records no proxy that TRUST_PROXY names: %j', async (trust) => {
    const { recorded, ask } = aServer(trust);
    await ask(FORWARDED);
    await ask({ ...FORWARDED, via: '1.1 edge' });
    await ask({ via: '1.1 edge' });
    await ask({ 'x-forwarded-for': PROXY });
    expect(recorded).toEqual([]);
  });

  it('records no proxy for a request from a client or from the doctor', async () => {
    const { recorded, ask } = aServer();
    await ask({});
    await ask({ 'x-forwarded-for': '' });
    await ask({ 'x-forwarded-for': '2001:db8:1f:2::1' });
    expect(recorded).toEqual([]);
    await ask({ 'x-forwarded-for': '2001:db8:1f:2::1, 198.51.100.7' });
    expect(recorded).toHaveLength(1);
  });
});
