import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { migrate } from '../../../src/database/migrate.js';
import { createTestApp } from '../../helpers/app.js';
import type { TestApp } from '../../helpers/app.js';
import { aUser, login, refresh, sql, tokensOf, tryRefresh, verify } from '../../helpers/client.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { SECRET, cookieFor, statusOf, verifySession } from '../../e2e/transition/session-client.js';
import { exchange } from '../../e2e/transition/session-nodes.js';

/** The first migration after the last release. */
const NEXT_RELEASE = 1_797_000_000_000;

/** As the last release has everything: in the schema `public`. */
const TO_PUBLIC = `
  DO $$ DECLARE made record; BEGIN
    FOR made IN SELECT oid::regclass::text AS name FROM pg_class
      WHERE relnamespace = 'tandem'::regnamespace AND relkind = 'r'
    LOOP EXECUTE 'ALTER TABLE ' || made.name || ' SET SCHEMA public'; END LOOP;
    FOR made IN SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace = 'tandem'::regnamespace
    LOOP EXECUTE 'ALTER FUNCTION ' || made.name || ' SET SCHEMA public'; END LOOP;
  END $$;
  DROP SCHEMA tandem;
  DO $$ BEGIN
    ALTER FUNCTION public.tandem_session_deleted() SET search_path = public, pg_temp;
  EXCEPTION WHEN undefined_function THEN NULL; END $$`;

/** A product with TypeORM uses the same table of migrations. */
const PRODUCT = `
  INSERT INTO public.migrations ("timestamp", name) VALUES (1700000000000, 'Orders1700000000000');
  CREATE TABLE public.orders (id integer);
  CREATE TABLE public.webhook_events (id integer)`;

const SESSIONS = `
  CREATE TABLE public.session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)`;

/** The last release created these on a product's table. */
const ATTACHED = `
  CREATE TRIGGER tandem_session_deleted AFTER DELETE ON public.session FOR EACH ROW EXECUTE FUNCTION tandem.tandem_session_deleted();
  CREATE INDEX tandem_session_user_0123456789ab ON public.session ((lower(tandem.tandem_session_user(sess::text, '{"userId"}'))))`;

const ON_SESSIONS = `
  SELECT tgname::text AS name FROM pg_trigger WHERE tgrelid = 'public.session'::regclass
  UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'session' ORDER BY name`;

const TABLES = (schema: string) =>
  `SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relkind = 'r' ORDER BY 1`;

describe('a database of the last release', () => {
  let db: TestDatabase;
  let node: TestApp;
  let families: Awaited<ReturnType<typeof login>>[];
  beforeEach(async () => {
    db = await createTestDatabase();
    node = await createTestApp({ db });
    families = [];
    for (let count = 0; count < 3; count += 1) families.push(await login(node, await aUser(node)));
    await node.close();
    await toLastRelease();
  });
  afterEach(async () => {
    await node.close();
    await db.drop();
  });

  async function toLastRelease(): Promise<void> {
    const source = await new DataSource(dataSourceOptions(db.url)).initialize();
    const applied = `SELECT max("timestamp")::text AS last FROM migrations`;
    for (;;) {
      const [row] = (await source.query(applied)) as [{ last: string }];
      if (Number(row.last) < NEXT_RELEASE) break;
      await source.undoLastMigration({ transaction: 'each' });
    }
    await source.destroy();
    await asProduct(db.url, TO_PUBLIC);
  }

  it('is moved to the schema by the next start, and no family ends', async () => {
    await asProduct(db.url, PRODUCT);
    node = await createTestApp({ db });
    for (const family of families) {
      const next = await refresh(node, family.refresh_token);
      expect(await verify(node, next.access_token)).toBe('204');
    }
    const left = await asProduct<{ relname: string }>(db.url, TABLES('public'));
    expect(left.map(({ relname }) => relname)).toEqual(['migrations', 'orders', 'webhook_events']);
    expect(await asProduct(db.url, `SELECT name FROM public.migrations`)).toEqual([
      { name: 'Orders1700000000000' },
    ]);
  });

  it('is moved once if several nodes start at once', async () => {
    const nodes = [1, 2, 3].map(() => new DataSource(dataSourceOptions(db.url)));
    await Promise.all(nodes.map((one) => migrate(one)));
    expect(await asProduct(db.url, TABLES('public'))).toEqual([]);
    node = await createTestApp({ db });
    await refresh(node, families[0]!.refresh_token);
  });

  it('stays as it is if the move fails', async () => {
    const before = await asProduct(db.url, TABLES('public'));
    await asProduct(
      db.url,
      `CREATE SCHEMA tandem; CREATE FUNCTION tandem.audit_append_only() RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
    );
    await expect(migrate(new DataSource(dataSourceOptions(db.url)))).rejects.toThrow(/audit_append_only/);
    expect(await asProduct(db.url, TABLES('public'))).toEqual(before);
    expect(await asProduct(db.url, TABLES('tandem'))).toEqual([]);
    await asProduct(db.url, `DROP SCHEMA tandem CASCADE`);
    node = await createTestApp({ db });
    await refresh(node, families[0]!.refresh_token);
  });

  it("keeps the sessions in the product's table, with what the last release created there", async () => {
    await node.close();
    await db.drop();
    db = await createTestDatabase({ migrated: false, product: SESSIONS });
    const env = { SESSION_SECRET: SECRET };
    node = await createTestApp({ db, env });
    const user = await aUser(node);
    for (const sid of ['linked', 'unlinked'])
      await sql(node, `INSERT INTO public.session VALUES ($1, $2, now() + interval '1 hour')`, [
        sid,
        JSON.stringify({ cookie: { originalMaxAge: 3_600_000 }, userId: user.id }),
      ]);
    const family = tokensOf(await exchange(node, cookieFor('linked')));
    await node.close();
    await asProduct(db.url, ATTACHED);
    const before = await asProduct(db.url, ON_SESSIONS);
    expect(before).toHaveLength(3);
    await toLastRelease();
    node = await createTestApp({ db, env });
    const next = await refresh(node, family.refresh_token);
    for (const sid of ['linked', 'unlinked']) expect(await verifySession(node, cookieFor(sid))).toBe('204');
    expect(await asProduct(db.url, ON_SESSIONS)).toEqual(before);
    await asProduct(db.url, `DELETE FROM public.session WHERE sid = 'linked'`);
    expect(statusOf(await tryRefresh(node, next.refresh_token))).toBe('401 refresh_token_revoked');
  });
});
