import type { FastifyReply } from 'fastify';
import { describe, expect, it, vi } from 'vitest';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
import { SessionCookieService } from '../../../src/transition/sessions/http/session-cookie.service.js';
import { storedCookieIn } from '../../../src/transition/sessions/stores/express-session.codec.js';

const NOTHING_KNOWN = { originalMaxAge: null, secure: false, httpOnly: true };

const stored = (cookie: unknown) => storedCookieIn(JSON.stringify({ cookie }));

describe('the cookie that a session’s text describes', () => {
  it('has the attributes that the session has', () => {
    const cookie = { originalMaxAge: 60_000, expires: '2030-01-01', secure: true, httpOnly: false };
    expect(
      stored({
        ...cookie,
        domain: '.example.com',
        path: '/a b',
        sameSite: 'Strict',
        partitioned: true,
        priority: 'High',
      }),
    ).toEqual({
      priority: 'high',
      partitioned: true,
      originalMaxAge: 60_000,
      secure: true,
      httpOnly: false,
      domain: '.example.com',
      path: '/a b',
      sameSite: 'strict',
    });
  });

  it.each([
    '',
    '{',
    'null',
    '1',
    '"cookie"',
    '[]',
    '{}',
    '{"cookie":null}',
    '{"cookie":"domain=a"}',
    '{"cookie":[1]}',
    '{"cookie":1e999999}',
    '{"__proto__":{"cookie":{"domain":"a.example"}}}',
    '{"cookie":{"__proto__":{"domain":"a.example"}}}',
    `${'['.repeat(100_000)}`,
  ])('has no attributes if the text has no cookie: %.40s', (text) => {
    expect(storedCookieIn(text)).toEqual(NOTHING_KNOWN);
  });

  it.each([
    'example.com; HttpOnly',
    'example.com;',
    'a b',
    'exa\nmple.com',
    'example.com\r\nSet-Cookie: a=b',
    'a,b',
    '\0',
    '\ud800',
    'ü.example',
    '.',
    '..example.com',
    '-a.example',
    'a-.example',
    '',
    `${'a'.repeat(250)}.example`,
    `${'a-'.repeat(100_000)}`,
    7,
    true,
    null,
    ['example.com'],
    { toString: 'example.com' },
  ])('ignores a domain that is no host name: %j', (domain) => {
    expect(stored({ domain, path: '/x' })).toEqual({ ...NOTHING_KNOWN, path: '/x' });
  });

  it.each([
    '/;',
    '/a; Domain=b',
    '/a\r\nb',
    '/\0',
    '/\u007f',
    '/ü',
    'x',
    '',
    `/${'x'.repeat(1_024)}`,
    1,
    ['/'],
    null,
  ])('ignores a path that a header cannot hold: %j', (path) => {
    expect(stored({ path, domain: 'localhost' })).toEqual({ ...NOTHING_KNOWN, domain: 'localhost' });
  });

  it.each([
    [true, 'strict'],
    ['Lax', 'lax'],
    ['NONE', 'none'],
    ['strict', 'strict'],
  ])('reads SameSite %j as %s', (sameSite, taken) => {
    expect(stored({ sameSite })).toEqual({ ...NOTHING_KNOWN, sameSite: taken });
  });

  it.each([false, null, '', 'none; a=b', 'lax ', 'auto', 0, 1, {}, ['lax']])(
    'has no SameSite attribute for %j',
    (sameSite) => {
      expect(stored({ sameSite })).toEqual(NOTHING_KNOWN);
    },
  );

  it.each([
    ['1e400', null],
    ['-1e400', null],
    ['"60000"', null],
    ['"NaN"', null],
    ['true', null],
    ['[1]', null],
    ['{}', null],
    ['1e300', 1e300],
    ['-5', -5],
    ['0', 0],
    ['0.5', 0.5],
  ])('reads an age of %s as %s', (text, age) => {
    expect(storedCookieIn(`{"cookie":{"originalMaxAge":${text}}}`)).toEqual({
      ...NOTHING_KNOWN,
      originalMaxAge: age,
    });
  });

  it('may be as secure as the connection', () => {
    expect(stored({ secure: 'auto' })).toEqual({ ...NOTHING_KNOWN, secure: 'auto' });
  });

  it.each([1, 'true', 'AUTO', {}, [true], null])(
    'is HttpOnly, and neither Secure nor Partitioned, for %j',
    (value) => {
      expect(stored({ secure: value, httpOnly: value, partitioned: value, priority: value })).toEqual(
        NOTHING_KNOWN,
      );
    },
  );
});

describe('a session cookie that is set', () => {
  const config = {
    sessionCookieName: 'session_id',
    sessionSecret: 'of a test',
    sessionSecretsPrevious: [] as readonly string[],
  } as TransitionConfig;
  const set = (maxAge: number | undefined) => {
    const setCookie = vi.fn();
    const reply = { setCookie, request: { protocol: 'http' } } as unknown as FastifyReply;
    new SessionCookieService(config).set(reply, 'sid', stored({}), maxAge);
    return setCookie.mock.calls[0]![2] as { readonly maxAge?: number };
  };

  it.each([
    [60, 60],
    [34_560_000, 34_560_000],
    [34_560_001, 34_560_000],
    [1e15, 34_560_000],
    [Infinity, 34_560_000],
  ])('has for %d seconds a Max-Age of %d: browsers accept 400 days at most', (seconds, maxAge) => {
    expect(set(seconds)).toMatchObject({ maxAge });
  });

  it('has no Max-Age if it ends with the browser', () => {
    expect(set(undefined)).not.toHaveProperty('maxAge');
  });
});
