import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { isAmbiguous, withoutForwardedPath } from '../../../src/auth/http/forward-auth.js';

describe('isAmbiguous', () => {
  it.each([
    '/',
    '/api/items/1',
    '/api/items/',
    '/a.b/..c/d../...',
    '/.well-known/x',
    '/%2e%2ea',
    '/caf%C3%A9/%E0%A4%A',
    '/a%2fb',
    '/%',
    '/a;b=../c',
    '/~user/@x/:y',
  ])('accepts the path %s', (path) => {
    expect(isAmbiguous(path)).toBe(false);
  });

  it.each([
    '/.',
    '/..',
    '/a/../b',
    '/a/./b',
    '/a/..',
    '/%2e',
    '/%2E%2e/b',
    '/.%2e/b',
    '/%2e./b',
    '/a/%252e%252e/b',
    '/a/%25252e./b',
    '/a%2f..%2fb',
    '/a%2F%2e%2e%2Fb',
    '/a%252f..%252fb',
    '/a%5c..%5cb',
    '/a/..;/b',
    '/a/..;x=1/b',
    '/a/..%3b/b',
    '/a\\b',
    '\\',
    '/a\\..\\b',
    '//',
    '//a',
    '/a//b',
    '/a/b//',
    '/http://evil.example',
  ])('finds the path %s ambiguous', (path) => {
    expect(isAmbiguous(path)).toBe(true);
  });
});

describe('withoutForwardedPath', () => {
  const routed = (url: string) => withoutForwardedPath({ url } as IncomingMessage);

  it.each([
    '/auth/verify/',
    '/auth/verify/a/b',
    '/auth/verify//..',
    '/auth/verify/%ff?x',
    'http://x/auth/verify/a',
    'HTTPS://x:1/auth/verify/a',
  ])('hides the appended path from the router: %s', (url) => {
    expect(routed(url)).toBe('/auth/verify/-');
  });

  it.each([
    '/auth/verify',
    '/auth/verify?a=/auth/verify/b',
    '/auth/verifyx/',
    '/x?/auth/verify/',
    '/auth/verif%79/a',
    '*',
    '',
  ])('leaves the target %s unchanged', (url) => {
    expect(routed(url)).toBe(url);
  });
});
