import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describedIn, newCookiesIn } from '../../../src/transition/sessions/callback/callback-answer.js';
import { CallbackFailure } from '../../../src/transition/sessions/callback/callback-client.js';
import type {
  CallbackAnswer,
  CallbackCall,
  CallbackClient,
} from '../../../src/transition/sessions/callback/callback-client.js';
import { CallbackCookies, sidOf } from '../../../src/transition/sessions/callback/callback-cookies.js';
import { SessionSeal } from '../../../src/transition/sessions/callback/session-seal.js';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const IN_AN_HOUR = '2026-11-30T13:00:00Z';
const HOUR = 3_600_000;

const answer = (body: unknown, headers: CallbackAnswer['headers'] = {}, status = 200): CallbackAnswer => ({
  status,
  headers,
  body: JSON.stringify(body),
});
const good = (more: object = {}) => ({ user: '4711', session: 'a1', expires_at: IN_AN_HOUR, ...more });

describe('an answer of the callback', () => {
  it('describes a session, or nobody', () => {
    expect(describedIn(answer(good()), NOW)).toEqual({ user: '4711', session: 'a1', expiresAt: NOW + HOUR });
    expect(describedIn(answer(null, {}, 401), NOW)).toBeUndefined();
  });

  it('counts by the clock of the product, so that a wrong clock ends no session early', () => {
    const date = new Date(NOW + 10 * 60_000).toUTCString();
    const expires = new Date(NOW + 10 * 60_000 + HOUR).toISOString();
    expect(describedIn(answer(good({ expires_at: expires }), { date }), NOW)?.expiresAt).toBe(
      NOW + HOUR - 1_000,
    );
    expect(describedIn(answer(good(), { date: 'never' }), NOW)?.expiresAt).toBe(NOW + HOUR);
  });

  it.each([
    ['2026-11-30T14:00:00+01:00', HOUR],
    ['2026-11-30t13:00:00.5z', HOUR + 500],
    ['9999-12-31T23:59:59Z', 10 * 365 * 24 * HOUR],
  ])('takes the time %s', (expires, life) => {
    expect(describedIn(answer(good({ expires_at: expires })), NOW)?.expiresAt).toBe(NOW + life);
  });

  it.each([
    ['NO_USER', good({ user: undefined })],
    ['NO_USER', good({ user: 4711 })],
    ['NO_USER', good({ user: '..' })],
    ['NO_USER', good({ user: 'x'.repeat(129) })],
    ['NO_SESSION', good({ session: '' })],
    ['NO_SESSION', good({ session: 'a\u0000' })],
    ['NO_EXPIRES_AT', good({ expires_at: NOW })],
    ['NO_EXPIRES_AT', good({ expires_at: '2026-11-30T13:00:00' })],
    ['NO_EXPIRES_AT', good({ expires_at: '2026-13-45T13:00:00Z' })],
    ['NO_EXPIRES_AT', good({ expires_at: 'Mon, 30 Nov 2026 13:00:00 GMT' })],
    ['NO_JSON', [good()]],
    ['NO_JSON', 'text'],
  ])('fails as %s for %j', (code, body) => {
    expect(() => describedIn(answer(body), NOW)).toThrow(new CallbackFailure(code));
  });

  it('fails for any other status, and if it came from a cache', () => {
    for (const status of [204, 301, 400, 403, 404, 500])
      expect(() => describedIn(answer(good(), {}, status), NOW)).toThrow(
        new CallbackFailure(`HTTP_${status}`),
      );
    for (const status of [200, 401])
      expect(() => describedIn(answer(good(), { age: '0' }, status), NOW)).toThrow('FROM_A_CACHE');
  });

  it('never fails in another way, whatever it holds', () => {
    fc.assert(
      fc.property(fc.json(), (body) => {
        try {
          describedIn({ status: 200, headers: {}, body }, NOW);
        } catch (error) {
          expect(error).toBeInstanceOf(CallbackFailure);
        }
      }),
    );
  });

  it('sets the session cookie once', () => {
    const setting = (...lines: string[]) => answer({}, { 'set-cookie': lines });
    const lines = ['sid=abc; Path=/; HttpOnly', 'csrf=1'];
    expect(newCookiesIn(setting(...lines), 'sid')).toEqual({ lines, value: 'abc' });
    for (const wrong of [[], ['csrf=1'], ['sid=; Max-Age=0'], ['sid=a', 'sid=b'], ['SID=a']])
      expect(() => newCookiesIn(setting(...wrong), 'sid')).toThrow('NO_SESSION_COOKIE');
  });
});

describe('questions about cookies', () => {
  /** A product that counts the calls, and clocks that stand still. */
  function questions(respond: (call: CallbackCall) => Promise<CallbackAnswer>) {
    const calls: CallbackCall[] = [];
    const clock = { now: 0 };
    const client = {
      call: (call: CallbackCall) => (calls.push(call), respond(call)),
    } as unknown as CallbackClient;
    const cookies = new CallbackCookies(client, {
      url: 'https://shop.example/',
      secret: 'x',
      name: 'sid',
      monotonic: () => clock.now,
      now: () => NOW,
      signal: new AbortController().signal,
    });
    return { cookies, calls, clock };
  }
  const about = async ({ cookie }: CallbackCall) => answer(good({ session: cookie }));

  it('keep an answer for less than two seconds, counted from the question', async () => {
    const { cookies, calls, clock } = questions(about);
    await cookies.ask('a');
    clock.now = 1_999;
    expect((await cookies.ask('a'))?.sid).toBe(sidOf('sid=a'));
    expect(calls).toHaveLength(1);
    clock.now = 2_000;
    await cookies.ask('a');
    expect(calls).toHaveLength(2);
  });

  it('never take the answer about one cookie for another', async () => {
    const { cookies, calls } = questions(about);
    const sids = await Promise.all(
      ['a', 'b', 'a', 'A'].map(async (value) => (await cookies.ask(value))?.sid),
    );
    expect(sids).toEqual(['sid=a', 'sid=b', 'sid=a', 'sid=A'].map(sidOf));
    expect(calls.map(({ cookie }) => cookie)).toEqual(['sid=a', 'sid=b', 'sid=A']);
  });

  it('keep the answer that nobody is logged in, and no failure', async () => {
    let failing = false;
    const { cookies, calls, clock } = questions(async () => {
      if (failing) throw new CallbackFailure('TIMEOUT');
      return answer(null, {}, 401);
    });
    expect(await cookies.ask('a')).toBeUndefined();
    expect(await cookies.ask('a')).toBeUndefined();
    expect(calls).toHaveLength(1);
    failing = true;
    clock.now = 3_000;
    for (const _ of [1, 2])
      await expect(cookies.ask('a')).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(calls).toHaveLength(3);
  });

  it('ask again if only an answer from now on counts, one call at a time', async () => {
    const held: (() => void)[] = [];
    const { cookies, calls } = questions(async (call) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return about(call);
    });
    const first = cookies.ask('a');
    const again = [cookies.ask('a', true), cookies.ask('a', true)];
    expect([calls.length, held.length]).toEqual([1, 1]);
    held[0]!();
    await first;
    await expect.poll(() => held.length).toBe(2);
    held[1]!();
    await Promise.all(again);
    expect(calls).toHaveLength(2);
  });

  it('take a session that has expired for none', async () => {
    const { cookies } = questions(async () => answer(good({ expires_at: '2026-11-30T11:59:59Z' })));
    expect(await cookies.ask('a')).toBeUndefined();
  });
});

describe('the seal of a session', () => {
  const seal = new SessionSeal({ jwtSecret: 'one', jwtSecretPrevious: undefined });
  const sealed = seal.seal('sid', { cookie: 'secret' });

  it('opens with the same secret and with the previous one, for the same session only', () => {
    expect(seal.open('sid', sealed)).toEqual({ cookie: 'secret' });
    expect(new SessionSeal({ jwtSecret: 'two', jwtSecretPrevious: 'one' }).open('sid', sealed)).toEqual({
      cookie: 'secret',
    });
    expect(
      new SessionSeal({ jwtSecret: 'two', jwtSecretPrevious: undefined }).open('sid', sealed),
    ).toBeUndefined();
    expect(seal.open('other', sealed)).toBeUndefined();
  });

  it('shows nothing and breaks when a byte changes', () => {
    expect(sealed.includes('secret')).toBe(false);
    expect(seal.seal('sid', { cookie: 'secret' }).equals(sealed)).toBe(false);
    for (let index = 0; index < sealed.length; index += 1) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(seal.open('sid', changed)).toBeUndefined();
    }
    for (const length of [0, 1, 12, 28]) expect(seal.open('sid', sealed.subarray(0, length))).toBeUndefined();
  });
});
