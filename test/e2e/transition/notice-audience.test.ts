import { simpleParser } from 'mailparser';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RecorderService } from '../../../src/transition/report/recorder.service.js';
import { UnlinkedSessionsStore } from '../../../src/transition/sessions/stores/unlinked-sessions.store.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, bearer, codeOf, login, post, sql, until } from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { MailServer } from '../../helpers/transition/mail-server.js';
import { bySession, sessionCookie, sessionLogin } from './session-client.js';

const GUIDE = 'https://help.example.com/sign-in?from=tandem';

interface Preview {
  readonly count: number;
  readonly recipients: readonly { user_id: string; username: string; email: string; user_agent: string }[];
  readonly next_cursor: string | null;
}

describe('the recipients of a notice', () => {
  let server: MailServer;
  let node: TestApp;
  let token: string;
  beforeAll(async () => {
    server = await MailServer.start();
    const env = {
      GUIDE_URL: GUIDE,
      SESSION_SECRET: 'of a test',
      SMTP_URL: server.url,
      MAIL_FROM: 'a@example.com',
    };
    node = await createTestApp({ env });
    token = (await login(node)).access_token;
  });
  afterAll(async () => {
    await node.close();
    await server.stop();
  });
  beforeEach(async () => {
    await node.app.get(RecorderService).flush();
    await sql(node, `TRUNCATE scheme_uses`);
    await sql(node, `UPDATE users SET email = NULL`);
  });

  async function aReader(): Promise<Account> {
    const user = await aUser(node);
    await sql(node, `UPDATE users SET email = username || '@example.com' WHERE id = $1`, [user.id]);
    return user;
  }

  const use = (cookie: string) =>
    bySession(node, cookie, { url: '/api/users/me', headers: { 'user-agent': 'Firefox' } });

  async function exchange(cookie: string): Promise<void> {
    const reply = await bySession(node, cookie, { method: 'POST', url: '/auth/exchange', payload: {} });
    expect(reply.statusCode).toBe(200);
  }

  /** Moves everything that has happened so far into the past. */
  async function hoursPass(): Promise<void> {
    await node.app.get(RecorderService).flush();
    await sql(
      node,
      `UPDATE scheme_uses SET first_at = first_at - interval '6 hours', last_at = last_at - interval '6 hours',
         unlinked_at = unlinked_at - interval '6 hours'`,
    );
    await sql(node, `UPDATE refresh_tokens SET created_at = created_at - interval '6 hours'`);
  }

  async function send(body: object, query = ''): Promise<Reply> {
    await node.app.get(RecorderService).flush();
    return post(node, `/admin/deprecation-notices${query}`, body, bearer(token));
  }

  async function namesOf(body: object = { dry_run: true }): Promise<string[]> {
    const reply = await send(body);
    expect(reply.statusCode).toBe(200);
    return reply.json<Preview>().recipients.map(({ username }) => username);
  }

  it('are not those whose sessions were all exchanged, although the sessions are still used', async () => {
    const [moved, stays] = [await aReader(), await aReader()];
    const cookie = await sessionLogin(node, moved);
    await use(cookie);
    await use(await sessionLogin(node, stays));
    expect((await namesOf()).toSorted()).toEqual([moved.username, stays.username].toSorted());
    await exchange(cookie);
    await use(cookie);
    expect(await namesOf()).toEqual([stays.username]);
    await hoursPass();
    await use(cookie);
    expect(await namesOf()).toEqual([stays.username]);
  });

  it('are those with another device whose session was not exchanged', async () => {
    const user = await aReader();
    const [phone, laptop] = [await sessionLogin(node, user), await sessionLogin(node, user)];
    await use(phone);
    await use(laptop);
    await exchange(phone);
    expect(await namesOf()).toEqual([user.username]);
    await exchange(laptop);
    expect(await namesOf()).toEqual([]);
  });

  it('are not those who logged out of their session before they logged in for tokens', async () => {
    const user = await aReader();
    const cookie = await sessionLogin(node, user);
    await hoursPass();
    await login(node, user);
    expect(await namesOf()).toEqual([user.username]);
    await bySession(node, cookie, { method: 'POST', url: '/api/logout' });
    await hoursPass();
    await login(node, user);
    expect(await namesOf()).toEqual([]);
  });

  it('are those with a program that still logs in and out by session beside their tokens', async () => {
    const user = await aReader();
    await login(node, user);
    await hoursPass();
    const cookie = await sessionLogin(node, user);
    await use(cookie);
    await bySession(node, cookie, { method: 'POST', url: '/api/logout' });
    expect(await namesOf()).toEqual([user.username]);
  });

  it('are those who went back from tokens to a session', async () => {
    const user = await aReader();
    const { refresh_token } = await login(node, user);
    await hoursPass();
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    await use(sessionCookie(reply)!);
    expect(await namesOf()).toEqual([user.username]);
  });

  it('are listed by a dry run, page by page, and get no mail from it', async () => {
    const users = [await aReader(), await aReader(), await aReader()];
    for (const user of users) await use(await sessionLogin(node, user));
    const stored = () => sql(node, `SELECT 1 FROM deprecation_notices`);
    const before = await stored();
    const body = { dry_run: true, days: 7, text: 'Hello {{username}}' };
    const first = (await send(body, '?limit=2')).json<Preview>();
    expect(first).toMatchObject({ count: 3, next_cursor: expect.any(String) });
    const rest = (await send(body, `?limit=2&cursor=${first.next_cursor}`)).json<Preview>();
    expect(rest).toMatchObject({ count: 3, next_cursor: null });
    const listed = [...first.recipients, ...rest.recipients];
    expect(listed.map(({ user_id }) => user_id)).toEqual(users.map(({ id }) => id).toSorted());
    const [user] = users.toSorted((a, b) => a.id.localeCompare(b.id));
    expect(listed[0]).toEqual({
      user_id: user!.id,
      username: user!.username,
      email: `${user!.username}@example.com`,
      user_agent: 'Firefox',
      last_seen: expect.stringMatching(/^\d{4}-/),
    });
    // In the query too, as the plan takes it: a dry run must never send mail.
    expect((await send({}, '?dry_run=true')).statusCode).toBe(200);
    expect(await stored()).toEqual(before);
    expect(await server.received()).toEqual([]);
  });

  it('are nobody in a dry run without recipients, and a faulty dry run is refused', async () => {
    expect((await send({ dry_run: true })).json()).toEqual({ count: 0, recipients: [], next_cursor: null });
    for (const [body, query] of [
      [{ dry_run: true, text: '{{nope}}' }, ''],
      [{ dry_run: 1 }, ''],
      [{ dry_run: true }, '?cursor=x'],
      [{}, '?dry_run=maybe'],
    ] as const) {
      const reply = await send(body, query);
      expect([reply.statusCode, codeOf(reply)]).toEqual([400, 'validation_failed']);
    }
  });

  it('are sent to GUIDE_URL by the mail, the banner and the headers', async () => {
    const user = await aReader();
    const cookie = await sessionLogin(node, user);
    const change = {
      method: 'PATCH',
      url: '/admin/rollout',
      payload: { phase: 'deprecation_notice' },
    } as const;
    expect((await node.app.inject({ ...change, ...bearer(token) })).statusCode).toBe(200);
    const reply = await use(cookie);
    expect(reply.headers['link']).toBe(`<${GUIDE}>; rel="deprecation"`);
    const migration = await bySession(node, cookie, { url: '/auth/migration' });
    expect(migration.json()).toMatchObject({ banner: { show: true, guide_url: GUIDE } });
    expect((await send({})).statusCode).toBe(202);
    await until(async () => (await server.received()).length === 1, 20_000);
    const { text } = await simpleParser((await server.received())[0]!.raw);
    expect(text).toContain(GUIDE);
  });

  it('are found among more sessions than one statement reads', async () => {
    const user = await aReader();
    await sql(
      node,
      `INSERT INTO session (sid, sess, expire)
       SELECT 'many-' || n, json_build_object('userId', CASE WHEN n = 25000 THEN $1 ELSE 'nobody' END), now() + interval '1 day'
       FROM generate_series(1, 25000) AS n`,
      [user.id],
    );
    expect((await node.app.get(UnlinkedSessionsStore).users()).has(user.id)).toBe(true);
    await sql(node, `DELETE FROM session WHERE sid LIKE 'many-%'`);
    expect((await node.app.get(UnlinkedSessionsStore).users()).has(user.id)).toBe(false);
  });
});
