import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { ConfigurationError } from '../../../src/config/config.js';
import { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import { SessionWatcherService } from '../../../src/transition/sessions/link/session-watcher.service.js';
import { SessionTableCheck } from '../../../src/transition/sessions/stores/session-table.check.js';
import { SessionUsersCheck } from '../../../src/transition/sessions/stores/session-users.check.js';
import { SessionAttachmentStore } from '../../../src/transition/sessions/table/session-attachment.store.js';
import { startAuthjs } from '../../frameworks/transition/authjs-product.js';
import { startBetterAuth } from '../../frameworks/transition/better-auth-product.js';
import { startKnex, startSequelize } from '../../frameworks/transition/express-product.js';
import { PRODUCT_SECRET } from '../../frameworks/transition/product.js';
import type { PresetProduct } from '../../frameworks/transition/product.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import {
  aUser,
  bearer,
  get,
  login,
  post,
  refresh,
  sql,
  tokensOf,
  tryRefresh,
  verify,
} from '../../helpers/client.js';
import type { Account, Reply } from '../../helpers/client.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import { productCatalog } from './product-catalog.js';
import { bySession, statusOf, verifySession } from './session-client.js';
import { exchange } from './session-nodes.js';

interface Preset {
  readonly name: string;
  readonly start: (databaseUrl: string) => Promise<PresetProduct>;
  readonly table: string;
  readonly sid: string;
  readonly expire: string;
  readonly isSigned: boolean;
  /** The library's rows say how long a use extends them. */
  readonly saysLifetime: boolean;
}

const PRESETS: readonly Preset[] = [
  {
    name: 'knex',
    start: startKnex,
    table: 'sessions',
    sid: 'sid',
    expire: 'expired',
    isSigned: true,
    saysLifetime: true,
  },
  {
    name: 'sequelize',
    start: startSequelize,
    table: '"Sessions"',
    sid: 'sid',
    expire: 'expires',
    isSigned: true,
    saysLifetime: true,
  },
  {
    name: 'better-auth',
    start: startBetterAuth,
    table: 'session',
    sid: 'token',
    expire: '"expiresAt"',
    isSigned: true,
    saysLifetime: false,
  },
  {
    name: 'authjs',
    start: startAuthjs,
    table: 'sessions',
    sid: '"sessionToken"',
    expire: 'expires',
    isSigned: false,
    saysLifetime: false,
  },
];

describe.each(PRESETS)('SESSION_PRESET=$name', (preset) => {
  const { name, table, sid, expire } = preset;
  let node: TestApp;
  let product: PresetProduct;
  let drop: () => Promise<void>;
  const env = { SESSION_PRESET: name, SESSION_SECRET: PRODUCT_SECRET };

  beforeAll(async () => {
    const db = await createTestDatabase({ migrated: false });
    drop = () => db.drop();
    product = await preset.start(db.url);
    node = await createTestApp({ db, env });
  });
  afterAll(async () => {
    await node.close();
    await product.close();
    await drop();
  });

  /** A user who is logged in at the product and known to Tandem. */
  async function aLogin(): Promise<Account & { cookie: string; inProduct: string }> {
    const { user, cookie } = await product.login();
    const account = await aUser(node);
    await sql(node, 'UPDATE users SET external_id = $2 WHERE id = $1', [account.id, user]);
    return { ...account, cookie, inProduct: user };
  }

  const sessionIn = (reply: Reply): string => {
    const { name: cookie, value } = reply.cookies.findLast((set) => set.name === product.cookieName)!;
    return `${cookie}=${encodeURIComponent(value)}`;
  };

  /** Seconds until the product's row with the latest expiry expires, and how many rows there are. */
  async function lifeOf(user: string): Promise<number> {
    const owner =
      { knex: `sess ->> 'userId'`, sequelize: `data::json ->> 'userId'` }[name] ?? `"userId"::text`;
    const [row] = await asProduct<{ life: number }>(
      node.db.url,
      `SELECT extract(epoch FROM max(${expire}) - now())::float8 AS life FROM ${table} WHERE ${owner} = '${user}'`,
    );
    return row!.life;
  }

  it('accepts a session that the library began, and refuses one with another cookie', async () => {
    const { cookie, inProduct } = await aLogin();
    const me = await bySession(node, cookie, { url: '/api/users/me' });
    expect(me.json()).toMatchObject({ external_id: inProduct });
    const [key, value] = [
      cookie.slice(0, cookie.indexOf('=')),
      decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1)),
    ];
    const changed = (at: number) => {
      const other = value.at(at) === 'A' ? 'B' : 'A';
      return `${key}=${encodeURIComponent(value.slice(0, at) + other + value.slice(at).slice(1))}`;
    };
    // Within the id, and within the signature of a cookie that has one.
    for (const at of [-value.length + 5, -4])
      expect(await verifySession(node, changed(at))).toBe('401 session_invalid');
    expect(await verifySession(node, `${key}=`)).toBe('401 session_invalid');
    expect(await verifySession(node, cookie)).toBe('204');
  });

  it('ends the tokens of a session that the product ends, at the next refresh and at a poll', async () => {
    const [first, second] = [await aLogin(), await aLogin()];
    const refreshed = await refresh(node, tokensOf(await exchange(node, first.cookie)).refresh_token);
    const polled = tokensOf(await exchange(node, second.cookie));
    expect(await product.userOf(first.cookie)).toBe(first.inProduct);
    await product.logout(first.cookie);
    expect(await verifySession(node, first.cookie)).toBe('401 session_invalid');
    expect(statusOf(await tryRefresh(node, refreshed.refresh_token))).toBe('401 refresh_token_revoked');
    await product.logout(second.cookie);
    await expect.poll(() => verify(node, polled.access_token), { timeout: 15_000 }).toBe('401 token_revoked');
  });

  it('writes a session at a downgrade that the library accepts, and the logout ends it there too', async () => {
    const { cookie, inProduct } = await aLogin();
    const { refresh_token } = tokensOf(await exchange(node, cookie));
    const reply = await post(node, '/auth/downgrade', { refresh_token });
    expect(reply.statusCode).toBe(200);
    const own = sessionIn(reply);
    expect(own).not.toBe(cookie);
    expect(await product.userOf(own)).toBe(inProduct);
    expect(await product.userOf(cookie)).toBeUndefined();
    expect(await verifySession(node, own)).toBe('204');
    expect((await bySession(node, own, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    expect(await product.userOf(own)).toBeUndefined();
    expect(await verifySession(node, own)).toBe('401 session_invalid');
  });

  it('opens a session under a new id at a login, and ends the one that the browser had', async () => {
    const { cookie, inProduct, username, password } = await aLogin();
    const reply = await post(node, '/api/login', { username, password }, { headers: { cookie } });
    expect(reply.statusCode).toBe(200);
    const own = sessionIn(reply);
    expect(own).not.toBe(cookie);
    expect(await product.userOf(own)).toBe(inProduct);
    expect(await product.userOf(cookie)).toBeUndefined();
  });

  it('ends every session of a revoked user, and no other', async () => {
    const [user, other] = [await aLogin(), await aLogin()];
    const revoked = { reason: 'revoke', event: 'revoke' } as const;
    await node.app.get(RevocationService).revokeUser(user.id, revoked, NO_ORIGIN);
    expect(await verifySession(node, user.cookie)).toBe('401 session_invalid');
    expect(await product.userOf(user.cookie)).toBeUndefined();
    expect(await verifySession(node, other.cookie)).toBe('204');
    expect(await product.userOf(other.cookie)).toBe(other.inProduct);
  });

  it('never lets a session live longer than the library would, unless it was exchanged', async () => {
    const { cookie, inProduct } = await aLogin();
    await asProduct(node.db.url, `UPDATE ${table} SET ${expire} = now() + interval '10 minutes'`);
    expect(await verifySession(node, cookie)).toBe('204');
    const used = await lifeOf(inProduct);
    if (preset.saysLifetime) expect(used).toBeGreaterThan(3_500);
    expect(used).toBeLessThanOrEqual(preset.saysLifetime ? 3_601 : 600);
    const family = tokensOf(await exchange(node, cookie));
    expect(await lifeOf(inProduct)).toBeGreaterThan(6 * 86_400);
    expect(await product.userOf(cookie)).toBe(inProduct);
    expect(await verify(node, family.access_token)).toBe('204');
  });

  it('extends a session that Tandem began by SESSION_EXPIRY', async () => {
    const { username, password, inProduct } = await aLogin();
    const own = sessionIn(await post(node, '/api/login', { username, password }));
    await asProduct(node.db.url, `UPDATE ${table} SET ${expire} = now() + interval '10 minutes'`);
    expect(await verifySession(node, own)).toBe('204');
    expect(await lifeOf(inProduct)).toBeGreaterThan(86_000);
  });

  it('refuses an expired session', async () => {
    const { cookie } = await aLogin();
    await asProduct(node.db.url, `UPDATE ${table} SET ${expire} = now() - interval '1 second'`);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('does not sign in an administrator by a session that the product began', async () => {
    const { id, cookie } = await aLogin();
    expect(await verifySession(node, cookie)).toBe('204');
    await sql(node, `UPDATE users SET role = 'admin' WHERE id = $1`, [id]);
    expect(await verifySession(node, cookie)).toBe('401 session_invalid');
  });

  it('lists the sessions of a user without their tokens, and ends them by their public ids', async () => {
    const { id, cookie } = await aLogin();
    const { access_token } = await login(node);
    const listed = await get(node, `/admin/tokens?user_id=${id}&scheme=session`, access_token);
    const { tokens } = listed.json<{ tokens: { id: string }[] }>();
    expect(tokens).toHaveLength(1);
    const value = decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1));
    expect(listed.body).not.toContain(value.slice(2, 20));
    const ended = await node.app.inject({
      method: 'DELETE',
      url: `/admin/tokens/${tokens[0]!.id}`,
      ...bearer(access_token),
    });
    expect(ended.statusCode).toBe(204);
    expect(await product.userOf(cookie)).toBeUndefined();
  });

  it('passes the checks of the doctor, and changes nothing on the table but what an operator attaches', async () => {
    const { cookie } = await aLogin();
    const before = await productCatalog(node.db.url);
    for (const check of [SessionTableCheck, SessionUsersCheck])
      expect(
        (await node.app.get<{ examine(): Promise<{ level: string }[]> }>(check).examine()).map(
          ({ level }) => level,
        ),
      ).toEqual(['ok']);
    await node.app.get(SessionWatcherService).poll();
    const attachments = node.app.get(SessionAttachmentStore);
    const missing = attachments.missing((await attachments.state())!);
    expect(missing).toEqual([expect.stringMatching(/^CREATE INDEX CONCURRENTLY tandem_session_user_/)]);
    expect(await productCatalog(node.db.url)).toEqual(before);
    expect(await attachments.attach()).toBe(true);
    const state = (await attachments.state())!;
    expect({ ...state, missing: attachments.missing(state) }).toMatchObject({
      hasIndex: true,
      useless: [],
      missing: [],
    });
    expect(await verifySession(node, cookie)).toBe('204');
    expect(await attachments.detach()).toBe(true);
    expect(await productCatalog(node.db.url)).toEqual(before);
  });

  it('refuses to start on a table that the library did not make, with one line', async () => {
    const failure = await createTestApp({
      db: node.db,
      env: { ...env, SESSION_TABLE: 'public.verification_token_2' },
    }).catch((error: unknown) => error);
    expect((failure as ConfigurationError).faults).toEqual([
      'SESSION_TABLE: there is no table public.verification_token_2 (upper and lower case count)',
    ]);
    await asProduct(node.db.url, 'CREATE TABLE IF NOT EXISTS public.other_table (id integer)');
    const other = await createTestApp({
      db: node.db,
      env: { ...env, SESSION_TABLE: 'public.other_table' },
    }).catch((error: unknown) => error);
    expect((other as ConfigurationError).faults).toEqual([
      `SESSION_TABLE: the table public.other_table has no column ${sid.replaceAll('"', '')}, as ${name} needs it`,
    ]);
    await asProduct(node.db.url, 'DROP TABLE public.other_table');
  });
});
