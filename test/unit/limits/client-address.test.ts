import { isIP } from 'node:net';
import fc from 'fast-check';
import Fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.js';
import {
  countedClient,
  fastifyTrustProxy,
  networksAround,
  networksOf,
  subjectOf,
} from '../../../src/limits/client-address.js';

describe('subjectOf', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2::/64'],
    ['64:ff9b::192.0.2.1', '192.0.2.1'],
    ['64:ff9b::1:c000:201', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['fe80::1', 'fe80:0:0:0::/64'],
  ])('counts %s as %s', (address, subject) => {
    expect(subjectOf(address)).toBe(subject);
  });

  it('returns the same subject for every spelling of every address of a /64', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 8, maxLength: 8 }),
        fc.array(group, { minLength: 4, maxLength: 4 }),
        (a, low) => {
          fc.pre(a[0] !== 0);
          const long = a.map((part) => part.toString(16).padStart(4, '0').toUpperCase()).join(':');
          const other = [...a.slice(0, 4), ...low].map((part) => part.toString(16)).join(':');
          expect(subjectOf(long)).toBe(subjectOf(other));
          expect(subjectOf(long)).not.toBe(subjectOf(`2001:db8:${(a[2]! ^ 1).toString(16)}::`));
        },
      ),
    );
  });
});

describe('networksOf', () => {
  it('counts an IPv6 address for its /64, /56 and /48, and wider networks for more', () => {
    expect(networksOf('2001:db8:1:2abc::1')).toEqual([
      { subject: '2001:db8:1:2abc::/64', times: 1 },
      { subject: '2001:db8:1:2a00::/56', times: 4 },
      { subject: '2001:db8:1:0::/48', times: 16 },
    ]);
  });

  it('counts any other text for itself', () => {
    for (const client of ['192.0.2.1', '2001:db8:1:2::/64', 'unknown'])
      expect(networksOf(client)).toEqual([{ subject: client, times: 1 }]);
    for (const client of ['::ffff:192.0.2.1', '64:ff9b::192.0.2.1'])
      expect(networksOf(client)).toEqual([{ subject: '192.0.2.1', times: 1 }]);
  });

  it('returns different subjects for networks of different widths', () => {
    const subjects = networksOf('2001:db8::').map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(3);
  });
});

describe('countedClient', () => {
  const request = (ip: string | undefined, remoteAddress: string | undefined = '10.0.0.1') => ({
    ip,
    socket: { remoteAddress },
  });

  it('drops zone ids and ports', () => {
    expect(countedClient(request('fe80::1%eth0'))).toBe('fe80::1');
    expect(countedClient(request('fe80::1%a\nb'))).toBe('fe80::1');
    expect(countedClient(request('192.0.2.1:4711'))).toBe('192.0.2.1');
    expect(countedClient(request('[2001:db8::1]:4711'))).toBe('2001:db8::1');
  });

  it('gives invalid addresses no limit of their own', () => {
    for (const ip of [
      'unknown',
      '',
      '1.2.3',
      '010.0.0.1',
      '0x7f.1',
      '_hidden',
      '1.2.3.4.5',
      '::g',
      '%',
      '[]:1',
      undefined,
    ]) {
      expect(countedClient(request(ip))).toBe('10.0.0.1');
    }
  });

  it('never throws and returns an address or the address of the socket', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (ip) => {
        expect(isIP(countedClient(request(ip)))).not.toBe(0);
      }),
    );
  });

  it('returns one subject for all clients without an address', () => {
    expect(countedClient({ ip: undefined, socket: {} })).toBe('unknown');
  });
});

describe('fastifyTrustProxy', () => {
  async function seenBy(trustProxy: Config['trustProxy'], forwarded: string | undefined, from = '127.0.0.1') {
    const app = Fastify({ trustProxy: fastifyTrustProxy(trustProxy) });
    app.get('/', (incoming) => countedClient(incoming));
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    const response = await app.inject({ url: '/', headers, remoteAddress: from });
    await app.close();
    return response.body;
  }

  it('ignores X-Forwarded-For by default', async () => {
    expect(await seenBy(undefined, '192.0.2.1')).toBe('127.0.0.1');
    expect(await seenBy(0, '192.0.2.1')).toBe('127.0.0.1');
    expect(await seenBy([], '192.0.2.1')).toBe('127.0.0.1');
  });

  it('takes the address n hops back and ignores entries that the client sent', async () => {
    expect(await seenBy(1, '192.0.2.1')).toBe('192.0.2.1');
    expect(await seenBy(1, '203.0.113.9, 192.0.2.1')).toBe('192.0.2.1');
    expect(await seenBy(2, '203.0.113.9, 192.0.2.1, 10.0.0.2')).toBe('192.0.2.1');
    expect(await seenBy(2, 'rubbish, , 192.0.2.1,10.0.0.2')).toBe('192.0.2.1');
  });

  it('uses the address of the socket without X-Forwarded-For', async () => {
    expect(await seenBy(1, undefined)).toBe('127.0.0.1');
    expect(await seenBy(['127.0.0.0/8'], undefined)).toBe('127.0.0.1');
  });

  it('stops at the first address that is not a trusted proxy', async () => {
    const proxies = ['127.0.0.1', '10.0.0.0/8', '2001:db8:ffff::/48'];
    expect(await seenBy(proxies, '203.0.113.9, 192.0.2.1, 10.1.2.3')).toBe('192.0.2.1');
    expect(await seenBy(proxies, '10.9.9.9, 192.0.2.1')).toBe('192.0.2.1');
    expect(await seenBy(proxies, '2001:db8:1:2::1, 2001:db8:ffff::1')).toBe('2001:db8:1:2::1');
    expect(await seenBy(proxies, '192.0.2.1', '198.51.100.1')).toBe('198.51.100.1');
    expect(await seenBy(proxies, '192.0.2.1', '::ffff:127.0.0.1')).toBe('192.0.2.1');
  });

  it('counts invalid text from a proxy for that proxy', async () => {
    expect(await seenBy(['127.0.0.1'], '192.0.2.1, x7')).toBe('127.0.0.1');
    expect(await seenBy(1, 'x8')).toBe('127.0.0.1');
  });
});

describe('networksAround', () => {
  it.each([
    ['192.0.2.1', ['192.0.2.1']],
    ['unknown', ['unknown']],
    ['2001:db8:1:203::/64', ['2001:db8:1:203::/64', '2001:db8:1:200::/56', '2001:db8:1::/48']],
    ['2001:db8:1:200::/56', ['2001:db8:1:200::/56', '2001:db8:1::/48']],
    ['2001:db8:1::/48', ['2001:db8:1::/48']],
    ['64:ff9b:0:0::/64', ['64:ff9b:0:0::/64']],
  ])('gives the networks that a call of %s counts for', (subject, expected) => {
    const compressed = networksAround(subject).map((network) => network.replace(/(:0)+::\//, '::/'));
    expect(compressed).toEqual(expected.map((network) => network.replace(/(:0)+::\//, '::/')));
  });
});
