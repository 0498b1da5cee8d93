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
  refresh,
  sql,
  tokensOf,
  tryLogin,
  tryRefresh,
  until,
  verify,
} from '../helpers/client.js';
import type { Account, Reply } from '../helpers/client.js';

const PASSWORD = 'correct horse battery staple';

interface View {
  readonly id: string;
  readonly username: string;
  readonly role: string;
  readonly email: string | null;
  readonly disabled: boolean;
}
interface Page {
  readonly users: View[];
  readonly next_cursor: string | null;
}

let one: TestApp;
let two: TestApp;
let admin: ReturnType<typeof bearer>;
beforeAll(async () => {
  one = await createTestApp();
  two = await createTestApp({ db: one.db });
  admin = bearer((await login(one)).access_token);
});
afterAll(async () => {
  await two.close();
  await one.close();
});

function patch(id: string, payload: object | string, as = admin, node = one): Promise<Reply> {
  return node.app.inject({
    method: 'PATCH',
    url: `/admin/users/${id}`,
    payload,
    headers: { ...as.headers, 'content-type': 'application/json' },
  });
}

const refusal = (reply: Reply) => `${reply.statusCode} ${codeOf(reply)}`;
const causes = async (id: string) =>
  (
    await sql<{ cause: string; actor_id: string | null; detail: object | null }>(
      one,
      `SELECT cause, actor_id, detail FROM audit_events WHERE user_id = $1 AND event = 'user' AND cause <> 'created' ORDER BY id`,
      [id],
    )
  ).map(({ cause, detail }) => (detail === null ? cause : { cause, ...detail }));

describe('a user that an administrator changes', () => {
  it('is refused when disabled, at once here and within a second elsewhere, and accepted when enabled', async () => {
    const user = await aUser(one);
    const [first, second] = [await login(one, user), await login(two, user)];
    expect(await verify(two, first.access_token)).toBe('204');
    const reply = await patch(user.id, { disabled: true });
    expect(reply.statusCode).toBe(200);
    expect(reply.json()).toMatchObject({ id: user.id, disabled: true, role: 'user' });
    expect(await verify(one, first.access_token)).toBe('401 token_revoked');
    expect(await verify(one, second.access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(two, first.access_token)) === '401 token_revoked', 1_000);
    expect(refusal(await tryRefresh(two, second.refresh_token))).toBe('401 refresh_token_revoked');
    expect(refusal(await tryLogin(two, user))).toBe('401 invalid_credentials');
    const reasons = await sql(one, `SELECT DISTINCT revoke_reason FROM refresh_tokens WHERE user_id = $1`, [
      user.id,
    ]);
    expect(reasons).toEqual([{ revoke_reason: 'disable' }]);

    expect((await patch(user.id, { disabled: false })).json()).toMatchObject({ disabled: false });
    expect(await verify(one, first.access_token)).toBe('401 token_revoked');
    expect(await verify(two, (await login(two, user)).access_token)).toBe('204');
    expect(await causes(user.id)).toEqual([{ cause: 'disabled', ended: 2 }, 'enabled']);
  });

  it('keeps its token families when its role changes, and gets the role at the next refresh', async () => {
    const user = await aUser(one);
    const before = await login(two, user);
    expect((await get(two, '/admin/users', before.access_token)).statusCode).toBe(403);
    // In capitals: the same user.
    expect((await patch(user.id.toUpperCase(), { role: 'admin' })).json()).toMatchObject({ role: 'admin' });
    expect(await verify(one, before.access_token)).toBe('401 token_revoked');
    await until(async () => (await verify(two, before.access_token)) === '401 token_revoked', 1_000);
    const after = await refresh(two, before.refresh_token);
    expect((await get(one, '/admin/users', after.access_token)).statusCode).toBe(200);
    await patch(user.id, { role: 'user' });
    expect(refusal(await get(one, '/admin/users', after.access_token))).toBe('401 token_revoked');
    expect(
      (await get(one, '/admin/users', (await refresh(one, after.refresh_token)).access_token)).statusCode,
    ).toBe(403);
    expect(await causes(user.id)).toEqual([
      { cause: 'role', from: 'user', to: 'admin' },
      { cause: 'role', from: 'admin', to: 'user' },
    ]);
  });

  it('can log in only with a new password, and loses all earlier token families', async () => {
    const user = await aUser(one);
    const before = await login(one, user);
    const password = `another ${PASSWORD}`;
    expect((await patch(user.id, { password })).statusCode).toBe(200);
    expect(await verify(one, before.access_token)).toBe('401 token_revoked');
    expect(refusal(await tryRefresh(one, before.refresh_token))).toBe('401 refresh_token_revoked');
    expect(refusal(await tryLogin(one, user))).toBe('401 invalid_credentials');
    tokensOf(await tryLogin(one, { ...user, password }));
    expect(refusal(await patch(user.id, { password: 'password' }))).toBe('400 password_too_weak');
    expect(await causes(user.id)).toEqual([{ cause: 'password', ended: 1 }]);
  });

  it('gets a password even if it had none', async () => {
    const user = await aUser(one);
    await sql(one, 'UPDATE users SET password_hash = NULL WHERE id = $1', [user.id]);
    expect((await patch(user.id, { password: PASSWORD })).statusCode).toBe(200);
    tokensOf(await tryLogin(one, { ...user, password: PASSWORD }));
  });

  it('gets another email address or none, and keeps its token families', async () => {
    const user = await aUser(one);
    const { access_token } = await login(one, user);
    expect((await patch(user.id, { email: 'a@example.com' })).json()).toMatchObject({
      email: 'a@example.com',
    });
    expect((await patch(user.id, { email: null })).json()).toMatchObject({ email: null });
    expect(await verify(one, access_token)).toBe('204');
    // The address itself is nobody's business in the trail.
    expect(await causes(user.id)).toEqual(['email', 'email']);
  });

  it('gets all changes of a request or none', async () => {
    const user = await aUser(one);
    const { access_token } = await login(one, user);
    const all = { role: 'admin', disabled: true, email: 'x@example.com', password: PASSWORD };
    expect(refusal(await patch(user.id, { ...all, password: 'short' }))).toBe('400 password_too_weak');
    expect(await verify(one, access_token)).toBe('204');
    expect(await causes(user.id)).toEqual([]);
    expect((await patch(user.id, all)).json()).toMatchObject({
      role: 'admin',
      disabled: true,
      email: 'x@example.com',
    });
    expect(await verify(one, access_token)).toBe('401 token_revoked');
    expect(await causes(user.id)).toEqual([
      { cause: 'role', from: 'user', to: 'admin' },
      { cause: 'disabled', ended: 1 },
      'email',
      { cause: 'password', ended: 1 },
    ]);
  });

  it('is unchanged by a repeated request, which writes no audit event', async () => {
    const user = await aUser(one);
    await patch(user.id, { disabled: true, role: 'admin' });
    await patch(user.id, { disabled: false });
    const { access_token } = await login(one, user);
    const reply = await patch(user.id, { disabled: false, role: 'admin', email: null });
    expect(reply.statusCode).toBe(200);
    expect(await verify(one, access_token)).toBe('204');
    expect(await causes(user.id)).toHaveLength(3);
  });

  it('is refused by the node of a repeated request although another node made the change', async () => {
    const user = await aUser(one);
    const { access_token } = await login(one, user);
    expect(await verify(two, access_token)).toBe('204');
    await patch(user.id, { disabled: true });
    await patch(user.id, { disabled: true }, admin, two);
    expect(await verify(two, access_token)).toBe('401 token_revoked');
  });

  it('is changed with an audit event that names the administrator', async () => {
    const user = await aUser(one);
    await patch(user.id, { email: 'a@example.com' });
    const me = (await get(one, '/api/users/me', admin.headers.authorization.slice(7))).json<{ id: string }>();
    const rows = await sql(
      one,
      `SELECT actor_id, ip, request_id FROM audit_events WHERE user_id = $1 AND cause = 'email'`,
      [user.id],
    );
    expect(rows).toEqual([{ actor_id: me.id, ip: '127.0.0.1', request_id: expect.any(String) }]);
  });

  it.each([
    ['nothing', {}],
    ['an unknown field', { username: 'x' }],
    ['a role that is none', { role: 'Root User' }],
    ['no role', { role: null }],
    ['a list of roles', { role: ['user'] }],
    ['a word for disabled', { disabled: 'true' }],
    ['null for disabled', { disabled: null }],
    ['a number for disabled', { disabled: 1 }],
    ['an address that is none', { email: 'nobody' }],
    ['an empty address', { email: '' }],
    ['an address in a list', { email: ['a@example.com'] }],
    ['a password that is an object', { password: { $ne: '' } }],
    ['no password', { password: null }],
    ['a lone surrogate', { email: '\ud800@example.com' }],
    ['NUL', { email: 'a\0@example.com' }],
    ['an array', []],
  ])('refuses %s', async (_, payload) => {
    const user = await aUser(one);
    expect(refusal(await patch(user.id, payload))).toBe('400 validation_failed');
    expect(await causes(user.id)).toEqual([]);
  });

  it('refuses prototype keys and broken JSON', async () => {
    const { id } = await aUser(one);
    for (const body of [
      '{"__proto__":{"role":"admin"}}',
      '{"constructor":{"prototype":{}}}',
      '{"role"',
      'null',
    ]) {
      expect((await patch(id, body)).statusCode).toBe(400);
    }
  });

  it('answers 404 for an unknown id and 400 for an invalid id', async () => {
    expect(refusal(await patch(randomUUID(), { disabled: true }))).toBe('404 not_found');
    for (const id of ['root', '1', "'%20OR%201=1", '%00', '%ED%A0%80', `${randomUUID()}x`, 'x'.repeat(200)]) {
      expect((await patch(id, { disabled: true })).statusCode).toBe(400);
    }
  });

  it('cannot be changed by callers who are not administrators', async () => {
    const user = await aUser(one);
    const own = bearer((await login(one, user)).access_token);
    expect(refusal(await patch(user.id, { role: 'admin' }, own))).toBe('403 forbidden');
    expect((await get(one, '/admin/users')).statusCode).toBe(401);
    expect(refusal(await get(one, '/admin/users', own.headers.authorization.slice(7)))).toBe('403 forbidden');
  });
});

describe('the last administrator', () => {
  let nodes: readonly [TestApp, TestApp];
  let root: View;
  let token: string;
  beforeAll(async () => {
    const first = await createTestApp();
    nodes = [first, await createTestApp({ db: first.db })];
    token = (await login(first)).access_token;
    root = (await get(first, '/admin/users', token)).json<Page>().users[0]!;
  });
  afterAll(async () => {
    await nodes[1].close();
    await nodes[0].close();
  });

  it('is neither demoted nor disabled, and keeps its token families', async () => {
    for (const change of [{ role: 'user' }, { disabled: true }, { disabled: true, role: 'admin' }]) {
      expect(refusal(await patch(root.id, change, bearer(token), nodes[0]))).toBe('409 last_admin');
    }
    expect(await verify(nodes[0], token)).toBe('204');
  });

  it('counts as the last one beside a disabled administrator', async () => {
    const other = await aUser(nodes[0], { role: 'admin' });
    expect((await patch(other.id, { disabled: true }, bearer(token), nodes[0])).statusCode).toBe(200);
    expect(refusal(await patch(root.id, { role: 'user' }, bearer(token), nodes[0]))).toBe('409 last_admin');
    // Of one who is no active administrator anything may be taken.
    expect((await patch(other.id, { role: 'user' }, bearer(token), nodes[0])).statusCode).toBe(200);
  });

  it('remains when all administrators demote each other at once', async () => {
    for (let round = 0; round < 5; round++) {
      const others = await Promise.all([1, 2, 3].map(() => aUser(nodes[0], { role: 'admin' })));
      const all = [root.id, ...others.map(({ id }) => id)];
      const change = round % 2 === 0 ? { role: 'user' } : { disabled: true };
      const replies = await Promise.all(
        all.map((id, index) => patch(id, change, bearer(token), nodes[index % 2] ?? nodes[0])),
      );
      // The caller may be out before its other calls are judged; those are refused, and nothing is lost.
      for (const reply of replies) {
        expect(['200 undefined', '409 last_admin', '401 token_revoked']).toContain(refusal(reply));
      }
      const left = await sql<{ id: string }>(
        nodes[0],
        `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`,
      );
      expect(left.length).toBeGreaterThanOrEqual(1);
      await sql(
        nodes[0],
        `UPDATE users SET role = CASE WHEN id = $1 THEN 'admin' ELSE 'user' END, disabled_at = NULL`,
        [root.id],
      );
      token = (await login(nodes[0])).access_token;
    }
  });

  it('remains when two administrators demote each other at once', async () => {
    for (let round = 0; round < 10; round++) {
      const rival: Account = await aUser(nodes[0], { role: 'admin' });
      const theirs = (await login(nodes[1], rival)).access_token;
      const replies = await Promise.all([
        patch(rival.id, { role: 'user' }, bearer(token), nodes[0]),
        patch(root.id, { role: 'user' }, bearer(theirs), nodes[1]),
      ]);
      const outcomes = replies.map(refusal);
      expect(outcomes.filter((outcome) => outcome === '200 undefined')).toHaveLength(1);
      const left = await sql(nodes[0], `SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL`);
      expect(left).toHaveLength(1);
      await sql(nodes[0], `UPDATE users SET role = CASE WHEN id = $1 THEN 'admin' ELSE 'user' END`, [
        root.id,
      ]);
      token = (await login(nodes[0])).access_token;
    }
  });
});

describe('the list of users', () => {
  async function list(query: string): Promise<Page> {
    const reply = await get(one, `/admin/users?${query}`, admin.headers.authorization.slice(7));
    expect(reply.statusCode, reply.body).toBe(200);
    return reply.json<Page>();
  }
  const names = async (query: string) =>
    (await list(`query=${encodeURIComponent(query)}`)).users.map(({ username }) => username);
  const add = async (username: string, email?: string) =>
    (
      await post(one, '/admin/users', { username, password: PASSWORD, ...(email && { email }) }, admin)
    ).json<View>();

  it('finds users by role and by state, together with a part of the name', async () => {
    const mark = randomUUID().slice(0, 8);
    const made = [await add(`a-${mark}`), await add(`b-${mark}`), await add(`c-${mark}`)];
    await patch(made[1]!.id, { role: 'clerk' });
    await patch(made[2]!.id, { disabled: true });
    const found = async (query: string) =>
      (await list(`query=${mark}&${query}`)).users.map(({ username }) => username.slice(0, 1));
    expect(await found('role=clerk')).toEqual(['b']);
    expect(await found('role=user')).toEqual(['a', 'c']);
    expect(await found('role=user&disabled=false')).toEqual(['a']);
    expect(await found('disabled=true')).toEqual(['c']);
    expect(await found('role=nobody')).toEqual([]);
    const all = (await list('disabled=true&limit=100')).users.map(({ username }) => username);
    expect(all).toContain(`c-${mark}`);
  });

  it('has a page for each user, with where the password is and who controls it', async () => {
    const user = await add(`shown-${randomUUID()}`);
    const show = (id: string, as = admin) => one.app.inject({ url: `/admin/users/${id}`, ...as });
    expect((await show(user.id.toUpperCase())).json()).toEqual({
      ...user,
      has_password: true,
      source: 'local',
    });
    expect(codeOf(await show(randomUUID()))).toBe('not_found');
    expect((await show('1')).statusCode).toBe(400);
    expect(codeOf(await show(user.id, bearer('nothing')))).toBe('token_malformed');
  });

  it('finds users by part of the name, the email address and the external id in any letter case', async () => {
    const mark = randomUUID().slice(0, 8);
    const user = await add(`Ünal-${mark}`, `Mail.${mark}@Example.com`);
    await sql(one, `UPDATE users SET external_id = $2 WHERE id = $1`, [user.id, `Legacy#${mark}`]);
    for (const query of [
      `ünal-${mark}`,
      `ÜNAL-${mark}`,
      `nal-${mark}`,
      `mail.${mark}@EXAMPLE`,
      `LEGACY#${mark}`,
    ]) {
      expect(await names(query)).toEqual([`Ünal-${mark}`]);
    }
    expect(await names(`nobody-${mark}`)).toEqual([]);
    expect((await list(`query=legacy%23${mark}`)).users[0]).toMatchObject({ external_id: `Legacy#${mark}` });
  });

  it('treats no character of a query as a wildcard', async () => {
    const mark = randomUUID().slice(0, 8);
    for (const name of [`a%${mark}`, `b_${mark}`, `c\\${mark}`, `dx${mark}`]) await add(name);
    expect(await names(`%${mark}`)).toEqual([`a%${mark}`]);
    expect(await names(`_${mark}`)).toEqual([`b_${mark}`]);
    expect(await names(`\\${mark}`)).toEqual([`c\\${mark}`]);
    expect(await names(mark)).toHaveLength(4);
    for (const query of [`' OR 1=1 --`, `"; DROP TABLE users; --`, '💥', '%%%', '\\', '\n', '𝔘'])
      await names(query);
  });

  it('contains each user once over all pages while users are created', async () => {
    const mark = randomUUID().slice(0, 8);
    const wanted = ['b', 'd', 'f', 'h', 'j'].map((letter) => `${mark}-${letter}`);
    for (const name of wanted) await add(name);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await list(
        `query=${mark}&limit=2${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      seen.push(...page.users.map(({ username }) => username));
      cursor = page.next_cursor;
      await add(`${mark}-a${seen.length}`);
      await add(`${mark}-${String.fromCharCode('b'.charCodeAt(0) + seen.length)}x`);
    } while (cursor !== null);
    expect(seen.filter((name) => wanted.includes(name))).toEqual(wanted);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('shows the fields for administrators, and no secrets', async () => {
    const user = await add(`u-${randomUUID()}`, 'u@example.com');
    const { users } = await list(`query=${user.username}`);
    expect(users).toEqual([user]);
    expect(Object.keys(users[0]!).toSorted()).toEqual([
      'created_at',
      'disabled',
      'email',
      'external_id',
      'has_password',
      'id',
      'role',
      'username',
    ]);
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=1e1',
    'limit=',
    'limit=-1',
    'limit=1&limit=2',
    'limit[]=1',
    'query=a&query=b',
    'role=',
    'role=Root',
    'disabled=1',
    'disabled=',
    'query[a]=b',
    `query=${'x'.repeat(257)}`,
    'query=%00',
    'cursor=%00',
    'cursor=***',
    'cursor=AA',
    'cursor=a&cursor=b',
    `cursor=${'A'.repeat(1025)}`,
    `cursor=${Buffer.from('a\0b').toString('base64url')}`,
    'unknown=1',
    '__proto__=1',
    'constructor=1',
  ])('refuses ?%s', async (query) => {
    const reply = await get(one, `/admin/users?${query}`, admin.headers.authorization.slice(7));
    expect(refusal(reply)).toBe('400 validation_failed');
  });
});
