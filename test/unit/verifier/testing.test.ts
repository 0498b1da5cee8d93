import { createVerifier } from '@tandem-auth/verifier';
import { TEST_ISSUER, createTestKit } from '@tandem-auth/verifier/testing';
import type { TestUser } from '@tandem-auth/verifier/testing';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { FAMILY, USER } from './signing.js';

describe('the test kit', () => {
  it('makes tokens and principals of any user, role and external id', async () => {
    const kit = await createTestKit();
    for (const user of [
      {},
      { userId: USER, sid: FAMILY },
      { role: 'shift-lead' },
      { externalId: '4711' },
    ] satisfies TestUser[]) {
      const principal = await kit.verifier.verify(await kit.headers(user));
      expect(principal).toEqual({
        ...kit.principal({ ...user, userId: principal.userId, sid: principal.sid }),
      });
      expect(principal).toMatchObject({ role: 'user', scheme: 'bearer', ...user });
    }
  });

  it('makes tokens that have the form of real ones', async () => {
    const kit = await createTestKit({ audience: 'orders' });
    const token = await kit.token({ externalId: 'a' });
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'RS256', typ: 'at+jwt', kid: 'test' });
    const claims = decodeJwt(token);
    expect(Object.keys(claims).toSorted()).toEqual(
      ['iss', 'aud', 'sub', 'role', 'sid', 'jti', 'iat', 'exp', 'external_id'].toSorted(),
    );
    expect(claims).toMatchObject({ iss: TEST_ISSUER, aud: 'orders', exp: claims.iat! + 900 });
  });

  it('makes tokens that are refused: expired, revoked and of another kit', async () => {
    const kit = await createTestKit();
    const codeOf = (token: string) =>
      kit.verifier
        .verify({ authorization: `Bearer ${token}` })
        .catch((error: unknown) => (error as { code: string }).code);
    expect(await codeOf(await kit.token({}, { expiresIn: -60 }))).toBe('token_expired');
    const token = await kit.token({ userId: USER });
    expect(await codeOf(token)).toMatchObject({ userId: USER });
    kit.revoke(USER);
    expect(await codeOf(token)).toBe('token_revoked');
    const other = await createTestKit({ audience: 'other' });
    expect(await codeOf(await other.token())).toBe('token_invalid');
  });

  it.each<[string, TestUser]>([
    ['userId', { userId: '1' }],
    ['userId', { userId: USER.toUpperCase() }],
    ['role', { role: 'Admin' }],
    ['externalId', { externalId: '' }],
    ['sid', { sid: 'x' }],
  ])('makes no user who cannot exist because of their %s', async (option, user) => {
    const kit = await createTestKit();
    expect(() => kit.principal(user)).toThrow(`this ${option}`);
    await expect(kit.token(user)).rejects.toThrow(TypeError);
  });

  it('has an issuer that no verifier of a service accepts', () => {
    expect(() => createVerifier({ issuer: TEST_ISSUER, audience: 'api' })).toThrow('test kit');
  });
});
