import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { AccessTokenVerifierService } from '../../../src/tokens/access/access-token-verifier.service.js';
import { CLAIMS, DISTRUSTED, ISSUER, LONGEST, verifierOf } from './verify-token.js';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const HEADER = { alg: 'RS256', typ: 'at+jwt', kid: 'k1' };

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
function mint(change: object = {}, header: object = HEADER, key: KeyObject = privateKey): string {
  const input = `${encode(header)}.${encode({ ...CLAIMS, ...change })}`;
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

const distrusted = generateKeyPairSync('rsa', { modulusLength: 2048 });
const verify = verifierOf({ k1: publicKey, k2: other.publicKey, [DISTRUSTED]: distrusted.publicKey });
const codeOf = async (token: string) => {
  const verified = await verify(token);
  if (!('refused' in verified)) return 'accepted';
  const { refused } = verified;
  return refused instanceof Error ? ((refused as { code?: string }).code ?? refused.name) : refused;
};

describe('AccessTokenVerifierService', () => {
  it('verifies a token of ours, also an expired one', async () => {
    expect(await verify(mint())).toEqual({ claims: CLAIMS, kid: 'k1', generation: 1, epoch: 2 });
  });

  it.each<[string, string]>([
    ['signed by another key', mint({}, HEADER, other.privateKey)],
    ['that names another key of ours', mint({}, { ...HEADER, kid: 'k2' })],
    ['that names no key of ours', mint({}, { ...HEADER, kid: 'k3' })],
    ['that names a property of every object', mint({}, { ...HEADER, kid: 'constructor' })],
    ['for another audience', mint({ aud: 'web' })],
    ['of another issuer', mint({ iss: 'http://evil.test' })],
    ['of an issuer that begins like ours', mint({ iss: `${ISSUER}.evil.test` })],
    ['with a claim too many', mint({ scope: 'all' })],
    ['with a nil user', mint({ sub: '00000000-0000-0000-0000-000000000000' })],
    ['without an end', mint({ exp: undefined })],
    ['with crit', mint({}, { ...HEADER, crit: ['exp'] })],
    ['of another type', mint({}, { ...HEADER, typ: 'JWT' })],
    ['that says RS512', mint({}, { ...HEADER, alg: 'RS512' })],
    ['not yet valid', mint({ nbf: 9e9 })],
  ])('refuses a token %s', async (_, token) => {
    expect(await codeOf(token)).not.toBe('accepted');
  });

  it('asks for unknown keys once for all tokens that arrive together, and not at all for known keys', async () => {
    const catchUp = vi.fn(() => Promise.reject(new Error('no database')));
    const parts = [{ verificationKey: (kid: string) => (kid === 'k1' ? {} : undefined) }, { catchUp }];
    const verifier = new AccessTokenVerifierService(
      ...(parts as unknown as ConstructorParameters<typeof AccessTokenVerifierService>),
    );
    const unknown = Array.from({ length: 50 }, (_, index) => mint({}, { ...HEADER, kid: `u${index}` }));
    await verifier.learnKeyOf(mint());
    expect(catchUp).not.toHaveBeenCalled();
    await Promise.all(unknown.map((token) => verifier.learnKeyOf(token)));
    expect(catchUp).toHaveBeenCalledTimes(1);
    await verifier.learnKeyOf(unknown[0]!);
    expect(catchUp).toHaveBeenCalledTimes(2);
  });

  it('refuses a token of a distrusted key as revoked, so that its client refreshes', async () => {
    const header = { ...HEADER, kid: DISTRUSTED };
    expect(await codeOf(mint({}, header, distrusted.privateKey))).toBe('token_revoked');
    expect(await codeOf(mint({ iat: 1, exp: 2 }, header, distrusted.privateKey))).toBe('token_revoked');
  });

  it('refuses a token that only names a distrusted key as invalid', async () => {
    const header = { ...HEADER, kid: DISTRUSTED };
    const exp = CLAIMS.iat + LONGEST + 1;
    for (const [token, code] of [
      [mint({}, header), 'JsonWebTokenError'],
      [mint({ aud: 'web' }, header, distrusted.privateKey), 'JsonWebTokenError'],
      [mint({ scope: 'all' }, header, distrusted.privateKey), 'token_invalid'],
      [mint({ exp }, header, distrusted.privateKey), 'token_invalid'],
    ] as const)
      expect(await codeOf(token)).toBe(code);
  });

  it('refuses a token that lives longer than the greatest TOKEN_EXPIRY', async () => {
    expect(await codeOf(mint({ exp: CLAIMS.iat + LONGEST }))).toBe('accepted');
    expect(await codeOf(mint({ exp: CLAIMS.iat + LONGEST + 1 }))).toBe('token_invalid');
  });

  it('refuses a token without a signature for any header', async () => {
    const body = encode(CLAIMS);
    for (const alg of ['none', 'None', 'NONE', 'RS256'])
      for (const signature of ['', 'AA', 'c2ln'])
        expect(await codeOf(`${encode({ ...HEADER, alg })}.${body}.${signature}`)).not.toBe('accepted');
  });

  it('refuses a MAC made with the public key as its secret', async () => {
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'pkcs1', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
    ];
    for (const alg of ['HS256', 'RS256'])
      for (const secret of secrets) {
        const input = `${encode({ ...HEADER, alg })}.${encode(CLAIMS)}`;
        const mac = createHmac('sha256', secret).update(input).digest('base64url');
        expect(await codeOf(`${input}.${mac}`)).not.toBe('accepted');
      }
  });

  it('refuses every token with a bit changed in its signature or payload', async () => {
    const [header, payload, signature] = mint().split('.') as [string, string, string];
    for (const part of ['payload', 'signature'] as const) {
      const bytes = Buffer.from(part === 'payload' ? payload : signature, 'base64url');
      for (let at = 0; at < bytes.length; at += 7) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1;
        const text = changed.toString('base64url');
        const token = `${header}.${part === 'payload' ? text : payload}.${part === 'payload' ? signature : text}`;
        expect(await codeOf(token)).not.toBe('accepted');
      }
    }
  });

  it('calls text that is no token malformed, not invalid', async () => {
    expect(await codeOf('invalid_token')).toBe('token_malformed');
    expect(await codeOf('a.b')).toBe('token_malformed');
    expect(await codeOf(mint({}, { ...HEADER, alg: 'none' }))).toBe('token_invalid');
    expect(await codeOf(mint({}, { ...HEADER, kid: 'gone' }))).toBe('token_invalid');
  });
});
