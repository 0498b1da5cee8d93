import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RevocationService } from '../../../src/tokens/families/revocation.service.js';
import { SessionAttachmentStore } from '../../../src/transition/sessions/table/session-attachment.store.js';
import { SessionTableCheck } from '../../../src/transition/sessions/stores/session-table.check.js';
import { SessionWatcherService } from '../../../src/transition/sessions/link/session-watcher.service.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, post, refresh, sql, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import type { Account } from '../../helpers/client.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { productCatalog } from './product-catalog.js';
import {
  SECRET,
  bySession,
  cookieFor,
  sessionCookie,
  sessionLogin,
  statusOf,
  verifySession,
} from './session-client.js';
import { exchange } from './session-nodes.js';

/** A product that uses many names of this service, and keeps its sessions in a table of another name and schema. */
const PRODUCT = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.user_sessions (sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (sid));
  CREATE INDEX "IDX_session_expire" ON shop.user_sessions (expire);
  CREATE VIEW session AS SELECT * FROM shop.user_sessions;
  CREATE TABLE users (id serial PRIMARY KEY, email text);
  CREATE TABLE migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL);
  INSERT INTO migrations ("timestamp", name) VALUES (1700000000000, 'Orders1700000000000');
  CREATE TABLE jobs (id serial PRIMARY KEY);
  CREATE TABLE audit_events (id integer);
  CREATE FUNCTION tandem_session_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
  CREATE FUNCTION tandem_session_user(text, text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'nobody'::text $$`;

describe('a product whose sessions are in SESSION_TABLE', () => {
  let db: TestDatabase;
  let node: TestApp;
  let before: string[];
  let user: Account;
  const start = () =>
    createTestApp({ env: { SESSION_SECRET: SECRET, SESSION_TABLE: 'shop.user_sessions' }, db });

  beforeAll(async () => {
    db = await createTestDatabase({ migrated: false, product: PRODUCT });
    before = await productCatalog(db.url);
    node = await start();
    user = await aUser(node);
  });
  afterAll(async () => {
    await node.close();
    await db.drop();
  });

  async function sessionOfTheProduct(sid: string): Promise<string> {
    await sql(node, `INSERT INTO shop.user_sessions VALUES ($1, $2, now() + interval '1 hour')`, [
      sid,
      JSON.stringify({ cookie: { originalMaxAge: 3_600_000 }, userId: user.id }),
    ]);
    return cookieFor(sid);
  }

  const ends = (sid: string) => asProduct(db.url, `DELETE FROM shop.user_sessions WHERE sid = '${sid}'`);

  it('uses them as its own, in both directions', async () => {
    const cookie = await sessionOfTheProduct('first');
    expect(await verifySession(node, cookie)).toBe('204');
    const { refresh_token } = await refresh(node, tokensOf(await exchange(node, cookie)).refresh_token);
    const down = await post(node, '/auth/downgrade', { refresh_token });
    const session = sessionCookie(down)!;
    expect(await verifySession(node, session)).toBe('204');
    const opened = await sessionLogin(node, user);
    const rows = await asProduct(db.url, `SELECT sid FROM shop.user_sessions`);
    expect(rows).toHaveLength(2);
    expect((await bySession(node, session, { method: 'POST', url: '/api/logout' })).statusCode).toBe(204);
    const revoked = { reason: 'revoke', event: 'revoke' } as const;
    await node.app.get(RevocationService).revokeUser(user.id, revoked, NO_ORIGIN);
    expect(await verifySession(node, opened)).toBe('401 session_invalid');
    expect(await asProduct(db.url, `SELECT sid FROM shop.user_sessions`)).toEqual([]);
  });

  it.each(['without the trigger', 'with the trigger'])('ends a family with its session: %s', async (mode) => {
    const attachments = node.app.get(SessionAttachmentStore);
    if (mode === 'with the trigger') expect(await attachments.attach()).toBe(true);
    const sid = mode.replaceAll(' ', '-');
    const first = tokensOf(await exchange(node, await sessionOfTheProduct(sid)));
    await ends(sid);
    expect(await verifySession(node, cookieFor(sid))).toBe('401 session_invalid');
    expect(statusOf(await tryRefresh(node, first.refresh_token))).toBe('401 refresh_token_revoked');
    const second = tokensOf(await exchange(node, await sessionOfTheProduct(`${sid}-2`)));
    await ends(`${sid}-2`);
    await expect.poll(() => verify(node, second.access_token), { timeout: 15_000 }).toBe('401 token_revoked');
    await attachments.detach();
  });

  it('finds its objects as they were, after starts, migrations and the work in the background', async () => {
    await node.app.get(SessionWatcherService).poll();
    await node.app.get(SessionTableCheck).examine();
    expect(await productCatalog(db.url)).toEqual(before);
    await node.close();
    node = await start();
    expect(await productCatalog(db.url)).toEqual(before);
  });

  it('keeps running its own migrations', async () => {
    const cookie = await sessionOfTheProduct('migrated');
    expect(await verifySession(node, cookie)).toBe('204');
    await asProduct(
      db.url,
      `DROP VIEW session;
       ALTER TABLE shop.user_sessions ADD seen timestamptz, ALTER sess TYPE jsonb USING sess::jsonb;
       INSERT INTO migrations ("timestamp", name) VALUES (1700000000001, 'Seen1700000000001')`,
    );
    await expect.poll(() => verifySession(node, cookie), { timeout: 15_000 }).toBe('204');
  });

  it('has nothing but one named index and one named trigger attached by an operator, who can remove both', async () => {
    const now = await productCatalog(db.url);
    const attachments = node.app.get(SessionAttachmentStore);
    expect(attachments.missing((await attachments.state())!)).toHaveLength(2);
    await attachments.attach();
    await attachments.attach();
    const added = (await productCatalog(db.url)).filter((line) => !now.includes(line));
    expect(added).toEqual([
      expect.stringMatching(/^column shop\.tandem_session_user_/),
      expect.stringMatching(
        /^index shop CREATE INDEX tandem_session_user_[0-9a-f]{12} ON shop\.user_sessions /,
      ),
      expect.stringMatching(/^relation shop\.tandem_session_user_[0-9a-f]{12} i /),
      'trigger shop.user_sessions tandem_session_deleted O',
    ]);
    expect(attachments.missing((await attachments.state())!)).toEqual([]);
    expect(await verifySession(node, await sessionOfTheProduct('attached'))).toBe('204');
    await attachments.detach();
    await attachments.detach();
    expect(await productCatalog(db.url)).toEqual(now);
  });
});
