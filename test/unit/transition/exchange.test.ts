import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Origin } from '../../../src/audit/audit-context.js';
import type { Database } from '../../../src/database/database.js';
import { DatabaseUnavailable } from '../../../src/database/database.errors.js';
import type { RateLimitService } from '../../../src/limits/limits.service.js';
import type { RefreshTokenService } from '../../../src/tokens/families/refresh-token.service.js';
import type { RolloutService } from '../../../src/transition/rollout/rollout.service.js';
import { ExchangeService } from '../../../src/transition/sessions/link/exchange.service.js';
import type { ExchangeStore } from '../../../src/transition/sessions/link/exchange.store.js';
import type { LiveSession } from '../../../src/transition/sessions/stores/session.store.js';

const SESSION = { sid: 'sid', userId: 'user', role: 'user', epoch: 0 } as unknown as LiveSession;
const ORIGIN = { ip: '192.0.2.1' } as Origin;
const FAMILY = { sid: 'family' };
const DECIDED = { family: FAMILY, token: 'decided' };

/** The service with collaborators that a test controls. */
function setUp() {
  const isEligible = vi.fn(async () => true);
  const isBlocked = vi.fn(() => false);
  const enforce = vi.fn(async () => {});
  const statement = vi.fn(async (): Promise<unknown> => ({ family: FAMILY }));
  const transaction = vi.fn(async () => DECIDED);
  const none = undefined as never;
  const service = new ExchangeService(
    { transaction } as unknown as Database,
    none,
    none,
    none,
    none,
    none,
    { draft: () => ({}), tokenOf: () => 'first' } as unknown as RefreshTokenService,
    { isEligible } as unknown as RolloutService,
    none,
    { canExchange: () => true, exchange: statement } as unknown as ExchangeStore,
    {
      isBlocked,
      enforce,
      open: () => ({ call: {}, settle: (result: unknown) => result }),
    } as unknown as RateLimitService,
  );
  const exchange = (isCounted?: boolean) => service.exchange(SESSION, 'body', ORIGIN, isCounted);
  return { exchange, isEligible, isBlocked, enforce, statement, transaction };
}

describe('ExchangeService', () => {
  let all: ReturnType<typeof setUp>;
  beforeEach(() => {
    all = setUp();
  });

  /** Two calls for a session: the second waits until the statement of the first is settled. */
  async function exchangeTwice(settle: (statement: PromiseWithResolvers<unknown>) => void) {
    const statement = Promise.withResolvers<unknown>();
    all.statement.mockReturnValueOnce(statement.promise);
    const both = Promise.allSettled([all.exchange(), all.exchange()]);
    await vi.waitFor(() => expect(all.isEligible).toHaveBeenCalledTimes(2));
    settle(statement);
    return both;
  }

  it('lets the second call for a session wait, and decides it by what the first has written', async () => {
    const [first, second] = await exchangeTwice(({ resolve }) => resolve({ family: FAMILY }));
    expect(first).toMatchObject({ value: { token: 'first' } });
    expect(second).toMatchObject({ value: DECIDED });
    expect([all.statement.mock.calls.length, all.enforce.mock.calls.length]).toEqual([1, 1]);
  });

  it('refuses a waiting call whose user is not eligible any more', async () => {
    const [, second] = await exchangeTwice(({ resolve }) => {
      all.isEligible.mockResolvedValue(false);
      resolve({ family: FAMILY });
    });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'jwt_not_enabled' } });
    expect(all.transaction).not.toHaveBeenCalled();
  });

  it('fails a waiting call like the first one if the database is unavailable', async () => {
    const unavailable = new DatabaseUnavailable(new Error('no connection'));
    const [first, second] = await exchangeTwice(({ reject }) => reject(unavailable));
    for (const each of [first, second]) expect(each).toEqual({ status: 'rejected', reason: unavailable });
    expect([all.enforce.mock.calls.length, all.transaction.mock.calls.length]).toEqual([0, 0]);
  });

  it('tries a waiting call again if the first one failed for another reason', async () => {
    const [first, second] = await exchangeTwice(({ reject }) => reject(new Error('too many')));
    expect(first.status).toBe('rejected');
    expect(second).toMatchObject({ value: DECIDED });
  });

  it('refuses a session that is known to be over its limit without a question to the flag provider', async () => {
    all.isBlocked.mockReturnValue(true);
    all.enforce.mockRejectedValue(new Error('too many'));
    await expect(all.exchange()).rejects.toThrow('too many');
    expect(all.isEligible).not.toHaveBeenCalled();
    expect(all.isBlocked).toHaveBeenCalledWith('exchange_session', 'sid');
  });

  it('does not refuse a call that was counted already', async () => {
    all.isBlocked.mockReturnValue(true);
    expect(await all.exchange(true)).toEqual(DECIDED);
    expect(all.enforce).not.toHaveBeenCalled();
  });
});
