import { hash } from '@node-rs/bcrypt';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import {
  aUser,
  bearer,
  codeOf,
  get,
  login,
  post,
  sql,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Reply } from '../helpers/client.js';
import { WebhookReceiver } from '../helpers/webhook-receiver.js';

interface Shown {
  readonly id: string;
  readonly username: string;
  readonly role: string;
  readonly email: string | null;
  readonly disabled: boolean;
  readonly external_id: string | null;
}

const PASSWORD = 'correct horse battery staple';
const OTHER_PASSWORD = 'another horse another battery';
let node: TestApp;
let other: TestApp;
let receiver: WebhookReceiver;
let root: ReturnType<typeof bearer>;
let basic: { headers: Record<string, string> };
beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  node = await createTestApp({ env: receiver.env });
  other = await createTestApp({ env: receiver.env, db: node.db });
  root = bearer((await login(node)).access_token);
  basic = await aClient(['users']);
});
afterAll(async () => {
  await other.close();
  await node.close();
  await receiver.close();
});

async function aClient(scopes: readonly string[]): Promise<{ headers: Record<string, string> }> {
  const made = (await post(node, '/admin/clients', { name: 'shop', scopes }, root)).json<
    Record<string, string>
  >();
  const pair = Buffer.from(`${made['client_id']}:${made['client_secret']}`).toString('base64');
  return { headers: { authorization: `Basic ${pair}` } };
}
type As = { readonly headers: Record<string, string> };
const put = (externalId: string, payload: object, as: As = basic, at = node): Promise<Reply> =>
  at.app.inject({
    method: 'PUT',
    url: `/admin/users/by-external-id/${encodeURIComponent(externalId)}`,
    payload,
    headers: { ...as.headers },
  });
const outcome = (reply: Reply) => [reply.statusCode, codeOf(reply)];
const anId = () => `shop-${randomUUID().slice(0, 13)}x`;
const aName = () => `name-${randomUUID()}`;
const shown = (reply: Reply) => reply.json<Shown>();

describe('an upsert', () => {
  it('creates a user with 201 and changes the same user with 200', async () => {
    const [externalId, username] = [anId(), aName()];
    const created = await put(externalId, {
      username,
      password: PASSWORD,
      email: 'a@example.com',
      role: 'manager',
    });
    expect([created.statusCode, shown(created)]).toEqual([
      201,
      {
        id: expect.any(String),
        username,
        role: 'manager',
        email: 'a@example.com',
        disabled: false,
        external_id: externalId,
        has_password: true,
        created_at: expect.any(String),
      },
    ]);
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(200);
    const changed = await put(externalId, { email: 'b@example.com', role: 'user' });
    expect([changed.statusCode, shown(changed)]).toEqual([
      200,
      { ...shown(created), email: 'b@example.com', role: 'user' },
    ]);
  });

  it.each([
    '4711',
    'auth0|5f7c8ec7c33c6c004bbafe82',
    'a@b.example',
    'urn:user:1',
    'a+b=c~d_e-f',
    '@',
    'x'.repeat(128),
  ])('takes the external id %s, percent-encoded', async (text) => {
    const externalId = text.length === 128 || text.length < 5 ? text : `${text}${Date.now()}`;
    const reply = await put(externalId, { username: aName() });
    expect([reply.statusCode, shown(reply).external_id]).toEqual([201, externalId]);
    expect((await put(externalId, {})).statusCode).toBe(200);
  });

  it('takes a UUID in any case, which becomes the id of the user too', async () => {
    const id = randomUUID();
    const created = await put(id.toUpperCase(), { username: aName() });
    expect([created.statusCode, shown(created)]).toMatchObject([201, { id, external_id: id }]);
    expect((await put(id, { email: 'c@example.com' })).statusCode).toBe(200);
    const local = await aUser(node);
    // A local user is not the product's: a product cannot take it over by its id.
    expect(outcome(await put(local.id, { username: aName() }))).toEqual([409, 'external_id_taken']);
  });

  it.each(['-', '.', '..', 'a b', 'a/b', 'ä', 'a%b', 'a\u0000b', 'x'.repeat(129), "a'b", '🦦', '%'])(
    'refuses the external id %j with 400',
    async (externalId) => {
      const path = externalId === '.' || externalId === '..' ? externalId.replaceAll('.', '%2E') : undefined;
      const reply =
        path === undefined
          ? await put(externalId, { username: aName() })
          : await node.app.inject({
              method: 'PUT',
              url: `/admin/users/by-external-id/${path}`,
              payload: { username: aName() },
              ...basic,
            });
      expect([400, 404]).toContain(reply.statusCode);
      if (path === undefined) expect(outcome(reply)).toEqual([400, 'validation_failed']);
    },
  );

  it('needs a username for a new user only', async () => {
    const externalId = anId();
    const reply = await put(externalId, { email: 'a@example.com' });
    expect(outcome(reply)).toEqual([400, 'validation_failed']);
    expect(reply.json()).toMatchObject({ errors: [{ field: 'username' }] });
    await put(externalId, { username: aName() });
    expect((await put(externalId, { email: 'a@example.com' })).statusCode).toBe(200);
  });

  it('clears fields with null', async () => {
    const [externalId, username] = [anId(), aName()];
    await put(externalId, {
      username,
      password: PASSWORD,
      email: 'a@example.com',
      role: 'manager',
      disabled: true,
    });
    const cleared = await put(externalId, { email: null, role: null, disabled: null });
    expect(shown(cleared)).toMatchObject({ email: null, role: 'user', disabled: false });
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(200);
    await put(externalId, { password: null });
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(401);
    const [row] = await sql<{ hash: string | null }>(
      node,
      'SELECT password_hash AS hash FROM users WHERE external_id = $1',
      [externalId],
    );
    expect(row).toEqual({ hash: null });
  });

  it.each([
    ['both passwords', { password: PASSWORD, password_hash: '$2b$04$x' }],
    ['both passwords, one of them null', { password: null, password_hash: null }],
    ['a username of null', { username: null }],
    ['an empty username', { username: '' }],
    ['a name with white space', { username: 'a b' }],
    ['an unknown field', { id: randomUUID() }],
    ['a role that is none', { role: 'Not A Role' }],
    ['an address that is none', { email: 'nobody' }],
    ['a number as disabled', { disabled: 1 }],
    ['a negative version', { version: -1 }],
    ['a fraction as version', { version: 1.5 }],
    ['a version that no number can hold exactly', { version: 2 ** 53 }],
    ['a text as version', { version: '7' }],
    ['a hash of no known scheme', { password_hash: 'sha1$abc' }],
    ['a hash with NUL', { password_hash: '$2b$10$\u0000' }],
    ['a hash that costs minutes', { password_hash: `$2b$20$${'a'.repeat(53)}` }],
    ['a hash that is too long', { password_hash: 'a'.repeat(1_025) }],
    ['a weak password', { password: 'test123' }],
    ['a list', []],
  ])('refuses %s with 400 and changes nothing', async (_, payload) => {
    const externalId = anId();
    await put(externalId, { username: aName() });
    const before = await sql(node, 'SELECT * FROM users WHERE external_id = $1', [externalId]);
    expect((await put(externalId, payload)).statusCode).toBe(400);
    expect(await sql(node, 'SELECT * FROM users WHERE external_id = $1', [externalId])).toEqual(before);
  });
});

describe('the password hash of an upsert', () => {
  it('logs the user in, raises the shortest time of failed logins, and ends other logins when it changes', async () => {
    const [externalId, username] = [anId(), aName()];
    await put(externalId, { username, password_hash: await hash(PASSWORD, 4) });
    const tokens = await login(node, { id: '', username, password: PASSWORD });
    await put(externalId, { password_hash: `$2b$13$${(await hash(OTHER_PASSWORD, 4)).slice(7)}` });
    for (const at of [node, other])
      await until(async () => (await verify(at, tokens.access_token)) === '401 token_revoked', 2_000);
    expect((await tryRefresh(node, tokens.refresh_token)).statusCode).toBe(401);
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(401);
    const [{ floor }] = (await sql<{ floor: number }>(
      node,
      'SELECT failure_floor AS floor FROM service_state',
    )) as [{ floor: number }];
    expect(floor).toBeGreaterThan(250);
  });

  it('is not taken for a new one after a login has replaced it by a better one', async () => {
    const [externalId, username] = [anId(), aName()];
    const password_hash = await hash(PASSWORD, 4);
    await put(externalId, { username, password_hash, version: 3 });
    const tokens = await login(node, { id: '', username, password: PASSWORD });
    const stored = async () =>
      (
        await sql<{ hash: string }>(node, 'SELECT password_hash AS hash FROM users WHERE external_id = $1', [
          externalId,
        ])
      )[0]!.hash;
    const better = await stored();
    expect(better).toMatch(/^\$argon2id\$/);
    for (const version of [3, 4]) {
      expect(
        (await put(externalId, { password_hash, version, email: `v${version}@example.com` })).statusCode,
      ).toBe(200);
      expect(await stored()).toBe(better);
      expect(await verify(node, tokens.access_token)).toBe('204');
    }
    const rows = JSON.stringify(await sql(node, 'SELECT * FROM users WHERE external_id = $1', [externalId]));
    expect(rows).not.toContain(password_hash);
    // After another password, the first hash is a new one again.
    await put(externalId, { password: OTHER_PASSWORD });
    await put(externalId, { password_hash });
    expect((await tryLogin(node, { id: '', username, password: PASSWORD })).statusCode).toBe(200);
  });
});

describe('the version of an upsert', () => {
  it('refuses what is older than the last one with 409 stale_version, and takes a repetition', async () => {
    const [externalId, username] = [anId(), aName()];
    await put(externalId, { username, version: 5, email: 'five@example.com' });
    expect(outcome(await put(externalId, { version: 4, email: 'four@example.com' }))).toEqual([
      409,
      'stale_version',
    ]);
    const again = await put(externalId, { username, version: 5, email: 'five@example.com' });
    expect([again.statusCode, shown(again).email]).toEqual([200, 'five@example.com']);
    expect((await put(externalId, { version: 9 })).statusCode).toBe(200);
    expect(outcome(await put(externalId, { version: 8, disabled: true }))).toEqual([409, 'stale_version']);
    // Without a version there is nothing to compare, and the last version stays.
    expect((await put(externalId, { email: 'none@example.com' })).statusCode).toBe(200);
    expect(outcome(await put(externalId, { version: 8 }))).toEqual([409, 'stale_version']);
    expect((await put(externalId, { version: Number.MAX_SAFE_INTEGER })).statusCode).toBe(200);
  });

  it('is judged before everything else, so that a late rename does not fail for another reason', async () => {
    const [one, two] = [anId(), anId()];
    const [first, second] = [aName(), aName()];
    await put(one, { username: first, version: 2 });
    await put(two, { username: second });
    expect(outcome(await put(one, { username: second, version: 1 }))).toEqual([409, 'stale_version']);
  });

  it('leaves the state of the highest version, whatever order the upserts arrive in', async () => {
    const externalId = anId();
    await put(externalId, { username: aName(), version: 0 });
    const versions = Array.from({ length: 12 }, (_, index) => index + 1).toSorted(() => Math.random() - 0.5);
    const replies = await Promise.all(
      versions.map((version, index) =>
        put(externalId, { version, email: `v${version}@example.com` }, basic, index % 2 === 0 ? node : other),
      ),
    );
    for (const reply of replies) expect([200, 409]).toContain(reply.statusCode);
    expect(shown(await put(externalId, {})).email).toBe('v12@example.com');
  });
});

describe('upserts at the same time', () => {
  it('of one new id create one user: one 201, all others 200', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [externalId, username] = [anId(), aName()];
      const replies = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          put(externalId, { username }, basic, index % 2 === 0 ? node : other),
        ),
      );
      expect(replies.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([
        200, 200, 200, 200, 200, 201,
      ]);
      expect(new Set(replies.map((reply) => shown(reply).id)).size).toBe(1);
    }
  });

  it('that swap two names get 409 username_taken, and both users keep their names and logins', async () => {
    const [one, two, first, second] = [anId(), anId(), aName(), aName()];
    await put(one, { username: first, password: PASSWORD });
    await put(two, { username: second, password: PASSWORD });
    const tokens = await login(node, { id: '', username: first, password: PASSWORD });
    const replies = await Promise.all([
      put(one, { username: second }),
      put(two, { username: first }, basic, other),
    ]);
    expect(replies.map(outcome)).toEqual([
      [409, 'username_taken'],
      [409, 'username_taken'],
    ]);
    expect(shown(await put(one, {})).username).toBe(first);
    expect(shown(await put(two, {})).username).toBe(second);
    expect(await verify(node, tokens.access_token)).toBe('204');
    // The way that works: through a third name.
    const third = aName();
    expect((await put(one, { username: third })).statusCode).toBe(200);
    expect((await put(two, { username: first })).statusCode).toBe(200);
    expect((await put(one, { username: second })).statusCode).toBe(200);
    expect((await get(node, '/api/users/me', tokens.access_token)).json()).toMatchObject({
      username: second,
    });
  });

  it('with a taken name create nothing', async () => {
    const taken = await aUser(node);
    const externalId = anId();
    expect(outcome(await put(externalId, { username: taken.username }))).toEqual([409, 'username_taken']);
    expect(await sql(node, 'SELECT 1 FROM users WHERE external_id = $1', [externalId])).toEqual([]);
  });
});

describe('the callers of an upsert', () => {
  it('are administrators, and service clients with the scope users', async () => {
    expect((await put(anId(), { username: aName() }, root)).statusCode).toBe(201);
    const user = bearer((await login(node, await aUser(node))).access_token);
    expect(outcome(await put(anId(), { username: aName() }, user))).toEqual([403, 'forbidden']);
    const wrongScope = await aClient(['introspect', 'revoke', 'revocations', 'sessions']);
    const refused = await put(anId(), { username: aName() }, wrongScope);
    expect(outcome(refused)).toEqual([403, 'insufficient_scope']);
    expect(refused.headers['www-authenticate']).toContain('scope="users"');
    expect(outcome(await put(anId(), { username: aName() }, { headers: {} }))).toEqual([
      401,
      'token_missing',
    ]);
  });

  it('are judged by the Basic header alone if there is one', async () => {
    const wrong = {
      headers: { authorization: `Basic ${Buffer.from(`${randomUUID()}:x`).toString('base64')}` },
    };
    for (const headers of [
      wrong.headers,
      { ...wrong.headers, cookie: 'session_id=s%3Ax.y; refresh_token=x' },
      { authorization: 'basic' },
      { authorization: 'Basic ' },
      { authorization: 'BASIC ???' },
    ]) {
      const reply = await put(anId(), { username: aName() }, { headers });
      expect(outcome(reply)).toEqual([401, 'invalid_client']);
      expect(reply.headers['www-authenticate']).toContain('Basic');
    }
    const fromPage = { ...basic.headers, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    expect((await put(anId(), { username: aName() }, { headers: fromPage })).statusCode).toBe(201);
  });

  it('may use Basic on no other route', async () => {
    for (const [method, url] of [
      ['GET', '/admin/users'],
      ['POST', '/admin/users'],
      ['PATCH', `/admin/users/${randomUUID()}`],
      ['DELETE', `/admin/users/${randomUUID()}`],
      ['GET', '/api/users/me'],
      ['GET', '/auth/verify'],
    ] as const) {
      const reply = await node.app.inject({ method, url, ...basic });
      expect([method, url, ...outcome(reply)]).toEqual([method, url, 401, 'token_missing']);
    }
  });

  it('are the actor in the audit trail, and get no webhook for their own upsert', async () => {
    const [externalId, username] = [anId(), aName()];
    const { id } = shown(await put(externalId, { username, password: PASSWORD }));
    const tokens = await login(node, { id, username, password: PASSWORD });
    await put(externalId, { email: 'x@example.com', role: 'manager' });
    await put(externalId, { password: OTHER_PASSWORD });
    await put(externalId, { disabled: true });
    expect(await verify(node, tokens.access_token)).toBe('401 token_revoked');
    const actor = Buffer.from(basic.headers['authorization']!.slice(6), 'base64').toString().split(':')[0];
    const events = await sql<{ cause: string; actor_id: string }>(
      node,
      `SELECT cause, actor_id FROM audit_events WHERE user_id = $1 AND event = 'user' ORDER BY id`,
      [id],
    );
    expect(events.map(({ cause }) => cause)).toEqual(['created', 'role', 'email', 'password', 'disabled']);
    expect(new Set(events.map(({ actor_id }) => actor_id))).toEqual(new Set([actor]));
    // An administrator's change of the same user does give an event: so the ones before would have arrived.
    await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${id}`,
      payload: { disabled: false },
      ...root,
    });
    await until(async () => receiver.of(id).length > 0, 10_000);
    expect(receiver.of(id).map(({ event }) => event.data['changed'])).toEqual([['disabled']]);
  });
});

describe('an administrator of Tandem', () => {
  it('is not created by an upsert: the role becomes user', async () => {
    const externalId = anId();
    for (const as of [basic, root]) {
      const created = await put(as === root ? anId() : externalId, { username: aName(), role: 'admin' }, as);
      expect([created.statusCode, shown(created).role]).toEqual([201, 'user']);
    }
    expect(shown(await put(externalId, { role: 'admin' })).role).toBe('user');
  });

  it('is not changed by an upsert: 403 forbidden, whatever the fields', async () => {
    const externalId = anId();
    const { id } = shown(await put(externalId, { username: aName() }));
    await node.app.inject({
      method: 'PATCH',
      url: `/admin/users/${id}`,
      payload: { role: 'admin' },
      ...root,
    });
    const before = await sql(node, 'SELECT * FROM users WHERE id = $1', [id]);
    for (const payload of [
      { email: 'x@example.com' },
      { password: PASSWORD },
      { role: 'user' },
      { disabled: true },
      { username: aName() },
      { version: 3 },
      {},
    ])
      expect(outcome(await put(externalId, payload)), JSON.stringify(payload)).toEqual([403, 'forbidden']);
    expect(await sql(node, 'SELECT * FROM users WHERE id = $1', [id])).toEqual(before);
  });

  it('is created and changed if USERS_SOURCE_MAY_MAKE_ADMINS permits it', async () => {
    const permitting = await createTestApp({ db: node.db, env: { USERS_SOURCE_MAY_MAKE_ADMINS: 'true' } });
    try {
      const externalId = anId();
      const created = await put(externalId, { username: aName(), role: 'admin' }, basic, permitting);
      expect(shown(created).role).toBe('admin');
      expect((await put(externalId, { email: 'x@example.com' }, basic, permitting)).statusCode).toBe(200);
    } finally {
      await permitting.close();
    }
  });
});
