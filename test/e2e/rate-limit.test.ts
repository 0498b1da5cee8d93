import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserService } from '../../src/users/user.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { bearer, codeOf, login, post, refresh, tryLogin, tryRefresh } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

const LIMIT = 3;
const WINDOW = 600;
const WRONG = 'not the password';
const LIMITS = { AUTH_RATE_LIMIT: String(LIMIT), AUTH_RATE_WINDOW: String(WINDOW) };

/** Creates a user without a login, because a login would count. */
async function someone(node: TestApp): Promise<Account> {
  const account = { username: `user-${randomUUID()}`, password: `pass phrase of ${randomUUID()}` };
  const origin = { ip: null, userAgent: null, requestId: 'test' };
  return { ...account, id: (await node.app.get(UserService).create(account, origin)).id };
}

function expectLimited(reply: Reply) {
  expect([reply.statusCode, codeOf(reply)]).toEqual([429, 'rate_limited']);
  expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(reply.headers['retry-after'])).toBeLessThanOrEqual(WINDOW);
  expect(reply.headers['ratelimit-policy']).toMatch(new RegExp(`;q=${LIMIT};w=${WINDOW}$`));
  expect(reply.headers['ratelimit']).toMatch(/;r=0;t=\d+$/);
  expect(reply.headers['cache-control']).toBe('no-store');
}

describe('the rate limits behind a trusted proxy', () => {
  let node: TestApp;
  let other: TestApp;
  let clients = 0;
  beforeAll(async () => {
    const env = { ...LIMITS, TRUST_PROXY: '127.0.0.1' };
    node = await createTestApp({ env });
    other = await createTestApp({ env, db: node.db });
  });
  afterAll(async () => {
    await other.close();
    await node.close();
  });

  /** A client with an address of its own. */
  function somewhere() {
    clients += 1;
    return from(`203.0.113.${clients}`);
  }

  function from(address: string) {
    return { headers: { 'x-forwarded-for': address } };
  }

  it('count down in the headers and refuse with Retry-After', async () => {
    const [user, client] = [await someone(node), somewhere()];
    for (let left = LIMIT - 1; left >= 0; left--) {
      const reply = await tryLogin(node, user, client);
      expect(reply.statusCode).toBe(200);
      expect(reply.headers['ratelimit']).toMatch(new RegExp(`;r=${left};t=\\d+$`));
    }
    expectLimited(await tryLogin(node, user, client));
    expect((await tryLogin(node, user, somewhere())).statusCode).toBe(200);
  });

  it('are shared by all nodes, also for simultaneous calls', async () => {
    const [user, client] = [await someone(node), somewhere()];
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) => tryLogin(index % 2 ? node : other, user, client)),
    );
    expect(replies.filter(({ statusCode }) => statusCode === 200)).toHaveLength(LIMIT);
    expectLimited(await tryLogin(other, user, client));
  });

  it('count an IPv6 client by its /64', async () => {
    const user = await someone(node);
    for (let host = 1; host <= LIMIT; host++) {
      expect((await tryLogin(node, user, from(`2001:db8:0:7::${host}`))).statusCode).toBe(200);
    }
    expectLimited(await tryLogin(node, user, from('2001:db8:0:7:ffff::1')));
    expect((await tryLogin(node, user, from('2001:db8:0:8::1'))).statusCode).toBe(200);
  });

  it('count the address that the proxy saw and ignore entries that the client sent', async () => {
    const user = await someone(node);
    const address = '198.51.100.9';
    for (let call = 0; call < LIMIT; call++) await tryLogin(node, user, from(`10.0.0.${call}, ${address}`));
    expectLimited(await tryLogin(node, user, from(`10.0.0.99, ${address}`)));
  });

  it('limit guesses at one account from many addresses, also for unknown names', async () => {
    for (const account of [
      await someone(node),
      { id: '', username: `nobody-${randomUUID()}`, password: 'x' },
    ]) {
      for (let call = 0; call < LIMIT; call++) {
        const reply = await tryLogin(node, { ...account, password: WRONG }, somewhere());
        expect([reply.statusCode, codeOf(reply)]).toEqual([401, 'invalid_credentials']);
      }
      expectLimited(await tryLogin(other, { ...account, password: WRONG }, somewhere()));
      // Another spelling of the name counts for the same account.
      const spelled = { ...account, username: account.username.toUpperCase() };
      expectLimited(await tryLogin(node, spelled, somewhere()));
    }
  });

  it('do not lock the owner out of a known device during an attack', async () => {
    const [user, stranger] = [await someone(node), await someone(node)];
    const device = await login(node, user, somewhere());
    const foreign = await login(node, stranger, somewhere());
    for (let call = 0; call < LIMIT; call++) await tryLogin(node, { ...user, password: WRONG }, somewhere());
    expectLimited(await tryLogin(node, user, somewhere()));
    const known = { cookies: { refresh_token: device.refresh_token } };
    expect((await tryLogin(node, user, { ...somewhere(), ...known })).statusCode).toBe(200);
    // Neither a device of another user nor a foreign cookie makes the device known.
    for (const refresh_token of [foreign.refresh_token, 'garbage']) {
      expectLimited(await tryLogin(node, user, { ...somewhere(), cookies: { refresh_token } }));
    }
    // A known device cannot guess without a limit either.
    for (let call = 0; call < LIMIT; call++)
      await tryLogin(node, { ...user, password: WRONG }, { ...somewhere(), ...known });
    expectLimited(await tryLogin(node, user, { ...somewhere(), ...known }));
  });

  it('do not count right passwords against the account', async () => {
    const user = await someone(node);
    for (let call = 0; call < 2 * LIMIT; call++) {
      expect((await tryLogin(node, user, somewhere())).statusCode).toBe(200);
    }
  });

  it('count refused refreshes by address', async () => {
    const client = somewhere();
    for (let call = 0; call < LIMIT; call++) {
      expect((await tryRefresh(node, 'garbage', client)).statusCode).toBe(401);
    }
    expectLimited(await tryRefresh(other, 'garbage', client));
  });

  it('count accepted refreshes by family, so that an office behind one address is not locked out', async () => {
    const office = somewhere();
    const users = await Promise.all(Array.from({ length: 2 * LIMIT }, () => someone(node)));
    for (let call = 0; call <= LIMIT; call++) await tryRefresh(node, 'garbage', office);
    for (const user of users) {
      const tokens = await login(node, user, somewhere());
      expect((await tryRefresh(node, tokens.refresh_token, office)).statusCode).toBe(200);
    }
  });

  it('revoke no family that refreshes too often', async () => {
    let tokens = await login(node, await someone(node), somewhere());
    for (let call = 0; call < LIMIT; call++) tokens = await refresh(node, tokens.refresh_token);
    const limited = await tryRefresh(node, tokens.refresh_token);
    expectLimited(limited);
    await node.db.dataSource.query('DELETE FROM rate_limits');
    expect((await tryRefresh(other, tokens.refresh_token)).statusCode).toBe(200);
  });

  it('count password changes', async () => {
    const [user, client] = [await someone(node), somewhere()];
    const { access_token } = await login(node, user, somewhere());
    const headers = { ...client.headers, ...bearer(access_token).headers };
    const payload = { current_password: WRONG, new_password: 'quite another pass phrase' };
    for (let call = 0; call < LIMIT; call++) {
      expect((await post(node, '/auth/password', payload, { headers })).statusCode).toBe(401);
    }
    expectLimited(await post(node, '/auth/password', payload, { headers }));
  });
});

describe('the rate limits without a trusted proxy', () => {
  let node: TestApp;
  beforeAll(async () => {
    node = await createTestApp({ env: LIMITS });
  });
  afterAll(() => node.close());

  it('ignore a forged X-Forwarded-For', async () => {
    const user = await someone(node);
    const forged = (call: number) => ({
      headers: {
        'x-forwarded-for': `10.0.0.${call}`,
        'x-real-ip': `10.0.1.${call}`,
        forwarded: `for=10.0.2.${call}`,
      },
    });
    for (let call = 0; call < LIMIT; call++) {
      expect((await tryLogin(node, user, forged(call))).statusCode).toBe(200);
    }
    expectLimited(await tryLogin(node, user, forged(99)));
  });
});
