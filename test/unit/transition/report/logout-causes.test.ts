import { describe, expect, it } from 'vitest';
import type { FamilyEvidence } from '../../../../src/transition/report/logouts/logout-evidence.store.js';
import { classifySession } from '../../../../src/transition/report/logouts/session-refusal.service.js';
import type { RefusedCredential } from '../../../../src/transition/report/logouts/refused-credential.js';
import { RefusedCredentialSample } from '../../../../src/transition/report/logouts/refused-credential-sample.js';
import {
  classifyAccessToken,
  classifyRefreshToken,
} from '../../../../src/transition/report/logouts/token-refusal-cause.js';
import type {
  AccessTokenRefusal,
  RefreshTokenRefusal,
} from '../../../../src/transition/report/logouts/token-refusal-cause.js';

const NOW = 1_796_000_000;

function aFamily(more: Partial<FamilyEvidence> = {}): FamilyEvidence {
  return {
    sid: 'sid',
    userId: 'user',
    revoked: false,
    reason: null,
    expired: false,
    generation: 5,
    confirmedGeneration: 5,
    macKey: 'key',
    secret: Buffer.alloc(32),
    revokedAfter: null,
    epoch: 3,
    disabled: false,
    ...more,
  };
}

describe('the refusal of an access token', () => {
  const claims = {
    iss: 'issuer',
    aud: 'audience',
    sub: 'user',
    role: 'user',
    sid: 'sid',
    jti: 'jti',
    iat: NOW - 60,
    exp: NOW + 60,
  } as const;

  function causeOf(more: Partial<AccessTokenRefusal> = {}, epoch = 3): string | undefined {
    return classifyAccessToken({
      token: { claims, kid: 'kid', generation: 5, epoch },
      code: 'token_invalid',
      at: NOW,
      family: aFamily(),
      missing: undefined,
      keyDistrusted: false,
      keyInRing: true,
      issuer: 'issuer',
      audience: 'audience',
      tolerance: 5,
      ...more,
    })?.cause;
  }

  it('finds no cause for a correct refusal', () => {
    expect(causeOf({ at: NOW + 65 })).toBeUndefined();
    for (const code of ['token_revoked', 'token_expired'])
      expect(causeOf({ code, keyDistrusted: true, keyInRing: false })).toBeUndefined();
    expect(causeOf({ family: aFamily({ revoked: true, reason: 'logout' }) })).toBeUndefined();
    expect(causeOf({ family: aFamily({ disabled: true }) })).toBeUndefined();
    expect(causeOf({ family: aFamily({ userId: 'another' }) })).toBeUndefined();
    expect(causeOf({ code: 'token_revoked' }, 2)).toBeUndefined();
    expect(causeOf({ family: undefined })).toBeUndefined();
  });

  it.each<[string, Partial<AccessTokenRefusal>]>([
    ['key_removed', { keyInRing: false }],
    ['key_distrusted', { keyDistrusted: true, keyInRing: false }],
    ['issuer_changed', { issuer: 'another' }],
    ['audience_changed', { audience: 'another' }],
    ['expired_early', { code: 'token_expired', at: NOW + 64 }],
    ['revoked_without_ending', { code: 'token_revoked' }],
    ['login_missing', { family: undefined, missing: { sid: 'sid', userId: 'user' } }],
    ['ended_without_reason', { family: aFamily({ revoked: true }) }],
    ['unexplained', {}],
  ])('finds %s', (cause, more) => {
    expect(causeOf(more)).toBe(cause);
  });
});

describe('the refusal of a refresh token', () => {
  function causeOf(more: Partial<RefreshTokenRefusal> = {}): string | undefined {
    return classifyRefreshToken({
      sid: 'sid',
      generation: 5,
      code: 'refresh_token_invalid',
      family: aFamily(),
      missing: undefined,
      genuine: true,
      secretKnown: true,
      draining: false,
      windows: { grace: 10, lostResponse: 100 },
      ...more,
    })?.cause;
  }

  const reused = (more: Partial<FamilyEvidence>, generation = 4) =>
    causeOf({
      code: 'refresh_token_reused',
      generation,
      family: aFamily({ revoked: true, reason: 'reuse', ...more }),
    });

  it('finds no cause for a correct refusal', () => {
    expect(causeOf({ family: undefined })).toBeUndefined();
    expect(causeOf({ genuine: false })).toBeUndefined();
    expect(
      causeOf({ family: aFamily({ expired: true }), secretKnown: false, genuine: false }),
    ).toBeUndefined();
    expect(causeOf({ family: aFamily({ disabled: true }) })).toBeUndefined();
    expect(causeOf({ family: aFamily({ revoked: true, reason: 'revoke' }) })).toBeUndefined();
    expect(causeOf({ family: aFamily({ revoked: true }), genuine: false })).toBeUndefined();
    expect(causeOf({ code: 'jwt_not_enabled', draining: true })).toBeUndefined();
  });

  it.each<[string, Partial<RefreshTokenRefusal>]>([
    ['secret_changed', { genuine: false, secretKnown: false }],
    ['refresh_forgotten', { generation: 6 }],
    ['not_enabled', { code: 'jwt_not_enabled' }],
    ['login_missing', { family: undefined, missing: { sid: 'sid', userId: 'user' } }],
    ['ended_without_reason', { family: aFamily({ revoked: true }), code: 'refresh_token_revoked' }],
    ['unexplained', {}],
  ])('finds %s', (cause, more) => {
    expect(causeOf(more)).toBe(cause);
  });

  it('expects a repeated successor only within the windows', () => {
    expect(reused({ revokedAfter: 9 })).toBe('reuse_in_window');
    expect(reused({ revokedAfter: 10 })).toBeUndefined();
    expect(reused({ revokedAfter: 99, confirmedGeneration: 4 })).toBe('reuse_in_window');
    expect(reused({ revokedAfter: 100, confirmedGeneration: 4 })).toBeUndefined();
    expect(reused({ revokedAfter: 0 }, 3)).toBeUndefined();
    expect(reused({ revokedAfter: 500 }, 5)).toBe('reuse_in_window');
    expect(reused({ revokedAfter: 1, reason: 'downgrade' })).toBeUndefined();
  });
});

describe('the refusal of a session', () => {
  const live = { sid: 'sid', name: 'user', userId: 'user', disabled: false };

  it('identifies a session by a hash that gives no access', () => {
    const logout = classifySession({ sid: 'sid', signed: false, session: live });
    expect(logout).toMatchObject({ cause: 'session_secret_changed', userId: 'user' });
    expect(logout?.subject).toMatch(/^[0-9a-f]{64}$/);
  });

  it('finds a cause only for a live session with a user', () => {
    const causeOf = (session: typeof live | undefined, signed = true) =>
      classifySession({ sid: 'sid', signed, session })?.cause;
    expect(causeOf(live)).toBe('unexplained');
    expect(causeOf({ ...live, userId: null as never })).toBe('session_user_unknown');
    expect(causeOf({ ...live, name: null as never, userId: null as never })).toBeUndefined();
    expect(causeOf({ ...live, disabled: true })).toBeUndefined();
    expect(causeOf(undefined, false)).toBeUndefined();
  });
});

describe('the sample of refused credentials', () => {
  const refusal = (credential: string, source = '192.0.2.1'): RefusedCredential => ({
    kind: 'access',
    scheme: 'bearer',
    credential,
    code: 'token_invalid',
    source,
    at: 0,
    draining: false,
  });

  it('returns each refused credential once', () => {
    const refusals = new RefusedCredentialSample();
    for (let time = 0; time < 3; time++) refusals.add(refusal('a'));
    refusals.add(refusal('b'));
    expect(refusals.take().map(({ credential }) => credential)).toEqual(['a', 'b']);
    expect(refusals.take()).toEqual([]);
    refusals.add(refusal('a'));
    expect(refusals.take()).toHaveLength(1);
  });

  it('says how often each credential was refused, also after it was put back', () => {
    const refusals = new RefusedCredentialSample();
    for (let time = 0; time < 3; time++) refusals.add(refusal('a'));
    refusals.add(refusal('b'));
    const taken = refusals.take();
    expect(taken.map(({ credential, times }) => [credential, times])).toEqual([
      ['a', 3],
      ['b', 1],
    ]);
    refusals.add(refusal('a'));
    for (const { times, ...one } of taken) refusals.add(one, times);
    expect(refusals.take().map(({ times }) => times)).toEqual([4, 1]);
  });

  it('is a fair, bounded choice of a flood', () => {
    let state = 7;
    const random = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    let honest = 0;
    for (let round = 0; round < 50; round++) {
      const refusals = new RefusedCredentialSample(random);
      for (let n = 0; n < 5_000; n++) refusals.add(refusal(n % 50 === 49 ? `honest ${n}` : `made up ${n}`));
      const taken = refusals.take();
      expect(taken).toHaveLength(500);
      expect(new Set(taken.map(({ credential }) => credential)).size).toBe(500);
      honest += taken.filter(({ credential }) => credential.startsWith('honest')).length;
    }
    // A tenth of a hundred in each round.
    expect(honest / 50).toBeGreaterThan(8);
    expect(honest / 50).toBeLessThan(12);
  });

  it('keeps the credentials of other sources during a flood of one source', () => {
    const refusals = new RefusedCredentialSample();
    for (let n = 0; n < 20_000; n++) refusals.add(refusal(`made up ${n}`));
    for (let n = 0; n < 100; n++) refusals.add(refusal(`honest ${n}`, `198.51.100.${n}`));
    for (let n = 20_000; n < 40_000; n++) refusals.add(refusal(`made up ${n}`));
    const taken = refusals.take();
    expect(taken).toHaveLength(500);
    expect(taken.filter(({ credential }) => credential.startsWith('honest'))).toHaveLength(100);
  });

  it('is a fair choice of very many sources', () => {
    const refusals = new RefusedCredentialSample();
    for (let n = 0; n < 5_000; n++) refusals.add(refusal(`credential ${n}`, `source ${n}`));
    const taken = refusals.take().map(({ credential }) => Number(credential.split(' ')[1]));
    expect(taken).toHaveLength(500);
    expect(taken.filter((n) => n < 2_500).length).toBeGreaterThan(100);
    expect(taken.filter((n) => n >= 2_500).length).toBeGreaterThan(100);
  });
});
