import { randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.js';
import { REFRESH_TOKEN_PREFIX, RefreshTokenCodec } from '../../../src/tokens/families/refresh-token.codec.js';

const codecOf = (jwtSecret: string, jwtSecretPrevious?: string) =>
  new RefreshTokenCodec({ jwtSecret, jwtSecretPrevious } as Config);

const codec = codecOf('the current secret');
const generation = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const family = fc.record({ sid: fc.uuid(), secret });
const mint = (of: { sid: string; secret: Buffer }, at: number) => codec.mint(of, at, codec.currentKey)!;
const genuine = (token: string, by: Buffer, judge = codec) => {
  const presented = judge.parse(token);
  return presented !== undefined && judge.isGenuine(presented, by);
};

describe('RefreshTokenCodec', () => {
  it('makes tokens that contain family and generation and that secret scanners find', () => {
    fc.assert(
      fc.property(family, generation, (login, at) => {
        const token = mint(login, at);
        expect(token).toMatch(/^tandem_rt_[A-Za-z0-9_-]{72}$/);
        expect(codec.parse(token)).toMatchObject({ sid: login.sid, generation: at });
        expect(genuine(token, login.secret)).toBe(true);
      }),
    );
  });

  it('derives the same token from the same arguments', () => {
    fc.assert(
      fc.property(family, generation, (login, at) => {
        expect(mint(login, at)).toBe(codecOf('the current secret').mint(login, at, codec.currentKey));
      }),
    );
  });

  it('accepts only one spelling of each token', () => {
    const character = fc.constantFrom(...'ABCXYZabcxyz0189-_+/=. \n\0é'.split(''));
    fc.assert(
      fc.property(family, generation, fc.nat({ max: 81 }), character, (login, at, position, other) => {
        const token = mint(login, at);
        const changed = token.slice(0, position) + other + token.slice(position + 1);
        expect(genuine(changed, login.secret)).toBe(changed === token);
        for (const spelling of [`${token}=`, ` ${token}`, `${token}\n`, token + other, token.slice(0, -1)])
          expect(codec.parse(spelling)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('rejects tokens of another family, row, generation or environment', () => {
    fc.assert(
      fc.property(family, family, generation, generation, (login, other, at, later) => {
        fc.pre(!login.secret.equals(other.secret) && login.sid !== other.sid && at !== later);
        const presented = codec.parse(mint(login, at))!;
        expect(codec.isGenuine(presented, other.secret)).toBe(false);
        expect(codec.isGenuine({ ...presented, generation: later }, login.secret)).toBe(false);
        expect(codec.isGenuine({ ...presented, sid: other.sid }, login.secret)).toBe(false);
        expect(genuine(mint(login, at), login.secret, codecOf('another secret'))).toBe(false);
      }),
    );
  });

  it('rejects arbitrary bytes', () => {
    fc.assert(
      fc.property(secret, fc.uint8Array({ minLength: 54, maxLength: 54 }), (by, bytes) => {
        const token = REFRESH_TOKEN_PREFIX + Buffer.from(bytes).toString('base64url');
        expect(codec.parse(token)).toBeDefined();
        expect(genuine(token, by)).toBe(false);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => codec.parse(text) === undefined));
    expect(codec.parse(`${REFRESH_TOKEN_PREFIX}${'a'.repeat(1_000_000)}`)).toBeUndefined();
  });

  it('accepts and repeats tokens of the previous JWT_SECRET, and makes new ones with the current one', () => {
    const login = { sid: randomUUID(), secret: randomBytes(32) };
    const old = codecOf('the previous secret');
    const token = old.mint(login, 3, old.currentKey)!;
    const both = codecOf('the current secret', 'the previous secret');
    expect(genuine(token, login.secret, both)).toBe(true);
    expect(both.mint(login, 3, old.currentKey)).toBe(token);
    expect(both.currentKey).toBe(codec.currentKey);
    expect(both.currentKey).not.toBe(old.currentKey);
    expect(genuine(token, login.secret)).toBe(false);
    expect(codec.mint(login, 3, old.currentKey)).toBeUndefined();
  });

  it('names its key without revealing the secret', () => {
    expect(codec.currentKey).toMatch(/^[0-9a-f]{12}$/);
    expect(codecOf('a').currentKey).not.toBe(codecOf('b').currentKey);
  });
});
