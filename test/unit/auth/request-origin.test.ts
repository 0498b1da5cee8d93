import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { refuseOtherSites } from '../../../src/auth/http/request-origin.js';

const LISTED = ['https://app.example'];
function passes(headers: Record<string, string | string[]>, host = 'api.example'): boolean {
  try {
    refuseOtherSites({ headers, host } as unknown as FastifyRequest, LISTED);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ status: 403, code: 'cross_site_request' });
    return false;
  }
}

describe('refuseOtherSites', () => {
  it.each<[string, Record<string, string>, boolean]>([
    ['a client that is no browser', {}, true],
    ['a page of ours', { 'sec-fetch-site': 'same-origin', origin: 'https://api.example' }, true],
    ['an address typed by the user', { 'sec-fetch-site': 'none' }, true],
    ['a listed origin', { 'sec-fetch-site': 'cross-site', origin: 'https://app.example' }, true],
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, false],
    ['another site that hides its origin', { 'sec-fetch-site': 'cross-site' }, false],
    ['a subdomain', { 'sec-fetch-site': 'same-site', origin: 'https://www.api.example' }, false],
    ['a word that no browser says', { 'sec-fetch-site': 'anything' }, false],
    ['an older browser on a page of ours', { origin: 'https://api.example' }, true],
    ['an older browser on another site', { origin: 'https://evil.example' }, false],
    ['an older browser in a sandbox', { origin: 'null' }, false],
    ['an origin that is none', { origin: 'api.example' }, false],
    ['a listed origin with a port', { origin: 'https://app.example:8443' }, false],
    ['an origin that begins like a listed one', { origin: 'https://app.example.evil.example' }, false],
  ])('decides about %s', (_, headers, passed) => {
    expect(passes(headers)).toBe(passed);
  });
});
