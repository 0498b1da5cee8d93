import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectToken, readClaims, makeJti } from '@tandem-auth/verifier/token';

const HEADER = { alg: 'RS256', typ: 'at+jwt', kid: 'k1' };
/** The greatest TOKEN_EXPIRY that there was, in seconds. */
const LONGEST = 3_600;
const NIL = '00000000-0000-0000-0000-000000000000';
const CLAIMS = {
  iss: 'http://tandem.test',
  aud: 'api',
  sub: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a01',
  role: 'user',
  sid: '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02',
  jti: makeJti({ generation: 7, epoch: 3 }),
  iat: 1_000,
  exp: 1_900,
};

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const token = (header: unknown, payload: unknown = CLAIMS, signature = 'c2lnbmF0dXJl') =>
  `${encode(header)}.${encode(payload)}.${signature}`;
const faultOf = (raw: string) => {
  const inspected = inspectToken(raw);
  return 'fault' in inspected ? inspected.fault : undefined;
};

describe('inspectToken', () => {
  it('reads the kid of a token that could be ours', () => {
    expect(inspectToken(token(HEADER))).toEqual({ kid: 'k1' });
  });

  it.each<[string, unknown]>([
    ['alg none', { ...HEADER, alg: 'none' }],
    ['alg None', { ...HEADER, alg: 'None' }],
    ['alg HS256', { ...HEADER, alg: 'HS256' }],
    ['alg PS256', { ...HEADER, alg: 'PS256' }],
    ['alg as a list', { ...HEADER, alg: ['RS256'] }],
    ['typ JWT', { ...HEADER, typ: 'JWT' }],
    ['typ in another spelling', { ...HEADER, typ: 'application/at+jwt' }],
    ['no typ', { alg: 'RS256', kid: 'k1' }],
    ['no kid', { alg: 'RS256', typ: 'at+jwt' }],
    ['a kid that is no text', { ...HEADER, kid: { $ne: '' } }],
    ['crit', { ...HEADER, crit: ['exp'], exp: 1 }],
    ['an empty crit', { ...HEADER, crit: [] }],
    ['b64 false', { ...HEADER, crit: ['b64'], b64: false }],
    ['jwk', { ...HEADER, jwk: { kty: 'RSA' } }],
    ['jku', { ...HEADER, jku: 'https://evil.test/jwks' }],
    ['x5u', { ...HEADER, x5u: 'https://evil.test/cert' }],
  ])('finds a header with %s invalid', (_, header) => {
    expect(faultOf(token(header))).toBe('token_invalid');
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['a word', 'invalid_token'],
    ['two parts', 'e30.e30'],
    ['four parts', `${token(HEADER)}.e30`],
    ['five parts, as a JWE has', 'e30.e30.e30.e30.e30'],
    ['a dot too many', token(HEADER).replace('.', '..')],
    ['a dot in front', `.${token(HEADER)}`],
    ['a dot behind', `${token(HEADER)}.`],
    ['only dots', '..'],
    ['no signature', token(HEADER, CLAIMS, '')],
    ['a header that is no JSON', `${encode('{')}.e30.c2ln`],
    ['a header that is a list', token([HEADER])],
    ['a header that is null', token(null)],
    ['a payload that is no object', token(HEADER, '"text"')],
    ['a payload that is no JSON', token(HEADER, 'x')],
    ['padding', token(HEADER, CLAIMS, 'c2ln==')],
    ['base64 instead of base64url', token(HEADER, CLAIMS, 'c2+/')],
    ['stray bits in the last character', token(HEADER, CLAIMS, 'c2h')],
    ['one character alone', token(HEADER, CLAIMS, 'c')],
    ['a line break', `${token(HEADER)}\n`],
    ['a space inside', token(HEADER).replace('.', '. ')],
    ['a NUL', `${token(HEADER)}\0`],
    ['a megabyte', 'a'.repeat(1_000_000)],
    ['a megabyte of dots', '.'.repeat(1_000_000)],
    ['a megabyte of payload', token(HEADER, { x: 'a'.repeat(1_000_000) })],
  ])('finds %s malformed', (_, raw) => {
    expect(faultOf(raw)).toBe('token_malformed');
  });

  it('takes one spelling of each token and no other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(), fc.nat(), (bytes, at, by) => {
        const signature = Buffer.from(bytes).toString('base64url');
        const raw = token(HEADER, CLAIMS, signature);
        expect(inspectToken(raw)).toEqual({ kid: 'k1' });
        const position = at % signature.length;
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=';
        const character = alphabet[by % alphabet.length]!;
        const other = signature.slice(0, position) + character + signature.slice(position + 1);
        const sameBytes = Buffer.from(other, 'base64url').equals(bytes);
        if (other !== signature && sameBytes)
          expect(faultOf(token(HEADER, CLAIMS, other))).toBe('token_malformed');
      }),
      { numRuns: 1_000 },
    );
  });

  it('never throws for arbitrary text, and accepts none', () => {
    const file = new URL('../../vectors/naughty-strings/blns.json', import.meta.url);
    const naughty = JSON.parse(readFileSync(file, 'utf8')) as string[];
    for (const text of naughty) expect(faultOf(text), text).toBe('token_malformed');
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => faultOf(text) !== undefined));
  });
});

describe('readClaims', () => {
  it('gives the claims with what the jti says', () => {
    expect(readClaims(CLAIMS, 'k1', LONGEST)).toEqual({ claims: CLAIMS, kid: 'k1', generation: 7, epoch: 3 });
    expect(readClaims({ ...CLAIMS, role: 'shift-lead' }, 'k1', LONGEST)?.claims.role).toBe('shift-lead');
  });

  it('gives the external id of a user who has one, also an id that an earlier release stored', () => {
    for (const external_id of ['4711', 'auth0|42', '-', 'legacy/7 張']) {
      const claims = { ...CLAIMS, external_id };
      expect(readClaims(claims, 'k1', LONGEST)?.claims).toEqual(claims);
    }
  });

  it('accepts the longest life that was configured', () => {
    const claims = { ...CLAIMS, exp: CLAIMS.iat + LONGEST };
    expect(readClaims(claims, 'k1', LONGEST)?.claims).toEqual(claims);
  });

  it.each(Object.keys(CLAIMS))('refuses a payload without %s', (name) => {
    const { [name]: _, ...others } = CLAIMS as Record<string, unknown>;
    expect(readClaims(others, 'k1', LONGEST)).toBeUndefined();
    expect(readClaims({ ...others, spare: 1 }, 'k1', LONGEST)).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['a claim too many', { ...CLAIMS, nbf: 1 }],
    ['a list of audiences', { ...CLAIMS, aud: ['api'] }],
    ['an issuer that is no text', { ...CLAIMS, iss: 1 }],
    ['a nil sub', { ...CLAIMS, sub: NIL }],
    ['a nil sid', { ...CLAIMS, sid: NIL }],
    ['a nil jti', { ...CLAIMS, jti: NIL }],
    ['a jti that we do not write', { ...CLAIMS, jti: CLAIMS.sub }],
    ['a sub in upper case', { ...CLAIMS, sub: CLAIMS.sub.toUpperCase() }],
    ['a sub that is no UUID', { ...CLAIMS, sub: '1' }],
    ['a sub that is a list', { ...CLAIMS, sub: [CLAIMS.sub] }],
    ['a role that is no name', { ...CLAIMS, role: 'Root' }],
    ['an empty external id', { ...CLAIMS, external_id: '' }],
    ['an external id that is no text', { ...CLAIMS, external_id: 7 }],
    ['a null external id', { ...CLAIMS, external_id: null }],
    ['an external id that is too long', { ...CLAIMS, external_id: 'x'.repeat(256) }],
    ['an external id and a claim too many', { ...CLAIMS, external_id: 'x', nbf: 1 }],
    ['a list of roles', { ...CLAIMS, role: ['admin'] }],
    ['an exp that is text', { ...CLAIMS, exp: '1900' }],
    ['an exp with a fraction', { ...CLAIMS, exp: 1900.5 }],
    ['an endless exp', { ...CLAIMS, exp: Number.MAX_VALUE }],
    ['a negative iat', { ...CLAIMS, iat: -1 }],
    ['an exp not after iat', { ...CLAIMS, exp: CLAIMS.iat }],
    ['a life that is longer than any that was configured', { ...CLAIMS, exp: CLAIMS.iat + LONGEST + 1 }],
    ['a life since 1970', { ...CLAIMS, iat: 0, exp: 1_900_000_000 }],
    ['null', null],
    ['text', 'foo'],
    ['nothing', undefined],
    ['a list', Object.values(CLAIMS)],
  ])('refuses %s', (_, payload) => {
    expect(readClaims(payload, 'k1', LONGEST)).toBeUndefined();
  });
});
