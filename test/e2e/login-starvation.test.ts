import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RefreshTokenCodec } from '../../src/tokens/families/refresh-token.codec.js';
import { PasswordHasher } from '../../src/users/hashing/password-hasher.js';
import { UserService } from '../../src/users/user.service.js';
import type { WorkQueue } from '../../src/users/hashing/work-queue.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { bearer, codeOf, login, post, sidOf, sql, tryLogin } from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

const LIMIT = 3;
const WRONG = 'not the password';

describe('logins under attack', () => {
  let node: TestApp;
  let user: Account;
  let device: Tokens;
  beforeAll(async () => {
    node = await createTestApp({
      costlyHashes: true,
      env: { AUTH_RATE_LIMIT: String(LIMIT), AUTH_RATE_WINDOW: '600', TRUST_PROXY: '127.0.0.1' },
    });
  });
  beforeEach(async () => {
    user = await someone();
    device = await login(node, user, somewhere());
  });
  afterAll(() => node.close());

  async function someone(name = `user-${randomUUID()}`): Promise<Account> {
    const account = { username: name, password: `pass phrase of ${randomUUID()}` };
    const origin = { ip: null, userAgent: null, requestId: 'test' };
    return { ...account, id: (await node.app.get(UserService).create(account, origin)).id };
  }

  let clients = 0;
  /** A client with an address of its own. */
  function somewhere() {
    clients += 1;
    return from(`203.0.${Math.floor(clients / 250)}.${clients % 250}`);
  }
  function from(address: string) {
    return { headers: { 'x-forwarded-for': address } };
  }
  const byCookie = (tokens: Tokens) => ({ cookies: { refresh_token: tokens.refresh_token } });
  const ended = ({ statusCode }: Reply) => statusCode;

  describe('while unknown clients fill the hashing pool', () => {
    /** The answer to the call while unknown clients occupy all lanes and all room of their share. */
    async function whileFull(call: () => Promise<Reply>): Promise<Reply> {
      const { pool } = node.app.get(PasswordHasher) as unknown as {
        pool: Pick<WorkQueue, 'run' | 'refuseIfFull'> & { lines: { known: { queue: unknown[] } } };
      };
      const held = Promise.withResolvers<void>();
      const strangers: Promise<void>[] = [];
      while (hasRoom(pool)) strangers.push(pool.run(() => held.promise, 'unknown'));
      let answered = false;
      const reply = call().finally(() => (answered = true));
      while (!answered && pool.lines.known.queue.length === 0) await setImmediate();
      held.resolve();
      await Promise.all(strangers);
      return reply;
    }

    function hasRoom(pool: Pick<WorkQueue, 'refuseIfFull'>): boolean {
      try {
        pool.refuseIfFull('unknown');
        return true;
      } catch {
        return false;
      }
    }

    it('refuses unknown clients, even with credentials of other users', async () => {
      const codec = node.app.get(RefreshTokenCodec);
      const stranger = await login(node, await someone(), somewhere());
      const forged = codec.mint({ sid: sidOf(device), secret: Buffer.alloc(32) }, 0, codec.currentKey)!;
      for (const refresh_token of ['garbage', forged, stranger.refresh_token]) {
        const reply = await whileFull(() =>
          tryLogin(node, user, { ...somewhere(), cookies: { refresh_token } }),
        );
        expect([reply.statusCode, codeOf(reply)]).toEqual([503, 'service_unavailable']);
        expect(reply.headers['retry-after']).toBeDefined();
      }
      expect(ended(await whileFull(() => tryLogin(node, user, somewhere())))).toBe(503);
    });

    it('logs the owner in on a known device with a refresh token in the cookie or the body', async () => {
      const cookie = () => tryLogin(node, user, { ...somewhere(), ...byCookie(device) });
      expect(ended(await whileFull(cookie))).toBe(200);
      const tossed = `refresh_token=tossed; refresh_token=${device.refresh_token}`;
      const two = () => tryLogin(node, user, { headers: { ...somewhere().headers, cookie: tossed } });
      expect(ended(await whileFull(two))).toBe(200);
      const { username, password } = user;
      const body = () =>
        post(node, '/auth/login', { username, password, refresh_token: device.refresh_token }, somewhere());
      expect(ended(await whileFull(body))).toBe(200);
    });

    it('logs the owner in on a device whose family has expired, and not if it was revoked', async () => {
      await sql(node, `UPDATE refresh_tokens SET expires_at = now() - interval '1 hour' WHERE id = $1`, [
        sidOf(device),
      ]);
      const again = () => tryLogin(node, user, { ...somewhere(), ...byCookie(device) });
      expect(ended(await whileFull(again))).toBe(200);
      const revoked = await login(node, user, somewhere());
      expect(
        ended(await post(node, '/auth/logout', { refresh_token: revoked.refresh_token }, somewhere())),
      ).toBe(204);
      const late = () => tryLogin(node, user, { ...somewhere(), ...byCookie(revoked) });
      expect(ended(await whileFull(late))).toBe(503);
    });

    it('changes passwords', async () => {
      const payload = { current_password: user.password, new_password: `another phrase ${randomUUID()}` };
      const headers = { ...somewhere().headers, ...bearer(device.access_token).headers };
      expect(ended(await whileFull(() => post(node, '/auth/password', payload, { headers })))).toBe(204);
    });
  });

  it('from one IPv6 network count for its /56 and /48, but not for a known device', async () => {
    const call = (address: string, more = {}) =>
      tryLogin(
        node,
        { ...user, username: `nobody-${randomUUID()}`, password: WRONG },
        { ...from(address), ...more },
      );
    const statuses = async (addresses: string[]) =>
      (await Promise.all(addresses.map((address) => call(address)))).map(ended);
    const of56 = (prefix: string, subnets: number) =>
      Array.from({ length: subnets }, (_, index) => `${prefix}${(index + 16).toString(16)}::1`);
    // A /56 admits twelve of sixteen calls from its /64s, and then no other address.
    expect((await statuses(of56('2001:db8:1:a', 16))).filter((status) => status === 401)).toHaveLength(
      4 * LIMIT,
    );
    const refused = await call('2001:db8:1:aff::1');
    expect([refused.statusCode, codeOf(refused)]).toEqual([429, 'rate_limited']);
    expect(refused.headers['ratelimit']).toMatch(/^"login";r=0;t=\d+$/);
    // Other /56s of the /48 have room until the /48 is full.
    const others = ['b', 'c', 'd', 'e', 'f'].flatMap((net) => of56(`2001:db8:1:${net}`, 12));
    expect((await statuses(others)).filter((status) => status === 401)).toHaveLength(12 * LIMIT);
    expect(ended(await call('2001:db8:1:2::1'))).toBe(429);
    expect(ended(await call('2001:db8:2:2::1'))).toBe(401);
    // The owner is in the same network.
    const owner = from('2001:db8:1:3::1');
    expect(ended(await tryLogin(node, user, owner))).toBe(429);
    const known = () => tryLogin(node, user, { ...owner, ...byCookie(device) });
    for (let i = 0; i < LIMIT; i++) expect(ended(await known())).toBe(200);
    expect(ended(await known())).toBe(429);
    // A device of another user does not open the network to guesses either.
    const stranger = await login(node, await someone(), somewhere());
    expect(ended(await call('2001:db8:1:4::1', byCookie(stranger)))).toBe(429);
  });

  it('that a wider network refuses do not count for the narrower network', async () => {
    const call = (address: string) =>
      tryLogin(node, { ...user, username: `nobody-${randomUUID()}`, password: WRONG }, from(address));
    for (let i = 0; i < 4 * LIMIT; i++) await call(`2001:db8:9:${(0xa10 + i).toString(16)}::1`);
    for (let i = 0; i < LIMIT; i++) expect(ended(await call('2001:db8:9:aff::1'))).toBe(429);
    const counted = await sql<{ n: number }>(
      node,
      `SELECT coalesce(sum(h), 0)::int AS n FROM rate_limits, unnest(hits) h WHERE key = substring(sha256($1::bytea) FROM 1 FOR 16)`,
      [Buffer.from('login\0' + '2001:db8:9:aff::/64')],
    );
    expect(counted).toEqual([{ n: 0 }]);
  });

  it('have one limit for all known devices of one user together', async () => {
    const devices = [device];
    for (let i = 0; i < 4 * LIMIT - 1; i++)
      devices.push(await login(node, user, { ...somewhere(), ...byCookie(devices.at(-1)!) }));
    const last = () => tryLogin(node, user, { ...somewhere(), ...byCookie(devices.at(-1)!) });
    expect(ended(await last())).toBe(200);
    expect(ended(await last())).toBe(429);
    expect(ended(await tryLogin(node, user, somewhere()))).toBe(200);
  });

  it('for an account name that looks like another subject lock no one else out', async () => {
    const lookalike = { ...user, username: `${user.username} ${sidOf(device)}` };
    for (let i = 0; i < LIMIT; i++) await tryLogin(node, { ...lookalike, password: WRONG }, somewhere());
    expect(ended(await tryLogin(node, lookalike, somewhere()))).toBe(429);
    const known = () => tryLogin(node, { ...user, password: WRONG }, { ...somewhere(), ...byCookie(device) });
    for (let i = 0; i < LIMIT; i++) expect(ended(await known())).toBe(401);
    expect(ended(await known())).toBe(429);
    // The id of a family and an address do not share a limit either.
    const named = await someone(sidOf(device));
    expect(ended(await tryLogin(node, named, somewhere()))).toBe(200);
  });

  describe('that have failed a hundred consecutive times', () => {
    /** Fails so many logins, each in a new window of the account's other limit. */
    async function failTimes(account: Account, times: number): Promise<Reply> {
      let reply: Reply | undefined;
      for (let i = 0; i < times; i++) {
        if (i % LIMIT === 0) await sql(node, 'DELETE FROM rate_limits');
        reply = await tryLogin(node, { ...account, password: WRONG }, somewhere());
      }
      return reply!;
    }

    it('make unknown devices wait, also for an unknown name, and never a known device', async () => {
      const nobody = { id: '', username: `nobody-${randomUUID()}`, password: WRONG };
      for (const account of [user, nobody]) {
        // Written directly, because each answer would take the same time.
        await sql(
          node,
          `INSERT INTO login_failures VALUES (substring(sha256($1::bytea) FROM 1 FOR 16), 98, now(), now() + interval '1 day')`,
          [Buffer.from(`login_failures\0${account.username}`)],
        );
        expect(ended(await failTimes(account, 2))).toBe(401);
        await sql(node, 'DELETE FROM rate_limits');
        const limited = await tryLogin(node, account, somewhere());
        expect([limited.statusCode, codeOf(limited)]).toEqual([429, 'rate_limited']);
        expect(Number(limited.headers['retry-after'])).toBeGreaterThan(50);
        expect(limited.headers['ratelimit']).toMatch(/^"account";r=0;t=\d+$/);
      }
      expect(ended(await tryLogin(node, user, { ...somewhere(), ...byCookie(device) }))).toBe(200);
      // The owner has logged in: the count starts again.
      expect(ended(await tryLogin(node, user, somewhere()))).toBe(200);
    });
  });
});
