import type { ExecutionContext } from '@nestjs/common';
import { describe, expect, it, vi } from 'vitest';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { unavailable } from '../../../src/common/common.errors.js';
import type { Config } from '../../../src/config/config.js';
import { CredentialCheckService } from '../../../src/auth/login/credential-check.service.js';
import { JwtAuthGuard } from '../../../src/auth/guards/jwt-auth.guard.js';
import { KnownTokensService } from '../../../src/auth/guards/known-tokens.service.js';
import { LocalAuthGuard } from '../../../src/auth/login/local-auth.guard.js';
import { LoginService } from '../../../src/auth/login/login.service.js';
import { originOf } from '../../../src/auth/http/request-origin.js';
import { TokenEligibilityService } from '../../../src/auth/refresh/token-eligibility.service.js';
import { PasswordService } from '../../../src/auth/account/password.service.js';
import { AccessTokenVerifierService } from '../../../src/tokens/access/access-token-verifier.service.js';
import type { User } from '../../../src/users/user.entity.js';

const given = { username: 'ada', password: 'a long enough pass phrase' };
const user = { id: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10', username: 'ada', epoch: 3 } as User;

/** Stands in for a collaborator of which only these members are used. */
function part<T>(members: object): T {
  return members as T;
}

describe('LoginService', () => {
  const opened = { family: {}, token: 'tandem_rt_x' };

  it('refuses a login by a user who is not eligible for tokens', async () => {
    const logins = new LoginService(part({}), part({}), part({ isEligible: () => false }));
    await expect(logins.open(user, given, 'body', NO_ORIGIN)).rejects.toMatchObject({
      code: 'jwt_not_enabled',
    });
  });

  it('checks the credentials again if the account has changed since', async () => {
    const changed = { id: user.id, username: 'ada', epoch: 4 } as User;
    const open = vi.fn().mockResolvedValueOnce(undefined).mockResolvedValueOnce(opened);
    const logins = new LoginService(
      part({ open }),
      part({ recheck: () => Promise.resolve(changed) }),
      new TokenEligibilityService(),
    );
    expect(await logins.open(user, given, 'cookie', NO_ORIGIN)).toBe(opened);
    expect(open.mock.calls.map(([account]: unknown[]) => account)).toEqual([user, changed]);
  });

  it('answers 503 if the account keeps changing', async () => {
    const open = () => Promise.resolve(undefined);
    const logins = new LoginService(
      part({ open }),
      part({ recheck: () => Promise.resolve(user) }),
      new TokenEligibilityService(),
    );
    await expect(logins.open(user, given, 'body', NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
  });
});

describe('CredentialCheckService', () => {
  function check(users: object) {
    const limiter = { enforce: vi.fn(), refund: vi.fn() };
    const attempt = { failed: vi.fn(), succeeded: vi.fn(), cancelled: vi.fn() };
    const failures = { begin: vi.fn(() => Promise.resolve(attempt)), reset: vi.fn() };
    const refusals = { count: vi.fn() };
    const hasher = { padFailure: vi.fn() };
    const clock = { monotonic: () => 0 };
    const credentials = new CredentialCheckService(
      part({ lookUp: () => Promise.resolve(undefined), ...users }),
      part(hasher),
      part(limiter),
      part(failures),
      part(refusals),
      part(clock),
      part<Config>({ authRateLimit: 10, authRateWindow: 60 }),
    );
    return { credentials, limiter, failures, attempt, refusals, hasher };
  }

  it('does not count a check that failed', async () => {
    const checkPassword = () => Promise.reject(unavailable(new Error('full')));
    const { credentials, limiter, attempt } = check({ checkPassword });
    await expect(credentials.check(given, undefined, NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
    expect(limiter.refund).toHaveBeenCalledWith('account', 'ada');
    expect(attempt.cancelled).toHaveBeenCalled();
    expect(attempt.failed).not.toHaveBeenCalled();
  });

  it('counts a wrong password, and pads its answer', async () => {
    const checkPassword = () => Promise.resolve({ outcome: 'refused', cause: 'wrong_password' });
    const { credentials, limiter, attempt, hasher, refusals } = check({ checkPassword });
    await expect(credentials.check(given, undefined, NO_ORIGIN)).rejects.toMatchObject({
      code: 'invalid_credentials',
    });
    expect(limiter.refund).not.toHaveBeenCalled();
    expect(attempt.failed).toHaveBeenCalledTimes(1);
    expect(hasher.padFailure).toHaveBeenCalled();
    expect(refusals.count).toHaveBeenCalledWith('wrong_password', null);
  });

  it('counts an impossible username like any other', async () => {
    const checkPassword = () => Promise.resolve({ outcome: 'refused', cause: 'unknown_user' });
    const { credentials, limiter } = check({ checkPassword });
    const nobody = { username: 'a b', password: 'x' };
    await expect(credentials.check(nobody, undefined, NO_ORIGIN)).rejects.toMatchObject({ status: 401 });
    expect(limiter.enforce).toHaveBeenCalledWith('account', 'a b', undefined, { address: null });
  });

  it('refunds the count after a right password, and forgets earlier failures', async () => {
    const { credentials, limiter, attempt } = check({
      checkPassword: () => Promise.resolve({ outcome: 'ok', user }),
    });
    expect(await credentials.check(given, undefined, NO_ORIGIN)).toBe(user);
    expect(limiter.enforce.mock.calls).toEqual([['account', 'ada', undefined, { address: null }]]);
    expect(limiter.refund.mock.calls).toEqual([['account', 'ada']]);
    expect(attempt.succeeded).toHaveBeenCalledTimes(1);
  });

  it('checks no password while the account must wait, and refunds the count', async () => {
    const checkPassword = vi.fn();
    const { credentials, limiter, failures } = check({ checkPassword });
    failures.begin.mockRejectedValueOnce(new Error('has to wait'));
    await expect(credentials.check(given, undefined, NO_ORIGIN)).rejects.toThrow('has to wait');
    expect(checkPassword).not.toHaveBeenCalled();
    expect(limiter.refund).toHaveBeenCalledWith('account', 'ada');
  });

  it('counts a known device separately, in its own share of the pool', async () => {
    const checkPassword = vi.fn(() => Promise.resolve({ outcome: 'refused', cause: 'wrong_password' }));
    const { credentials, limiter, failures } = check({ checkPassword });
    const device = { userId: user.id, bucket: 'device_family', id: 's' } as const;
    await expect(credentials.check(given, device, NO_ORIGIN)).rejects.toMatchObject({ status: 401 });
    expect(limiter.enforce.mock.calls).toEqual([
      ['device_user', user.id, { limit: 40, windowSeconds: 60 }, { userId: user.id, address: null }],
      ['device_family', 's', undefined, { userId: user.id, address: null }],
    ]);
    expect(failures.begin).not.toHaveBeenCalled();
    expect(checkPassword).toHaveBeenCalledWith('ada', given.password, 'known', expect.anything());
  });

  it('checks again without counting again', async () => {
    const ok = check({ checkPassword: () => Promise.resolve({ outcome: 'ok', user }) });
    expect(await ok.credentials.recheck(given, NO_ORIGIN)).toBe(user);
    expect(ok.limiter.enforce).not.toHaveBeenCalled();
    const refused = check({
      checkPassword: () => Promise.resolve({ outcome: 'refused', cause: 'disabled' }),
    });
    await expect(refused.credentials.recheck(given, NO_ORIGIN)).rejects.toMatchObject({ status: 401 });
  });
});

describe('PasswordService', () => {
  const principal = {
    userId: user.id,
    role: 'user',
    sid: undefined,
    sessionId: 'mine',
    via: 'session',
  } as const;

  it('refuses a caller whose account was deleted', async () => {
    const passwords = new PasswordService(
      part({ find: () => Promise.resolve(undefined) }),
      part({}),
      part({}),
      part({}),
      part({}),
    );
    await expect(passwords.change(principal, 'a', 'b', NO_ORIGIN)).rejects.toMatchObject({
      code: 'token_revoked',
    });
  });

  it('counts the guesses of a session separately, and keeps the session', async () => {
    const users = {
      find: () => Promise.resolve(user),
      hashNew: () => Promise.resolve('hash'),
      isPasswordManaged: () => false,
    };
    const confirm = vi.fn();
    const revokeUser = vi.fn();
    await new PasswordService(
      part(users),
      part({ confirm }),
      part({ revokeUser }),
      part({}),
      part({ record: vi.fn() }),
    ).change(principal, 'a', 'b', NO_ORIGIN);
    expect(confirm).toHaveBeenCalledWith(
      user,
      'a',
      { userId: user.id, bucket: 'device_session', id: 'mine' },
      NO_ORIGIN,
    );
    expect(revokeUser).toHaveBeenCalledWith(
      user.id,
      expect.objectContaining({ exceptSid: undefined, exceptSession: 'mine' }),
      NO_ORIGIN,
    );
  });
});

describe('JwtAuthGuard', () => {
  /** A guard on a node whose fast path verifies every token. Its parts can be changed. */
  function aGuard() {
    const verified = { kid: 'k', generation: 1, claims: { sub: 'u', sid: 's', role: 'user', exp: 60 } };
    const ring = { namedBy: () => undefined, verificationKey: () => ({ distrusted: false }) };
    const feed = { isFresh: () => true, untilFresh: vi.fn(() => Promise.resolve()) };
    const revocations = { isRevoked: () => false };
    const clock = { now: () => 0 };
    const confirmations = { note: vi.fn() };
    const config = part<Config>({ clockTolerance: 5 });
    const verifier = new AccessTokenVerifierService(
      part(ring),
      part(feed),
      part(revocations),
      part(clock),
      part({}),
      part({}),
      'issuer',
      config,
    );
    const verifyCanonical = vi.spyOn(verifier, 'verifyCanonical').mockReturnValue(part(verified));
    const known = new KnownTokensService(part(clock), new BackgroundLoops(false), config);
    const guard = new JwtAuthGuard(verifier, known, part(confirmations), config);
    const request = { headers: { authorization: 'Bearer eyK' }, user: undefined };
    const context = part<ExecutionContext>({
      getHandler: () => () => undefined,
      getClass: () => class {},
      switchToHttp: () => ({ getRequest: () => request }),
    });
    const outcome = () =>
      Promise.resolve(guard.canActivate(context)).then(
        () => 'admits',
        ({ code }: { code: string }) => code,
      );
    return { ring, feed, revocations, clock, confirmations, verifyCanonical, request, outcome };
  }

  it('asks the database before it admits a known token while the feed is stale', async () => {
    const { feed, revocations, outcome } = aGuard();
    expect(await outcome()).toBe('admits');
    let fresh = false;
    feed.isFresh = () => fresh;
    feed.untilFresh.mockImplementation(() => {
      fresh = true;
      revocations.isRevoked = () => true;
      return Promise.resolve();
    });
    expect(await outcome()).toBe('token_revoked');
    expect(feed.untilFresh).toHaveBeenCalledTimes(1);
    revocations.isRevoked = () => false;
    expect(await outcome()).toBe('admits');
  });

  it.each([
    [64_999, 'admits'],
    [65_000, 'token_expired'],
  ])('at %i ms %s a token that expired at 60 s, with a tolerance of 5 s', async (now, expected) => {
    const { clock, outcome } = aGuard();
    clock.now = () => now;
    // The second time the node knows the token.
    for (let call = 0; call < 2; call++) expect(await outcome()).toBe(expected);
  });

  it('refuses a missing token after Bearer as malformed, without verifying anything', async () => {
    const { request, verifyCanonical, outcome } = aGuard();
    request.headers.authorization = 'Bearer ';
    expect(await outcome()).toBe('token_malformed');
    expect(verifyCanonical).not.toHaveBeenCalled();
  });

  it('neither admits nor remembers a token whose key is distrusted while it is being verified', async () => {
    const { ring, feed, confirmations, verifyCanonical, request, outcome } = aGuard();
    feed.isFresh = () => false;
    feed.untilFresh.mockImplementation(() => {
      ring.verificationKey = () => ({ distrusted: true });
      return Promise.resolve();
    });
    for (let call = 1; call <= 2; call++) {
      expect(await outcome()).toBe('token_revoked');
      expect(verifyCanonical).toHaveBeenCalledTimes(call);
    }
    expect(confirmations.note).not.toHaveBeenCalled();
    expect(request.user).toBeUndefined();
  });

  it('refuses a known token after its key was distrusted', async () => {
    const { ring, verifyCanonical, outcome } = aGuard();
    expect(await outcome()).toBe('admits');
    ring.verificationKey = () => ({ distrusted: true });
    expect(await outcome()).toBe('token_revoked');
    expect(verifyCanonical).toHaveBeenCalledTimes(1);
  });

  it('rethrows errors, and reports unknown faults as an invalid token', () => {
    const guard = part<JwtAuthGuard>(Object.create(JwtAuthGuard.prototype) as object);
    expect(() => guard.handleRequest(new Error('lost'), false, undefined)).toThrow('lost');
    expect(() => guard.handleRequest(null, false, new Error('jwt'))).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    );
    expect(guard.handleRequest(null, user, undefined)).toBe(user);
  });
});

describe('LocalAuthGuard', () => {
  const guard = part<LocalAuthGuard>(Object.create(LocalAuthGuard.prototype) as object);

  it('refuses if Passport found no user, and rethrows errors', () => {
    expect(() => guard.handleRequest(null, false)).toThrow(expect.objectContaining({ status: 401 }));
    expect(() => guard.handleRequest(new Error('lost'), false)).toThrow('lost');
    expect(guard.handleRequest(null, user)).toBe(user);
  });
});

describe('originOf', () => {
  it('keeps the beginning of a long user agent, and accepts a missing one', () => {
    const request = { ip: undefined, headers: {}, id: 'r' };
    expect(originOf(part(request))).toEqual({ ip: null, userAgent: null, requestId: 'r' });
    const long = { ip: '192.0.2.1', headers: { 'user-agent': 'x'.repeat(300) }, id: 'r' };
    expect(originOf(part(long)).userAgent).toHaveLength(256);
  });
});
