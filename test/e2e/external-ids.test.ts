import { randomBytes, randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, refresh, sql, until, verify } from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

let one: TestApp;
let two: TestApp;
let admin: ReturnType<typeof bearer>;
let adminToken: string;
beforeAll(async () => {
  one = await createTestApp();
  two = await createTestApp({ db: one.db });
  adminToken = (await login(one)).access_token;
  admin = bearer(adminToken);
});
afterAll(async () => {
  await two.close();
  await one.close();
});

const anId = () => `crm:${randomBytes(6).toString('hex')}`;

function give(user: Pick<Account, 'id'>, external_id: string | null): Promise<Reply> {
  return one.app.inject({
    method: 'PATCH',
    url: `/admin/users/${user.id}`,
    payload: { external_id },
    ...admin,
  });
}

async function known(): Promise<Account & { readonly externalId: string }> {
  const user = await aUser(one);
  const externalId = anId();
  expect((await give(user, externalId)).json()).toMatchObject({ id: user.id, external_id: externalId });
  return { ...user, externalId };
}

const claimOf = (token: string) => decodeJwt(token)['external_id'];
const headerOf = async (node: TestApp, token: string) =>
  (await get(node, '/auth/verify', token)).headers['x-auth-external-id'];

describe('the claim external_id', () => {
  it('is in the tokens of login and refresh exactly if the user has an external id', async () => {
    const [user, other] = [await known(), await aUser(one)];
    const first = await login(one, user);
    const next = await refresh(two, first.refresh_token);
    const third = await refresh(one, next.refresh_token);
    for (const { access_token } of [first, next, third]) expect(claimOf(access_token)).toBe(user.externalId);
    const without = await login(one, other);
    for (const { access_token } of [without, await refresh(one, without.refresh_token)])
      expect(decodeJwt(access_token)).not.toHaveProperty('external_id');
  });

  it('becomes the header of /auth/verify, without a query', async () => {
    const { access_token } = await login(one, await known());
    // The header comes from the token: the row says something else now.
    await sql(one, `UPDATE users SET external_id = external_id || 'x' WHERE external_id = $1`, [
      claimOf(access_token),
    ]);
    expect(await headerOf(two, access_token)).toBe(claimOf(access_token));
  });

  it('is a member of the introspection of both tokens', async () => {
    const user = await known();
    const made = await post(one, '/admin/clients', { name: 'billing' }, admin);
    const { client_id, client_secret } = made.json<{ client_id: string; client_secret: string }>();
    const introspect = async (token: string) =>
      (
        await one.app.inject({
          method: 'POST',
          url: '/oauth/introspect',
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          payload: new URLSearchParams({ token, client_id, client_secret }).toString(),
        })
      ).json<object>();
    const { access_token, refresh_token } = await login(one, user);
    for (const token of [access_token, refresh_token])
      expect(await introspect(token)).toMatchObject({ active: true, external_id: user.externalId });
    const without = await login(one, await aUser(one));
    for (const token of [without.access_token, without.refresh_token])
      expect(await introspect(token)).not.toHaveProperty('external_id');
  });
});

describe('a change of the external id', () => {
  it('invalidates the access tokens of the user on every node, and no login', async () => {
    const user = await known();
    const { access_token, refresh_token } = await login(one, user);
    expect(await verify(two, access_token)).toBe('204');
    const next = anId();
    expect((await give(user, next)).statusCode).toBe(200);
    expect(await verify(one, access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(two, access_token)) === '401 token_revoked', 1_000);
    const renewed = await refresh(two, refresh_token);
    expect([claimOf(renewed.access_token), await headerOf(one, renewed.access_token)]).toEqual([next, next]);
  });

  it('to null removes it, and to the same id changes nothing', async () => {
    const user = await known();
    const { access_token, refresh_token } = await login(one, user);
    await give(user, user.externalId);
    expect(await verify(one, access_token)).toBe('204');
    expect((await give(user, null)).json()).toMatchObject({ external_id: null });
    expect(await verify(one, access_token)).toBe('401 token_revoked');
    const renewed = await refresh(one, refresh_token);
    expect(claimOf(renewed.access_token)).toBeUndefined();
    expect(await headerOf(one, renewed.access_token)).toBe('-');
    const events = await sql<{ detail: object }>(
      one,
      `SELECT detail FROM audit_events WHERE user_id = $1 AND cause = 'external_id' ORDER BY id`,
      [user.id],
    );
    expect(events.map(({ detail }) => detail)).toEqual([
      { from: null, to: user.externalId },
      { from: user.externalId, to: null },
    ]);
  });

  it('is refused if another user has the id, also in a race', async () => {
    const [user, other] = [await known(), await aUser(one)];
    const refused = await give(other, user.externalId);
    expect([refused.statusCode, codeOf(refused)]).toEqual([409, 'external_id_taken']);
    const id = anId();
    const racers = [await aUser(one), await aUser(one), await aUser(one)];
    const replies = await Promise.all(racers.map((racer) => give(racer, id)));
    expect(replies.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([200, 409, 409]);
  });

  it.each(['', '-', '.', '..', 'a b', 'a/b', 'Zoë', 'x'.repeat(129), 7, ['a'], {}])(
    'is refused for a value that breaks the rules: %j',
    async (external_id) => {
      const user = await aUser(one);
      const reply = await give(user, external_id as string);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    },
  );

  it('accepts a UUID only if it is the id of the user, in any letter case', async () => {
    const user = await aUser(one);
    expect((await give(user, randomUUID())).statusCode).toBe(400);
    expect((await give(user, user.id.toUpperCase())).json()).toMatchObject({ external_id: user.id });
  });
});

describe('a user whose external id an earlier release stored', () => {
  it('keeps it in tokens, in the header and when other fields change', async () => {
    const user = await aUser(one);
    const old = `legacy/${user.id} 張`;
    await sql(one, 'UPDATE users SET external_id = $2 WHERE id = $1', [user.id, old]);
    const payload = { email: 'grace@example.com' };
    const reply = await one.app.inject({
      method: 'PATCH',
      url: `/admin/users/${user.id}`,
      payload,
      ...admin,
    });
    expect(reply.json()).toMatchObject({ external_id: old, ...payload });
    const { access_token, refresh_token } = await login(one, user);
    for (const token of [access_token, (await refresh(one, refresh_token)).access_token]) {
      expect(claimOf(token)).toBe(old);
      expect(await headerOf(two, token)).toBe(`legacy%2F${user.id}%20%E5%BC%B5`);
    }
  });
});

describe('the external id of a user', () => {
  it('is shown to the user, and to administrators in every list and filter', async () => {
    const [user, other] = [await known(), await aUser(one)];
    const { access_token } = await login(one, user);
    await login(one, other);
    expect((await get(one, '/api/users/me', access_token)).json()).toMatchObject({
      external_id: user.externalId,
    });
    const without = (await login(one, other)).access_token;
    expect((await get(one, '/api/users/me', without)).json()).toMatchObject({ external_id: null });
    const list = async (url: string) =>
      (await get(one, `${url}?external_id=${encodeURIComponent(user.externalId)}`, adminToken)).json<
        Record<string, Record<string, unknown>[]>
      >();
    const { users } = await list('/admin/users');
    expect(users).toEqual([expect.objectContaining({ id: user.id, external_id: user.externalId })]);
    const { tokens } = await list('/admin/tokens');
    expect(tokens).toEqual([expect.objectContaining({ user_id: user.id, external_id: user.externalId })]);
    const { events } = await list('/admin/audit');
    expect(events!.length).toBeGreaterThan(2);
    for (const event of events!)
      expect(event).toMatchObject({ user_id: user.id, external_id: user.externalId });
    for (const url of ['/admin/users', '/admin/tokens', '/admin/audit']) {
      const nobody = await get(one, `${url}?external_id=nobody`, adminToken);
      expect(Object.values(nobody.json<object>())).toContainEqual([]);
    }
  });

  it('is combined with the other filters, and compared byte for byte', async () => {
    const user = await known();
    const find = async (query: string) =>
      (await get(one, `/admin/users?${query}`, adminToken)).json<{ users: object[] }>().users.length;
    const id = encodeURIComponent(user.externalId);
    expect(await find(`external_id=${id}&query=${user.username}`)).toBe(1);
    expect(await find(`external_id=${id}&query=somebody-else`)).toBe(0);
    expect(await find(`external_id=${id.toUpperCase().replace('%3A', '%3a')}`)).toBe(0);
  });
});
