import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AuthError } from '@tandem-auth/verifier';
import { unavailable } from '../../../packages/verifier/src/auth-error.js';
import { KeyStore } from '../../../packages/verifier/src/keys/key-store.js';
import { importJwkSet } from '../../../packages/verifier/src/keys/jwk-set.js';
import { TokenVerifier } from '../../../packages/verifier/src/token-verifier.js';
import type { TokenVerifierOptions } from '../../../packages/verifier/src/token-verifier.js';
import { TOKEN_ERRORS, refuseToken } from '../../../src/tokens/tokens.errors.js';
import { AUDIENCE, FAMILY, ISSUER, USER, aKey, claimsNow, publicKeys, signed } from './signing.js';

const k1 = aKey('k1');
const forged = aKey('k1');
const nowSeconds = () => Math.floor(Date.now() / 1000);

interface World {
  fresh: boolean;
  revoked: boolean;
  now: number;
}

function verifierOf(more: Partial<TokenVerifierOptions> = {}) {
  const keys = new KeyStore(() => publicKeys(k1));
  return new TokenVerifier({ issuer: ISSUER, audience: AUDIENCE, keys, ...more });
}

const refusalOf = (verifier: TokenVerifier, token: string) =>
  verifier.verify(token).then(
    () => undefined,
    (error: unknown) => error as AuthError,
  );

const codeOf = async (verifier: TokenVerifier, token: string) => (await refusalOf(verifier, token))?.code;

describe('the token verifier', () => {
  it('gives the principal of a token, also when it has seen the token before', async () => {
    const verifier = verifierOf();
    const token = signed(k1, claimsNow({ external_id: '4711', role: 'shift-lead' }));
    const principal = await verifier.verify(token);
    expect(principal).toEqual({
      userId: USER,
      externalId: '4711',
      role: 'shift-lead',
      sid: FAMILY,
      scheme: 'bearer',
    });
    expect(await verifier.verify(token)).toBe(principal);
    expect(Object.isFrozen(principal)).toBe(true);
    expect('externalId' in (await verifier.verify(signed(k1)))).toBe(false);
  });

  it.each<[string, string, keyof typeof TOKEN_ERRORS]>([
    ['no token', 'x', 'token_malformed'],
    ['a token with a line break', `${signed(k1)}\n`, 'token_malformed'],
    ['a forged signature', signed(forged), 'token_invalid'],
    ['an unknown key', signed(aKey('k9')), 'token_invalid'],
    ['another type', signed(k1, claimsNow(), { typ: 'JWT' }), 'token_invalid'],
    ['another algorithm', signed(k1, claimsNow(), { alg: 'none' }), 'token_invalid'],
    ['another issuer', signed(k1, claimsNow({ iss: 'https://evil.test' })), 'token_invalid'],
    ['another audience', signed(k1, claimsNow({ aud: 'other' })), 'token_invalid'],
    ['a claim too many', signed(k1, claimsNow({ nbf: 1 })), 'token_invalid'],
    ['a life of years', signed(k1, claimsNow({ iat: 0 })), 'token_invalid'],
    ['a token that has expired', signed(k1, claimsNow({ iat: 1_000, exp: 1_900 })), 'token_expired'],
  ])('refuses %s with the status, code and challenge of the service', async (_, token, code) => {
    const refusal = (await refusalOf(verifierOf(), token))!;
    const ours = refuseToken(code);
    expect(refusal).toBeInstanceOf(AuthError);
    expect(refusal).toMatchObject({ status: 401, code, message: TOKEN_ERRORS[code].title });
    expect(refusal.headers).toEqual({ ...ours.headers, 'Cache-Control': 'no-store', 'X-Auth-Error': code });
    expect(refusal.toProblem()).toEqual({
      type: `urn:tandem:error:${code}`,
      title: ours.title,
      status: 401,
      detail: ours.message,
      code,
    });
  });

  it('accepts an expired token for as long as clocks may differ', async () => {
    const verifier = verifierOf();
    const exp = nowSeconds();
    expect(await codeOf(verifier, signed(k1, claimsNow({ iat: exp - 900, exp })))).toBeUndefined();
    expect(await codeOf(verifier, signed(k1, claimsNow({ iat: exp - 900, exp: exp - 6 })))).toBe(
      'token_expired',
    );
  });

  it('tells the client to refresh when a key is no longer published', async () => {
    let published = [k1, aKey('k2')];
    const keys = new KeyStore(() => publicKeys(...published));
    const verifier = verifierOf({ keys });
    const [seen, unseen, old] = [
      signed(k1),
      signed(k1, claimsNow({ role: 'admin' })),
      signed(k1, claimsNow({ iat: 1_000, exp: 1_900 })),
    ];
    await verifier.verify(seen);
    published = [published[1]!];
    await keys.refresh();
    expect(await codeOf(verifier, seen)).toBe('token_revoked');
    expect(await codeOf(verifier, unseen)).toBe('token_revoked');
    expect(await codeOf(verifier, old)).toBe('token_expired');
    expect(await codeOf(verifier, signed(forged))).toBe('token_invalid');
  });

  it('answers 503 with Retry-After while the keys are unknown', async () => {
    const cause = new Error('no route');
    const keys = new KeyStore(() => Promise.reject(cause));
    const refusal = await refusalOf(verifierOf({ keys }), signed(k1));
    expect(refusal).toMatchObject({ status: 503, code: 'service_unavailable', cause });
    expect(refusal!.headers).toEqual({ 'Cache-Control': 'no-store', 'Retry-After': '1' });
  });

  it("accepts none of Wycheproof's JSON Web Signature vectors", async () => {
    const file = new URL('../../vectors/wycheproof/jws.json', import.meta.url);
    const vectors = JSON.parse(readFileSync(file, 'utf8')) as { id: string; jwk?: object; jws: unknown }[];
    expect(vectors).toHaveLength(401);
    for (const { id, jwk, jws } of vectors) {
      const key = { ...jwk, use: 'sig', alg: 'RS256' };
      const keys = new KeyStore(() => importJwkSet({ keys: [k1.jwk, key] }).catch(() => publicKeys(k1)));
      const token = typeof jws === 'string' ? jws : JSON.stringify(jws);
      expect((await refusalOf(verifierOf({ keys }), token))?.status, id).toBe(401);
    }
  });
});

describe('the token verifier with revocations', () => {
  let world: World;
  const ask = vi.fn<NonNullable<TokenVerifierOptions['endpoint']>['ask']>();
  let monotonic: number;
  let verifier: TokenVerifier;
  const principal = { userId: USER, role: 'user', scheme: 'bearer' } as const;
  beforeEach(() => {
    world = { fresh: true, revoked: false, now: nowSeconds() };
    monotonic = 0;
    ask.mockReset().mockImplementation(() => Promise.resolve({ outcome: principal, askedAt: monotonic }));
    verifier = verifierOf({
      revocations: {
        isFresh: () => world.fresh,
        isRevoked: () => world.revoked,
        databaseTime: () => world.now,
      },
      endpoint: { ask },
      monotonic: () => monotonic,
    });
  });

  it('asks nobody while the stream is fresh, and refuses what is revoked', async () => {
    const token = signed(k1);
    expect(await codeOf(verifier, token)).toBeUndefined();
    world.revoked = true;
    expect(await codeOf(verifier, token)).toBe('token_revoked');
    expect(ask).not.toHaveBeenCalled();
  });

  it("counts by the database's clock when a token expires, not by its own", async () => {
    const token = signed(k1);
    world.now += 3_600;
    expect(await codeOf(verifier, token)).toBe('token_expired');
    const old = signed(k1, claimsNow({ iat: 1_000, exp: 1_900 }));
    world.now = 1_500;
    expect(await codeOf(verifier, old)).toBeUndefined();
  });

  it('asks the service about the token while the stream is not fresh', async () => {
    world.fresh = false;
    const token = signed(k1);
    expect(await codeOf(verifier, token)).toBeUndefined();
    expect(ask.mock.calls).toEqual([[{ authorization: `Bearer ${token}` }]]);
    ask.mockResolvedValue({ outcome: new AuthError(401, 'token_revoked'), askedAt: 0 });
    expect(await codeOf(verifier, token)).toBe('token_revoked');
    ask.mockRejectedValue(unavailable());
    expect(await codeOf(verifier, token)).toBe('service_unavailable');
  });

  it('does not ask about a token that it can refuse by itself', async () => {
    world.fresh = false;
    expect(await codeOf(verifier, signed(forged))).toBe('token_invalid');
    expect(await codeOf(verifier, signed(k1, claimsNow({ iat: 1_000, exp: 1_900 })))).toBe('token_expired');
    expect(ask).not.toHaveBeenCalled();
  });

  it('does not use an answer that took so long that the token may have been revoked a second ago', async () => {
    world.fresh = false;
    const slow = () => {
      const askedAt = monotonic;
      monotonic += 200;
      return Promise.resolve({ outcome: principal, askedAt });
    };
    ask.mockImplementationOnce(slow);
    expect(await codeOf(verifier, signed(k1))).toBeUndefined();
    expect(ask).toHaveBeenCalledTimes(2);
    ask.mockImplementation(slow);
    expect(await codeOf(verifier, signed(k1))).toBe('service_unavailable');
    expect(ask).toHaveBeenCalledTimes(5);
  });

  it('shares a call that is running between requests with the same token', async () => {
    const tokens = [signed(k1), signed(k1, claimsNow({ role: 'admin' }))];
    for (const token of tokens) await verifier.verify(token);
    world.fresh = false;
    await Promise.all(Array.from({ length: 40 }, (_, i) => verifier.verify(tokens[i % 2]!)));
    expect(ask).toHaveBeenCalledTimes(2);
    await verifier.verify(tokens[0]!);
    expect(ask).toHaveBeenCalledTimes(3);
  });
});
