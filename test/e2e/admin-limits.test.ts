import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BlockedSubjectWriter } from '../../src/limits/blocked/blocked-subject.writer.js';
import { ChangeFeed } from '../../src/tokens/feed/change-feed.js';
import { UserService } from '../../src/users/user.service.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { ROOT, bearer, codeOf, everyRow, get, login, sidOf, sql, tryLogin } from '../helpers/client.js';
import type { Account, Reply, Tokens } from '../helpers/client.js';

const NAUGHTY = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/naughty-strings/blns.json'), 'utf8'),
) as string[];

const LIMIT = 3;
const WRONG = 'not the password';

interface Blocked {
  readonly id: string;
  readonly kind: string;
  readonly address: string | null;
  readonly blocked_addresses: readonly { readonly id: string; readonly address: string }[];
  readonly user_id: string | null;
  readonly username: string | null;
  readonly scopes: readonly { readonly scope: string; readonly until: string }[];
}

describe('what the rate limits block', () => {
  let node: TestApp;
  let other: TestApp;
  let admin: Tokens;
  let user: Account;
  let clients = 0;
  beforeAll(async () => {
    const env = {
      AUTH_RATE_LIMIT: String(LIMIT),
      AUTH_RATE_WINDOW: '600',
      TRUST_PROXY: '127.0.0.1',
    };
    node = await createTestApp({ env });
    other = await createTestApp({ env, db: node.db });
  });
  afterAll(async () => {
    await other?.close();
    await node?.close();
  });
  beforeEach(async () => {
    user = await someone();
    admin = await login(node, ROOT, somewhere());
  });

  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
  const somewhere = () => from(`203.0.113.${(clients += 1)}`);
  const wrong = (account: Account) => ({ ...account, password: WRONG });

  async function someone(): Promise<Account> {
    const account = { username: `user-${randomUUID()}`, password: `pass phrase of ${randomUUID()}` };
    const origin = { ip: null, userAgent: null, requestId: 'test' };
    return { ...account, id: (await node.app.get(UserService).create(account, origin)).id };
  }

  /**
   * Nodes do this by themselves within a second. Passport has one strategy for the whole process: here, the node that was started last
   * checks the passwords for both.
   */
  async function everythingIsWritten(): Promise<void> {
    for (const one of [node, other]) await one.app.get(BlockedSubjectWriter).write();
  }

  async function list(query = '', on = node): Promise<Blocked[]> {
    await everythingIsWritten();
    const reply = await get(on, `/admin/limits/blocked${query}`, admin.access_token);
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<{ blocked: Blocked[] }>().blocked;
  }

  const release = (id: string, by = admin.access_token): Promise<Reply> =>
    node.app.inject({ method: 'DELETE', url: `/admin/limits/blocked/${id}`, ...bearer(by) });

  async function released(id: string): Promise<void> {
    expect((await release(id)).statusCode).toBe(204);
    // Within a second by itself.
    await other.app.get(ChangeFeed).catchUp();
  }

  /** Fails until both nodes refuse the user there, each from its own memory. */
  async function block(account: Account, client = somewhere()): Promise<void> {
    for (let each = 0; each < LIMIT; each++) await tryLogin(each % 2 ? node : other, wrong(account), client);
    for (const one of [node, other]) expect((await tryLogin(one, account, client)).statusCode).toBe(429);
  }

  const scopesOf = ({ scopes }: Blocked) => scopes.map(({ scope }) => scope);

  it('is listed on every node: the account and the address, what refuses them, and until when', async () => {
    const client = somewhere();
    const address = client.headers['x-forwarded-for'];
    await block(user, client);
    const accounts = await list(`?username=${user.username.toUpperCase()}`, other);
    const addresses = await list(`?ip=${address}&kind=address`);
    expect(accounts).toEqual([
      {
        id: user.id,
        kind: 'account',
        address,
        blocked_addresses: [{ id: addresses[0]!.id, address }],
        user_id: user.id,
        username: user.username,
        external_id: null,
        scopes: [{ scope: 'account', until: expect.stringMatching(/Z$/) }],
        until: expect.stringMatching(/Z$/),
      },
    ]);
    expect(addresses).toMatchObject([
      { kind: 'address', address, blocked_addresses: [], user_id: null, scopes: [{ scope: 'login' }] },
    ]);
    expect(await list(`?ip=${address}&kind=account`)).toEqual([]);
    expect((await list('?kind=account')).map(({ id }) => id)).toContain(user.id);
  });

  it('does not contain a counter that a right password has emptied again', async () => {
    const client = somewhere();
    for (let each = 1; each < LIMIT; each++) await tryLogin(node, wrong(user), client);
    expect((await tryLogin(node, user, client)).statusCode).toBe(200);
    // The call is refunded a moment later.
    await expect.poll(() => list(`?username=${user.username}`), { timeout: 30_000 }).toEqual([]);
  });

  it('can be released: the next login of the account is accepted on every node', async () => {
    await block(user);
    await everythingIsWritten();
    await released(user.id.toUpperCase());
    expect((await tryLogin(other, user, somewhere())).statusCode).toBe(200);
    expect((await tryLogin(node, user, somewhere())).statusCode).toBe(200);
    expect(await list(`?username=${user.username}`)).toEqual([]);
  });

  it('keeps the address of a guesser blocked when the account is released, until the address is released', async () => {
    const guesser = somewhere();
    await block(user, guesser);
    const [account] = await list(`?username=${user.username}`);
    await released(user.id);
    const another = await someone();
    for (const on of [node, other]) {
      expect((await tryLogin(on, another, guesser)).statusCode).toBe(429);
      expect((await tryLogin(on, user, guesser)).statusCode).toBe(429);
      expect((await tryLogin(on, user, somewhere())).statusCode).toBe(200);
    }
    expect(await list(`?ip=${guesser.headers['x-forwarded-for']}`)).toMatchObject([{ kind: 'address' }]);
    await released(account!.blocked_addresses[0]!.id);
    for (const on of [node, other]) expect((await tryLogin(on, user, guesser)).statusCode).toBe(200);
  });

  it('keeps the networks of a guesser blocked when the account is released', async () => {
    const within = (network: number) => from(`2001:db8:99:${network}::1`);
    const nobody = () => wrong({ id: '', username: `nobody-${randomUUID()}`, password: '' });
    for (let network = 2; network <= 4; network++)
      for (let each = 0; each < LIMIT; each++) await tryLogin(node, nobody(), within(network));
    for (let each = 0; each < LIMIT; each++) await tryLogin(node, wrong(user), within(1));
    const [account] = await list(`?username=${user.username}`);
    expect(account!.blocked_addresses.map(({ address }) => address)).toEqual([
      '2001:db8:99:1::/64',
      '2001:db8:99:0::/56',
    ]);
    await released(user.id);
    for (const network of [1, 5]) expect((await tryLogin(other, user, within(network))).statusCode).toBe(429);
    expect((await tryLogin(other, user, somewhere())).statusCode).toBe(200);
  });

  it('makes no node forget what it refuses if a release has released nothing', async () => {
    const version = async () =>
      (await sql(node, `SELECT versions ->> 'limits' AS version FROM service_state`))[0];
    const before = await version();
    await released(user.id);
    expect(await version()).toEqual(before);
  });

  it('can be released by address', async () => {
    const client = somewhere();
    await block(user, client);
    const [address] = await list(`?ip=${client.headers['x-forwarded-for']}`);
    await released(address!.id);
    const another = await someone();
    expect((await tryLogin(other, another, client)).statusCode).toBe(200);
    expect((await tryLogin(node, another, client)).statusCode).toBe(200);
    // The account is still blocked.
    expect((await tryLogin(node, user, somewhere())).statusCode).toBe(429);
  });

  it('can be released after a hundred failed logins in a row', async () => {
    await sql(
      node,
      `INSERT INTO login_failures VALUES (substring(sha256($1::bytea) FROM 1 FOR 16), 99, now(), now() + interval '1 day')`,
      [Buffer.from(`login_failures\0${user.username}`)],
    );
    await tryLogin(node, wrong(user), somewhere());
    expect((await tryLogin(other, user, somewhere())).statusCode).toBe(429);
    const [blocked] = await list(`?username=${user.username}`);
    expect(scopesOf(blocked!)).toEqual(['failed_logins']);
    await released(blocked!.id);
    expect((await tryLogin(other, user, somewhere())).statusCode).toBe(200);
  });

  it('can be released on a known device, whose wrong passwords count for itself', async () => {
    const device = await login(node, user, somewhere());
    const again = (password: string, on: TestApp) =>
      on.app.inject({
        method: 'POST',
        url: '/auth/login',
        payload: { username: user.username, password, refresh_token: device.refresh_token },
        ...somewhere(),
      });
    for (let each = 0; each < LIMIT; each++) expect((await again(WRONG, node)).statusCode).toBe(401);
    for (const on of [node, other]) expect((await again(user.password, on)).statusCode).toBe(429);
    const [blocked] = await list(`?username=${user.username}`);
    expect(scopesOf(blocked!)).toEqual(['device_family']);
    await released(user.id);
    for (const on of [other, node]) expect((await again(user.password, on)).statusCode).toBe(200);
  });

  it('can be released in an IPv6 network: the wider networks that refuse it, too', async () => {
    const within = (network: number) => from(`2001:db8:77:${network}::1`);
    const nobody = () => wrong({ id: '', username: `nobody-${randomUUID()}`, password: '' });
    for (let network = 1; network <= 4; network++)
      for (let each = 0; each < LIMIT; each++) await tryLogin(node, nobody(), within(network));
    expect((await tryLogin(node, user, within(5))).statusCode).toBe(429);
    const [wider] = await list('?ip=2001:db8:77:5::1');
    expect(wider!.address).toBe('2001:db8:77:0::/56');
    const narrow = (await list('?ip=2001:db8:77:1::9')).find(({ address }) => address!.endsWith('/64'));
    await released(narrow!.id);
    expect((await tryLogin(other, user, within(1))).statusCode).toBe(200);
  });

  it('stores no name that no user has, and can be released without knowing it', async () => {
    const nobody = { id: '', username: `secret-typed-as-name-${randomUUID()}`, password: WRONG };
    for (let each = 0; each < LIMIT; each++) await tryLogin(node, nobody, somewhere());
    expect((await tryLogin(node, nobody, somewhere())).statusCode).toBe(429);
    const unknown = (await list('?kind=account')).filter(({ username }) => username === null);
    expect(unknown).toMatchObject([{ user_id: null, kind: 'account', scopes: [{ scope: 'account' }] }]);
    expect((await everyRow(node)).filter((row) => row.includes(nobody.username))).toEqual([]);
    await released(unknown[0]!.id);
    expect((await tryLogin(other, nobody, somewhere())).statusCode).toBe(401);
  });

  it('comes page by page, each owner once', async () => {
    for (let each = 0; each < 3; each++) await block(await someone());
    const seen: string[] = [];
    await everythingIsWritten();
    for (let cursor: string | null = ''; cursor !== null;) {
      const more = cursor === '' ? '' : `&cursor=${cursor}`;
      const reply = await get(node, `/admin/limits/blocked?limit=1${more}`, admin.access_token);
      const page = reply.json<{ blocked: Blocked[]; next_cursor: string | null }>();
      seen.push(...page.blocked.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.toSorted()).toEqual((await list('?limit=100')).map(({ id }) => id).toSorted());
  });

  it('is released with a fresh password only, and the audit trail says by whom', async () => {
    await block(user);
    await sql(
      node,
      `UPDATE refresh_tokens SET password_at = password_at - interval '6 minutes' WHERE id = $1`,
      [sidOf(admin)],
    );
    const refused = await release(user.id);
    expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'fresh_password_required']);
    expect((await list(`?username=${user.username}`)).length).toBe(1);
    admin = await login(node, ROOT, somewhere());
    expect((await release(user.id)).statusCode).toBe(204);
    const events = await sql(
      node,
      `SELECT event, user_id, actor_id IS NOT NULL AS actor FROM audit_events WHERE cause = 'limits_released' AND user_id = $1`,
      [user.id],
    );
    expect(events).toEqual([{ event: 'user', user_id: user.id, actor: true }]);
  });

  it.each(['0'.repeat(32), randomUUID()])(
    'answers 404 to a release of %j, which blocks nothing',
    async (id) => {
      const reply = await release(id);
      expect([reply.statusCode, codeOf(reply)]).toEqual([404, 'not_found']);
    },
  );

  it.each(['x', '%00', '203.0.113.7', `${'0'.repeat(32)}%0a`, '0'.repeat(33), 'x'.repeat(257)])(
    'refuses the id %j, which no entry can have',
    async (id) => {
      const reply = await release(id);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'malformed_request']);
    },
  );

  it.each(['fe80::1%25eth0', '::ffff:198.51.100.200', '64:ff9b::198.51.100.200', '::'])(
    'finds nothing at the address %s, which is not blocked',
    async (ip) => {
      expect(await list(`?ip=${ip}`)).toEqual([]);
    },
  );

  it.each(['kind=everything', 'ip=203.0.113.0/24', 'ip=x', `username=${'x'.repeat(257)}`, 'limit=0'])(
    'refuses the filter %s',
    async (query) => {
      const reply = await get(node, `/admin/limits/blocked?${query}`, admin.access_token);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    },
  );

  it('answers hostile text in filters, cursors and ids, and never fails of it', async () => {
    const hostile = NAUGHTY.filter((_text, index) => index % 12 === 0);
    for (const text of ['\0', '\\', '%', 'x'.repeat(5_000), ...hostile].filter((one) => one.isWellFormed())) {
      const encoded = encodeURIComponent(text);
      const replies = [
        await get(node, `/admin/limits/blocked?username=${encoded}`, admin.access_token),
        await get(node, `/admin/limits/blocked?ip=${encoded}&kind=${encoded}`, admin.access_token),
        await get(node, `/admin/limits/blocked?cursor=${encoded}`, admin.access_token),
        await release(encoded),
      ];
      for (const { statusCode } of replies) expect([text, statusCode < 500]).toEqual([text, true]);
    }
  });

  it('is shown to no service client', async () => {
    const made = await node.app.inject({
      method: 'POST',
      url: '/admin/clients',
      payload: { name: 'a service', scopes: ['users', 'revoke'] },
      ...bearer(admin.access_token),
    });
    const { client_id, client_secret } = made.json<{ client_id: string; client_secret: string }>();
    const authorization = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
    for (const url of ['/admin/limits/blocked', '/admin/nodes', '/admin/doctor'])
      expect((await node.app.inject({ url, headers: { authorization } })).statusCode).toBe(401);
  });
});
