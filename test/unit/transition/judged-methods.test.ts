import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import {
  askedToChangeState,
  changesState,
  trustIn,
} from '../../../src/transition/sessions/judged-methods.js';

const from = (remoteAddress: string | undefined) => ({ socket: { remoteAddress } }) as FastifyRequest;
const asking = (headers: Record<string, string | string[]>) => ({ headers }) as unknown as FastifyRequest;

describe('the method that a session’s call is judged by', () => {
  it('is its own', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      expect(changesState({ method } as FastifyRequest)).toBe(false);
    }
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
      expect(changesState({ method } as FastifyRequest)).toBe(true);
    }
  });

  it('is the one that a proxy names, the worse of two', () => {
    expect(askedToChangeState(asking({}))).toBe(false);
    for (const name of ['x-forwarded-method', 'x-original-method']) {
      for (const method of ['GET', 'get', ' HEAD ']) {
        expect(askedToChangeState(asking({ [name]: method }))).toBe(false);
      }
      for (const method of ['POST', 'delete', '', 'GET, POST', 'nonsense']) {
        expect([method, askedToChangeState(asking({ [name]: method }))]).toEqual([method, true]);
      }
    }
    expect(askedToChangeState(asking({ 'x-forwarded-method': 'GET', 'x-original-method': 'POST' }))).toBe(
      true,
    );
    expect(askedToChangeState(asking({ 'x-forwarded-method': 'POST', 'x-original-method': 'GET' }))).toBe(
      true,
    );
  });

  it('is taken from those who are trusted alone', () => {
    expect(trustIn(undefined)(from('127.0.0.1'))).toBe(false);
    expect(trustIn(1)(from('203.0.113.9'))).toBe(true);
    const trusts = trustIn(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', 'fe80::1']);
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '192.0.2.1', '2001:db8:1::5', 'fe80::1%eth0']) {
      expect([address, trusts(from(address))]).toEqual([address, true]);
    }
    for (const address of [
      '11.0.0.1',
      '::ffff:11.0.0.1',
      '192.0.2.2',
      '2001:db9::1',
      'nonsense',
      undefined,
    ]) {
      expect([address, trusts(from(address))]).toEqual([address, false]);
    }
  });
});
