import { describe, expect, it } from 'vitest';
import { judgeAccessToken } from '../../../../src/transition/report/logouts/access-token-judge.js';
import type { AccessTokenCase } from '../../../../src/transition/report/logouts/access-token-judge.js';
import type { LoginEvidence } from '../../../../src/transition/report/logouts/login-evidence.store.js';
import { judgeRefreshToken } from '../../../../src/transition/report/logouts/refresh-token-judge.js';
import type { RefreshTokenCase } from '../../../../src/transition/report/logouts/refresh-token-judge.js';
import { judgeSession } from '../../../../src/transition/report/logouts/session-judge.js';
import type { Suspect } from '../../../../src/transition/report/logouts/suspect.js';
import { Suspects } from '../../../../src/transition/report/logouts/suspects.js';

const NOW = 1_796_000_000;

function aLogin(more: Partial<LoginEvidence> = {}): LoginEvidence {
  return {
    sid: 'sid',
    userId: 'user',
    ended: false,
    reason: null,
    expired: false,
    generation: 5,
    confirmedGeneration: 5,
    macKey: 'key',
    secret: Buffer.alloc(32),
    endedAfter: null,
    epoch: 3,
    disabled: false,
    ...more,
  };
}

describe('the judge of access tokens', () => {
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

  function causeOf(more: Partial<AccessTokenCase> = {}, epoch = 3): string | undefined {
    return judgeAccessToken({
      token: { claims, kid: 'kid', generation: 5, epoch },
      code: 'token_invalid',
      at: NOW,
      login: aLogin(),
      vanished: undefined,
      keyDistrusted: false,
      keyInRing: true,
      issuer: 'issuer',
      audience: 'audience',
      tolerance: 5,
      ...more,
    })?.cause;
  }

  it('finds no cause for what was refused on purpose', () => {
    expect(causeOf({ at: NOW + 65 })).toBeUndefined();
    for (const code of ['token_revoked', 'token_expired'])
      expect(causeOf({ code, keyDistrusted: true, keyInRing: false })).toBeUndefined();
    expect(causeOf({ login: aLogin({ ended: true, reason: 'logout' }) })).toBeUndefined();
    expect(causeOf({ login: aLogin({ disabled: true }) })).toBeUndefined();
    expect(causeOf({ login: aLogin({ userId: 'another' }) })).toBeUndefined();
    expect(causeOf({ code: 'token_revoked' }, 2)).toBeUndefined();
    expect(causeOf({ login: undefined })).toBeUndefined();
  });

  it.each<[string, Partial<AccessTokenCase>]>([
    ['key_removed', { keyInRing: false }],
    ['key_distrusted', { keyDistrusted: true, keyInRing: false }],
    ['issuer_changed', { issuer: 'another' }],
    ['audience_changed', { audience: 'another' }],
    ['expired_early', { code: 'token_expired', at: NOW + 64 }],
    ['revoked_without_ending', { code: 'token_revoked' }],
    ['login_missing', { login: undefined, vanished: { sid: 'sid', userId: 'user' } }],
    ['ended_without_reason', { login: aLogin({ ended: true }) }],
    ['unexplained', {}],
  ])('finds %s', (cause, more) => {
    expect(causeOf(more)).toBe(cause);
  });
});

describe('the judge of refresh tokens', () => {
  function causeOf(more: Partial<RefreshTokenCase> = {}): string | undefined {
    return judgeRefreshToken({
      sid: 'sid',
      generation: 5,
      code: 'refresh_token_invalid',
      login: aLogin(),
      vanished: undefined,
      genuine: true,
      secretKnown: true,
      draining: false,
      windows: { grace: 10, lostResponse: 100 },
      ...more,
    })?.cause;
  }

  const stolen = (more: Partial<LoginEvidence>, generation = 4) =>
    causeOf({
      code: 'refresh_token_reused',
      generation,
      login: aLogin({ ended: true, reason: 'reuse', ...more }),
    });

  it('finds no cause for what was refused on purpose', () => {
    expect(causeOf({ login: undefined })).toBeUndefined();
    expect(causeOf({ genuine: false })).toBeUndefined();
    expect(causeOf({ login: aLogin({ expired: true }), secretKnown: false, genuine: false })).toBeUndefined();
    expect(causeOf({ login: aLogin({ disabled: true }) })).toBeUndefined();
    expect(causeOf({ login: aLogin({ ended: true, reason: 'revoke' }) })).toBeUndefined();
    expect(causeOf({ login: aLogin({ ended: true }), genuine: false })).toBeUndefined();
    expect(causeOf({ code: 'jwt_not_enabled', draining: true })).toBeUndefined();
  });

  it.each<[string, Partial<RefreshTokenCase>]>([
    ['secret_changed', { genuine: false, secretKnown: false }],
    ['refresh_forgotten', { generation: 6 }],
    ['not_enabled', { code: 'jwt_not_enabled' }],
    ['login_missing', { login: undefined, vanished: { sid: 'sid', userId: 'user' } }],
    ['ended_without_reason', { login: aLogin({ ended: true }), code: 'refresh_token_revoked' }],
    ['unexplained', {}],
  ])('finds %s', (cause, more) => {
    expect(causeOf(more)).toBe(cause);
  });

  it('tells a theft from a repetition by the windows alone', () => {
    expect(stolen({ endedAfter: 9 })).toBe('reuse_in_window');
    expect(stolen({ endedAfter: 10 })).toBeUndefined();
    expect(stolen({ endedAfter: 99, confirmedGeneration: 4 })).toBe('reuse_in_window');
    expect(stolen({ endedAfter: 100, confirmedGeneration: 4 })).toBeUndefined();
    expect(stolen({ endedAfter: 0 }, 3)).toBeUndefined();
    expect(stolen({ endedAfter: 500 }, 5)).toBe('reuse_in_window');
    expect(stolen({ endedAfter: 1, reason: 'downgrade' })).toBeUndefined();
  });
});

describe('the judge of sessions', () => {
  const live = { sid: 'sid', name: 'user', userId: 'user', disabled: false };

  it('names a session by what lets nobody in', () => {
    const judged = judgeSession({ sid: 'sid', signed: false, session: live });
    expect(judged).toMatchObject({ cause: 'session_secret_changed', userId: 'user' });
    expect(judged?.subject).toMatch(/^[0-9a-f]{64}$/);
  });

  it('finds causes for sessions alone that live and have a user', () => {
    const causeOf = (session: typeof live | undefined, signed = true) =>
      judgeSession({ sid: 'sid', signed, session })?.cause;
    expect(causeOf(live)).toBe('unexplained');
    expect(causeOf({ ...live, userId: null as never })).toBe('session_user_unknown');
    expect(causeOf({ ...live, name: null as never, userId: null as never })).toBeUndefined();
    expect(causeOf({ ...live, disabled: true })).toBeUndefined();
    expect(causeOf(undefined, false)).toBeUndefined();
  });
});

describe('the suspects', () => {
  const suspect = (credential: string, source = '192.0.2.1'): Suspect => ({
    kind: 'access',
    scheme: 'bearer',
    credential,
    code: 'token_invalid',
    source,
    at: 0,
    draining: false,
  });

  it('are looked at once each', () => {
    const suspects = new Suspects();
    for (let time = 0; time < 3; time++) suspects.add(suspect('a'));
    suspects.add(suspect('b'));
    expect(suspects.take().map(({ credential }) => credential)).toEqual(['a', 'b']);
    expect(suspects.take()).toEqual([]);
    suspects.add(suspect('a'));
    expect(suspects.take()).toHaveLength(1);
  });

  it('are a fair choice of a flood, of a bounded size', () => {
    let state = 7;
    const random = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    let honest = 0;
    for (let round = 0; round < 50; round++) {
      const suspects = new Suspects(random);
      for (let n = 0; n < 5_000; n++) suspects.add(suspect(n % 50 === 49 ? `honest ${n}` : `made up ${n}`));
      const taken = suspects.take();
      expect(taken).toHaveLength(500);
      expect(new Set(taken.map(({ credential }) => credential)).size).toBe(500);
      honest += taken.filter(({ credential }) => credential.startsWith('honest')).length;
    }
    // A tenth of a hundred in each round.
    expect(honest / 50).toBeGreaterThan(8);
    expect(honest / 50).toBeLessThan(12);
  });

  it('of one source do not keep out those of another', () => {
    const suspects = new Suspects();
    for (let n = 0; n < 20_000; n++) suspects.add(suspect(`made up ${n}`));
    for (let n = 0; n < 100; n++) suspects.add(suspect(`honest ${n}`, `198.51.100.${n}`));
    for (let n = 20_000; n < 40_000; n++) suspects.add(suspect(`made up ${n}`));
    const taken = suspects.take();
    expect(taken).toHaveLength(500);
    expect(taken.filter(({ credential }) => credential.startsWith('honest'))).toHaveLength(100);
  });

  it('of very many sources are a fair choice too', () => {
    const suspects = new Suspects();
    for (let n = 0; n < 5_000; n++) suspects.add(suspect(`credential ${n}`, `source ${n}`));
    const taken = suspects.take().map(({ credential }) => Number(credential.split(' ')[1]));
    expect(taken).toHaveLength(500);
    expect(taken.filter((n) => n < 2_500).length).toBeGreaterThan(100);
    expect(taken.filter((n) => n >= 2_500).length).toBeGreaterThan(100);
  });
});
