import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebhooksCheck } from '../../src/admin/cli/doctor/webhooks.check.js';
import { CleanUpJob } from '../../src/operations/clean-up.job.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, everyRow, get, login, post, sidOf, sql, tryLogin, until } from '../helpers/client.js';
import type { Account } from '../helpers/client.js';
import { WebhookReceiver } from '../helpers/webhook-receiver.js';

let receiver: WebhookReceiver;
let one: TestApp;
let two: TestApp;
let root: ReturnType<typeof bearer>;
beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  one = await createTestApp({ env: receiver.env });
  two = await createTestApp({ env: receiver.env, db: one.db });
  root = bearer((await login(one)).access_token);
});
afterAll(async () => {
  await two.close();
  await one.close();
  await receiver.close();
});
beforeEach(() => {
  receiver.behaviour = 204;
});

const PATIENCE = 15_000;
const change = (id: string, payload: object) =>
  one.app.inject({ method: 'PATCH', url: `/admin/users/${id}`, payload, ...root });
const typesOf = (user: Account) => receiver.of(user.id).map(({ event }) => event.type);
const arrived = (user: Account, count: number) =>
  until(async () => receiver.of(user.id).length >= count, PATIENCE);
/** Lets the next attempt be due. Nodes that found the receiver down look again within seconds. */
const hurry = () => sql(one, `UPDATE webhook_events SET due_at = now()`);
const waiting = async (user: Account) =>
  (
    await sql<{ n: number }>(one, 'SELECT count(*)::integer AS n FROM webhook_events WHERE user_id = $1', [
      user.id,
    ])
  )[0]!.n;

describe('webhooks', () => {
  it('tell of a logout, with the ids of the user and of the login', async () => {
    const user = await aUser(one);
    await sql(one, 'UPDATE users SET external_id = $2 WHERE id = $1', [user.id, `ext-${user.username}`]);
    const tokens = await login(one, user);
    await post(one, '/auth/logout', undefined, bearer(tokens.access_token));
    await arrived(user, 1);
    const [delivery] = receiver.of(user.id);
    expect(delivery!.event).toEqual({
      type: 'login.revoked',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      data: {
        user_id: user.id,
        external_id: `ext-${user.username}`,
        version: expect.any(Number),
        state: 'revoked',
        sid: sidOf(tokens),
        reason: 'logout',
      },
    });
    expect(delivery!.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^msg_[0-9a-f-]{36}$/),
    });
    await until(async () => (await waiting(user)) === 0, PATIENCE);
  });

  it('tell of changes by administrators, one after the other with rising versions', async () => {
    const user = await aUser(one);
    await change(user.id, { role: 'admin', email: 'a@example.com' });
    await change(user.id, { disabled: true });
    await change(user.id, { disabled: false, password: 'another good pass phrase' });
    await change(user.id, { disabled: false });
    await arrived(user, 4);
    const seen = receiver
      .of(user.id)
      .map(({ event: { type, data } }) => [type, data['state'], data['changed']]);
    expect(seen).toEqual([
      ['user.changed', 'active', ['role', 'email']],
      ['user.changed', 'disabled', ['disabled']],
      ['user.password_changed', 'active', undefined],
      ['user.changed', 'active', ['disabled']],
    ]);
    const versions = receiver.of(user.id).map(({ event }) => event.data.version);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
  });

  it('tell of a password that its owner changed, and of the logins that this ended', async () => {
    const user = await aUser(one);
    const [mine, other] = [await login(one, user), await login(one, user)];
    const next = `next pass phrase of ${randomUUID()}`;
    const body = { current_password: user.password, new_password: next };
    expect((await post(one, '/auth/password', body, bearer(mine.access_token))).statusCode).toBe(204);
    await arrived(user, 2);
    expect(typesOf(user).toSorted()).toEqual(['login.revoked', 'user.password_changed']);
    const revoked = receiver.of(user.id).find(({ event }) => event.type === 'login.revoked')!;
    expect(revoked.event.data).toMatchObject({ sid: sidOf(other), reason: 'password' });
  });

  it('tell of each login that a bulk revocation ended, from one statement', async () => {
    const users = await Promise.all(Array.from({ length: 3 }, () => aUser(one)));
    const logins = [];
    for (const user of users) logins.push(await login(one, user), await login(one, user));
    const user_ids = users.map(({ id }) => id);
    expect((await post(one, '/admin/tokens/revoke', { user_ids }, root)).statusCode).toBe(200);
    await until(async () => users.every((user) => receiver.of(user.id).length === 2), PATIENCE);
    const sids = users.flatMap((user) => receiver.of(user.id).map(({ event }) => event.data['sid']));
    expect(new Set(sids)).toEqual(new Set(logins.map(sidOf)));
  });

  it('carry no password, hash, name or address, and no event of a change that was rolled back', async () => {
    const user = await aUser(one);
    await change(user.id, { email: 'secret-address@example.com', password: 'a pass phrase for nobody else' });
    await arrived(user, 2);
    const refused = await change(user.id, { role: 'admin', password: 'short' });
    expect(refused.statusCode).toBe(400);
    await post(one, '/auth/login', { username: user.username, password: 'wrong' });
    await until(async () => (await waiting(user)) === 0, PATIENCE);
    expect(typesOf(user).toSorted()).toEqual(['user.changed', 'user.password_changed']);
    for (const { body } of receiver.of(user.id)) {
      expect(body).not.toContain(user.username);
      expect(body).not.toContain('secret-address');
      expect(body).not.toContain('argon2');
    }
  });

  it('are sent again with the same webhook-id and body until the receiver accepts them', async () => {
    const user = await aUser(one);
    receiver.behaviour = 400;
    await change(user.id, { email: 'b@example.com' });
    await arrived(user, 1);
    await until(async () => {
      await hurry();
      return receiver.of(user.id).length >= 3;
    }, PATIENCE);
    receiver.behaviour = 200;
    await until(async () => {
      await hurry();
      return (await waiting(user)) === 0;
    }, PATIENCE);
    const deliveries = receiver.of(user.id);
    expect(new Set(deliveries.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(deliveries.map(({ body }) => body)).size).toBe(1);
  });

  it('of one user wait for each other; those of other users do not wait', async () => {
    const [stuck, free] = [await aUser(one), await aUser(one)];
    receiver.behaviour = (_request, response) => {
      const last = receiver.received.at(-1)!;
      response.writeHead(last.event.data.user_id === stuck.id ? 400 : 204).end();
    };
    await change(stuck.id, { email: 'first@example.com' });
    await change(stuck.id, { disabled: true });
    await change(free.id, { email: 'other@example.com' });
    await arrived(free, 1);
    await arrived(stuck, 1);
    expect(new Set(receiver.of(stuck.id).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    // After an hour the later event no longer waits.
    await sql(
      one,
      `UPDATE webhook_events SET created_at = created_at - interval '61 minutes' WHERE changed = '{email}'`,
    );
    await until(
      async () => receiver.of(stuck.id).some(({ event }) => event.data['state'] === 'disabled'),
      PATIENCE,
    );
    receiver.behaviour = 204;
    await until(async () => {
      await hurry();
      return (await waiting(stuck)) === 0;
    }, PATIENCE);
  });

  it('reach the receiver once each, though two nodes send', async () => {
    const users = await Promise.all(Array.from({ length: 20 }, () => aUser(one)));
    await Promise.all(users.map(({ id }, index) => change(id, { email: `mail${index}@example.com` })));
    await until(async () => users.every((user) => receiver.of(user.id).length > 0), PATIENCE);
    await until(async () => (await Promise.all(users.map(waiting))).every((count) => count === 0), PATIENCE);
    expect(users.map((user) => receiver.of(user.id).length)).toEqual(users.map(() => 1));
    expect(receiver.forged).toEqual([]);
  });

  it('do not slow a request while the receiver is dead, and arrive when it is back', async () => {
    const user = await aUser(one);
    receiver.behaviour = () => undefined;
    await change(user.id, { email: 'c@example.com' });
    await arrived(user, 1);
    // The request hangs at the receiver. The service continues.
    expect((await change(user.id, { disabled: true })).statusCode).toBe(200);
    expect((await change(user.id, { disabled: false })).statusCode).toBe(200);
    expect((await tryLogin(one, user)).statusCode).toBe(200);
    receiver.behaviour = (_request, response) => response.destroy();
    await sql(one, `UPDATE webhook_events SET due_at = now()`);
    receiver.behaviour = 204;
    await until(async () => {
      await hurry();
      return (await waiting(user)) === 0;
    }, 30_000);
    expect(typesOf(user).at(-1)).toBe('user.changed');
  });

  it('are given up after a day, with an audit event, a metric and a finding of the doctor before', async () => {
    const user = await aUser(one);
    receiver.behaviour = 410;
    await change(user.id, { email: 'd@example.com' });
    await arrived(user, 1);
    await until(
      async () => (await sql(one, `SELECT 1 FROM webhook_events WHERE last_error = 'HTTP 410'`)).length === 1,
      PATIENCE,
    );
    const [{ delay }] = (await sql<{ delay: number }>(
      one,
      `SELECT extract(epoch FROM due_at - now())::float8 AS delay FROM webhook_events`,
    )) as [{ delay: number }];
    expect(delay).toBeGreaterThan(600);
    await sql(one, `UPDATE webhook_events SET created_at = now() - interval '23 hours 59 minutes'`);
    const doctor = () => one.app.get(WebhooksCheck, { strict: false }).examine();
    expect(await doctor()).toMatchObject([{ level: 'warn', message: expect.stringContaining('HTTP 410') }]);
    await sql(
      one,
      `UPDATE webhook_events SET created_at = now() - interval '24 hours 1 second', due_at = now()`,
    );
    const before = receiver.received.length;
    await one.app.get(CleanUpJob, { strict: false }).run();
    expect(await waiting(user)).toBe(0);
    expect(receiver.received.length).toBe(before);
    expect(
      await sql(one, `SELECT detail FROM audit_events WHERE event = 'webhook' AND cause = 'given_up'`),
    ).toEqual([{ detail: { count: 1 } }]);
    expect((await get(one, '/metrics')).body).toMatch(
      /^tandem_webhook_attempts_total\{outcome="given_up"\} 1$/m,
    );
    expect(await doctor()).toMatchObject([{ level: 'ok' }]);
  });

  it('are not written without WEBHOOK_URL', async () => {
    const silent = await createTestApp();
    try {
      const user = await aUser(silent);
      const tokens = await login(silent, user);
      await post(silent, '/auth/logout', undefined, bearer(tokens.access_token));
      expect(await sql(silent, 'SELECT * FROM webhook_events')).toEqual([]);
      expect(await silent.app.get(WebhooksCheck, { strict: false }).examine()).toEqual([]);
      expect((await everyRow(silent)).join('\n')).not.toContain('whsec_');
    } finally {
      await silent.close();
    }
  });
});
