import type { FastifyRequest } from 'fastify';
import { describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RefreshService } from '../../../src/auth/refresh/refresh.service.js';
import { TokenEligibilityService } from '../../../src/auth/refresh/token-eligibility.service.js';
import type { TokenEligibility } from '../../../src/auth/refresh/token-eligibility.service.js';
import { Clock } from '../../../src/common/clock.js';
import type { Config } from '../../../src/config/config.js';
import { BlockedSubjects } from '../../../src/limits/blocked/blocked-subjects.js';
import type { CountedResult } from '../../../src/limits/admission.sql.js';
import { RateLimitService } from '../../../src/limits/limits.service.js';
import { RefreshTokenCodec } from '../../../src/tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../../src/tokens/families/refresh-token.service.js';
import type { RefreshTokenStore } from '../../../src/tokens/families/refresh-token.store.js';
import type { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import type { RotationStore } from '../../../src/tokens/families/rotation.store.js';
import type { LiveFamily, TokenFamily } from '../../../src/tokens/families/token-family.js';

const config = {
  jwtSecret: 'a secret',
  refreshReuseGrace: 10,
  refreshLostResponseWindow: 60,
  authRateLimit: 5,
  authRateWindow: 60,
} as Config;
const codec = new RefreshTokenCodec(config);
const secret = Buffer.alloc(32, 1);
const sid = '6f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a02';
const anotherSid = '7f1c1c9e-52ad-4b9f-8a3c-0d6a0a6d5a03';
const tokenOf = (generation: number, family = { sid, secret }) =>
  codec.mint(family, generation, codec.currentKey)!;
const token = tokenOf(0);
const forged = tokenOf(0, { sid, secret: Buffer.alloc(32, 2) });
const successor = { sid, userId: 'u', role: 'user', generation: 1 } as LiveFamily;
const request = { ip: '192.0.2.1', socket: {}, headers: {}, id: 'r' } as unknown as FastifyRequest;

const ASKS_EACH_FAMILY: TokenEligibility = {
  isEligible: () => true,
  mayContinue: () => true,
  restrictsExistingFamilies: () => true,
};

/** A service that finds `family` and whose statements answer as they are told: that they had nothing to do, by default. */
function aService(family: Partial<TokenFamily>, eligibility?: TokenEligibility) {
  const find = vi.fn((id: string) =>
    Promise.resolve({
      sid: id,
      userId: 'u',
      role: 'user',
      secret,
      macKey: codec.currentKey,
      unlinked: true,
      generation: 0,
      confirmedGeneration: 0,
      age: 0,
      ...family,
    } as TokenFamily),
  );
  const rotate = vi.fn<RotationStore['rotate']>().mockResolvedValue(undefined);
  const rotateCounted = vi.fn<RotationStore['rotateCounted']>().mockResolvedValue(undefined);
  const tokens = new RefreshTokenService({ find } as unknown as RefreshTokenStore, codec, config);
  const limiter = new RateLimitService(undefined as never, new Clock(), config, new BlockedSubjects());
  const enforce = vi.spyOn(limiter, 'enforce').mockResolvedValue(undefined as never);
  const rule = new TokenEligibilityService();
  if (eligibility !== undefined) rule.use(eligibility);
  const service = new RefreshService(
    tokens,
    codec,
    { rotate, rotateCounted } as unknown as RotationStore,
    { mayContinue: () => Promise.resolve(true) } as unknown as RevocationService,
    limiter,
    undefined as never,
    undefined as never,
    config,
    rule,
  );
  return { service, tokens, find, rotate, rotateCounted, enforce };
}

describe('RefreshService', () => {
  it.each([
    ['an unlinked family', { unlinked: true }, undefined],
    ['an unlinked family under a rollout that asks for each', { unlinked: true }, ASKS_EACH_FAMILY],
    ['a linked family', { unlinked: false }, undefined],
  ])('answers 503 when a refresh of %s loses every race', async (_, family, eligibility) => {
    const { service, rotate, rotateCounted, enforce } = aService(family, eligibility);
    await expect(service.present(token, NO_ORIGIN)).rejects.toMatchObject({ status: 503 });
    expect(rotate.mock.calls.length + rotateCounted.mock.calls.length).toBeLessThanOrEqual(10);
    expect(enforce).toHaveBeenCalledTimes(family.unlinked && eligibility === undefined ? 0 : 1);
  });

  it('refuses a forged token of a family whose secret it knows without a query', async () => {
    const { service, tokens, find, rotate, rotateCounted } = aService({});
    tokens.secrets.set(sid, secret);
    expect(await service.present(forged, NO_ORIGIN)).toEqual({
      outcome: 'rejected',
      reason: 'refresh_token_invalid',
    });
    for (const query of [find, rotate, rotateCounted]) expect(query).not.toHaveBeenCalled();
  });

  it('keeps no secret for a forged token and none of a linked family', async () => {
    const unlinked = aService({});
    await unlinked.service.present(forged, NO_ORIGIN);
    expect(unlinked.tokens.secrets.size).toBe(0);
    const linked = aService({ unlinked: false });
    await linked.tokens.verify(token);
    expect(linked.tokens.secrets.size).toBe(0);
    await unlinked.tokens.verify(token);
    expect(unlinked.tokens.secrets.size).toBe(1);
  });

  it.each([
    ['rotate', 0],
    ['repeat', 1],
  ])('refuses to %s for a user who is no longer eligible, and counts nothing', async (_, generation) => {
    const noLonger = { ...ASKS_EACH_FAMILY, mayContinue: () => false };
    const { service, tokens, rotate, rotateCounted, enforce } = aService({ generation }, noLonger);
    tokens.secrets.set(sid, secret);
    await expect(service.refresh(token, request)).rejects.toMatchObject({ code: 'jwt_not_enabled' });
    for (const change of [rotate, rotateCounted, enforce]) expect(change).not.toHaveBeenCalled();
  });
});

/** A service that knows the family's secret and finds it rotated once. Its first statement answers when it is told to. */
function aRotatedFamily() {
  const statement = Promise.withResolvers<CountedResult<LiveFamily> | undefined>();
  const { service, tokens, rotateCounted, enforce } = aService({ generation: 1 });
  tokens.secrets.set(sid, secret);
  tokens.secrets.set(anotherSid, secret);
  rotateCounted.mockReturnValue(statement.promise);
  const refresh = (presented: string) => service.refresh(presented, request);
  return { refresh, statement, rotateCounted, enforce };
}

describe('simultaneous presentations of a refresh token on a node', () => {
  it('share one statement and count once', async () => {
    const { refresh, statement, rotateCounted, enforce } = aRotatedFamily();
    const all = [refresh(token), refresh(token), refresh(token)];
    statement.resolve({ done: successor, full: undefined });
    expect((await Promise.all(all)).map((family) => family.token)).toEqual(Array(3).fill(tokenOf(1)));
    expect(rotateCounted).toHaveBeenCalledTimes(1);
    expect(enforce).not.toHaveBeenCalled();
  });

  it('count separately if the token was spent before', async () => {
    const { refresh, statement, enforce } = aRotatedFamily();
    const all = [refresh(token), refresh(token), refresh(token)];
    statement.resolve(undefined);
    await Promise.all(all);
    // Two tabs and lost responses need no more; more would be a supply of tokens.
    const repeat = ['refresh_repeat', `${sid} 1`, { limit: 128, windowSeconds: 60 }];
    expect(enforce.mock.calls).toEqual(Array(3).fill(repeat));
  });

  it('are refused together over the limit', async () => {
    const { refresh, statement, rotateCounted } = aRotatedFamily();
    const all = [refresh(token), refresh(token), refresh(token)];
    statement.resolve({ done: undefined, full: { ends: [2e6], hits: [5], now: 2e6 } });
    const limited = { status: 429, headers: { 'Retry-After': '60' } };
    expect(await Promise.allSettled(all)).toMatchObject(
      Array(3).fill({ status: 'rejected', reason: limited }),
    );
    expect(rotateCounted).toHaveBeenCalledTimes(1);
  });

  it('share no statement with later presentations or with another token', async () => {
    const { refresh, statement, rotateCounted, enforce } = aRotatedFamily();
    const limit = Promise.withResolvers<never>();
    enforce.mockReturnValue(limit.promise);
    const early = [refresh(token), refresh(tokenOf(0, { sid: anotherSid, secret }))];
    statement.resolve(undefined);
    await vi.waitUntil(() => enforce.mock.calls.length === 2, 15_000);
    rotateCounted.mockResolvedValueOnce({ done: successor, full: undefined });
    expect((await refresh(token)).token).toBe(tokenOf(1));
    expect(rotateCounted).toHaveBeenCalledTimes(3);
    limit.resolve(undefined as never);
    await Promise.all(early);
  });
});
