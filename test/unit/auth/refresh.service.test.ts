import type { FastifyRequest } from 'fastify';
import { describe, expect, it, vi } from 'vitest';
import { RefreshService } from '../../../src/auth/refresh/refresh.service.js';
import type { Config } from '../../../src/config/config.js';
import type { RateLimitService } from '../../../src/limits/limits.service.js';
import type { LiveFamily, TokenFamily } from '../../../src/tokens/families/token-family.js';
import type {
  Admission,
  RefreshPresentation,
  Rotation,
} from '../../../src/tokens/families/presentation.service.js';

const request = { ip: '192.0.2.1', socket: {}, headers: {}, id: 'r' } as unknown as FastifyRequest;
const login = { sid: 's', userId: 'u', role: 'user', generation: 1 } as LiveFamily;

/** A service whose one statement answers when it is told to, and what was asked of its limiter. */
function serviceOf() {
  const statement = Promise.withResolvers<LiveFamily | undefined>();
  const enforce = vi.fn().mockResolvedValue(undefined);
  const enforceWithin = vi.fn(() => statement.promise);
  const present = async (_token: string, { countWithin, ...admission }: Admission): Promise<Rotation> => {
    const rotated = await countWithin!('s', () => Promise.reject(new Error('not here')));
    if (rotated !== undefined) return { outcome: 'rotated', family: rotated, token: 'next' };
    await admission.admit(login as TokenFamily, 'repeat');
    return { outcome: 'repeated', family: login, token: 'next' };
  };
  const service = new RefreshService(
    { present } as unknown as RefreshPresentation,
    { enforce, enforceWithin } as unknown as RateLimitService,
    undefined as never,
    undefined as never,
    { authRateWindow: 60 } as Config,
  );
  const refresh = (token: string) => service.refresh(token, request);
  return { refresh, statement, enforce, enforceWithin };
}

describe('simultaneous presentations of a refresh token on a node', () => {
  it('are one statement, and count as one', async () => {
    const { refresh, statement, enforce, enforceWithin } = serviceOf();
    const all = [refresh('t'), refresh('t'), refresh('t')];
    statement.resolve(login);
    expect((await Promise.all(all)).map(({ token }) => token)).toEqual(['next', 'next', 'next']);
    expect(enforceWithin).toHaveBeenCalledTimes(1);
    expect(enforce).not.toHaveBeenCalled();
  });

  it('count each for itself where the token turns out to have been spent before', async () => {
    const { refresh, statement, enforce } = serviceOf();
    const all = [refresh('t'), refresh('t'), refresh('t')];
    statement.resolve(undefined);
    await Promise.all(all);
    expect(enforce.mock.calls.map(([, subject]) => subject as string)).toEqual(Array(3).fill('s 1'));
    // A supply of tokens would be more than two tabs and lost responses need.
    expect(enforce.mock.calls[0]?.[2]).toEqual({ limit: 128, windowSeconds: 60 });
  });

  it('are refused together', async () => {
    const { refresh, statement, enforceWithin } = serviceOf();
    const all = [refresh('t'), refresh('t'), refresh('t')];
    const limited = new Error('over the limit');
    statement.reject(limited);
    const settled = await Promise.allSettled(all);
    expect(settled.map((result) => result.status === 'rejected' && result.reason)).toEqual(
      Array(3).fill(limited),
    );
    expect(enforceWithin).toHaveBeenCalledTimes(1);
  });

  it('do not take those along that come once it has answered, nor another token', async () => {
    const { refresh, statement, enforce, enforceWithin } = serviceOf();
    const again = Promise.withResolvers<undefined>();
    enforce.mockReturnValue(again.promise);
    const early = [refresh('t'), refresh('another')];
    statement.resolve(undefined);
    await vi.waitUntil(() => enforce.mock.calls.length === 2);
    enforceWithin.mockResolvedValueOnce(login);
    expect((await refresh('t')).token).toBe('next');
    expect(enforceWithin).toHaveBeenCalledTimes(3);
    again.resolve(undefined);
    await Promise.all(early);
  });
});
