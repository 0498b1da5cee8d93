import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TestContext } from 'vitest';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
import { lockForTransaction } from '../../../src/database/advisory-locks.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { migrate } from '../../../src/database/migrate.js';
import { SessionAttachmentStore } from '../../../src/transition/sessions/table/session-attachment.store.js';
import { userAt, userKey } from '../../../src/transition/sessions/stores/session-table.sql.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import type { Database } from '../../../src/database/database.js';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { aSessionNode, exchange, tableOf, usersWithSessions } from './session-node.js';

/** As connect-pg-simple's documentation makes it. */
const PRODUCT_TABLE = `
  CREATE TABLE "session" ("sid" varchar NOT NULL COLLATE "default", "sess" json NOT NULL, "expire" timestamp(6) NOT NULL);
  ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE;
  CREATE INDEX "IDX_session_expire" ON "session" ("expire");
  INSERT INTO session VALUES ('theirs', '{"cookie":{}}', now() + interval '1 hour')`;

/** Until another connection has got somewhere, in milliseconds. */
const WAIT = { timeout: 15_000 };

const config = { sessionUserKey: 'passport.user', databaseSchema: 'tandem' } as TransitionConfig;

const attachmentsOf = async (database: Database) =>
  new SessionAttachmentStore(database, await tableOf(database), config);

describe('the table of a product that keeps its sessions there', () => {
  let db: TestDatabase;
  const sources: DataSource[] = [];
  const roles: string[] = [];
  beforeEach(async () => {
    db = await createTestDatabase({ migrated: false, product: PRODUCT_TABLE });
  });
  afterEach(async () => {
    for (const source of sources.splice(0)) await source.destroy();
    for (const role of roles.splice(0))
      await db.dataSource.query(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    await db.drop();
  });

  async function open(url: string): Promise<DataSource> {
    // TypeORM asks for the current schema when it connects.
    await asProduct(url, 'CREATE SCHEMA IF NOT EXISTS tandem');
    const source = await new DataSource(dataSourceOptions(url)).initialize();
    sources.push(source);
    return source;
  }

  /** A role of its own, and how it connects. */
  async function aRole(grants: string): Promise<string> {
    const role = `r_${randomUUID().replaceAll('-', '')}`;
    await db.dataSource.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    roles.push(role);
    await db.dataSource.query(
      grants.replaceAll('ROLE', role).replace('DATABASE', `DATABASE ${new URL(db.url).pathname.slice(1)}`),
    );
    const url = new URL(db.url);
    url.username = role;
    url.password = 'x';
    return url.href;
  }

  /** The embedded server's role may not: these tests run where TEST_DATABASE_URL names one that may. */
  async function needsRoles(test: TestContext): Promise<void> {
    const may = `SELECT 1 FROM pg_roles WHERE rolname = current_user AND (rolcreaterole OR rolsuper)`;
    const lacking = (await db.database.query(may)).length === 0;
    test.skip(lacking, 'the role of this database may create no other roles');
  }

  const theirs = () => db.database.query(`SELECT sid FROM session WHERE sid = 'theirs'`);

  const onTable = async () => {
    const triggers = `SELECT tgname AS name FROM pg_trigger WHERE tgrelid = 'public.session'::regclass AND NOT tgisinternal`;
    const indexes = `SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'session'`;
    const rows = await db.database.query<{ name: string }>(`${triggers} UNION ALL ${indexes} ORDER BY name`);
    return rows.map(({ name }) => name);
  };
  const ITS_OWN = ['IDX_session_expire', 'session_pkey'];

  it('is unchanged by the migrations in both directions', async () => {
    const source = await open(db.url);
    await migrate(source);
    expect(await onTable()).toEqual(ITS_OWN);
    await (await attachmentsOf(db.database)).attach();
    expect(await onTable()).toHaveLength(4);
    expect(await theirs()).toHaveLength(1);
    const applied = await db.database.query(`SELECT 1 FROM migrations`);
    for (const _ of applied) await source.undoLastMigration({ transaction: 'each' });
    expect(await theirs()).toHaveLength(1);
    expect(await onTable()).toEqual(ITS_OWN);
  });

  it.each([
    ['without the trigger', false],
    ['with the trigger', true],
  ])('ends a family whose session it deletes, at a poll and at a refresh: %s', async (_name, attached) => {
    await migrate(await open(db.url));
    if (attached) expect(await (await attachmentsOf(db.database)).attach()).toBe(true);
    const node = await aSessionNode(db.url);
    try {
      const users = await usersWithSessions(db.database, 3);
      const [polled, refreshed, kept] = await Promise.all(
        users.map(async (user) => {
          const opened = await exchange(node, user);
          if (typeof opened === 'string') throw new Error(opened);
          return opened;
        }),
      );
      const isRevoked = async (sid: string) => (await node.families.find(sid))?.revoked;
      const deletes = `DELETE FROM session WHERE sid = $1`;
      await db.database.query(deletes, [users[1]!.sid]);
      expect(await node.refreshes.present(refreshed!.token, NO_ORIGIN)).toMatchObject({
        outcome: 'rejected',
      });
      expect(await node.store.live(users[1]!.sid)).toBeUndefined();
      await db.database.query(deletes, [users[0]!.sid]);
      expect(await node.links.lostRows(10)).toHaveLength(attached ? 1 : 0);
      await node.watcher.poll();
      expect(await isRevoked(polled!.family.sid)).toBe(true);
      expect(await isRevoked(kept!.family.sid)).toBe(false);
    } finally {
      await node.stop();
    }
  });

  it('keeps the trigger and the index of an earlier release until they are detached', async () => {
    await migrate(await open(db.url));
    const attachments = await attachmentsOf(db.database);
    await db.dataSource.query(`
      CREATE TRIGGER tandem_session_deleted AFTER DELETE ON public.session FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted();
      CREATE INDEX tandem_session_user_0123456789ab ON public.session ((lower(sess ->> 'user')))`);
    expect(await attachments.state()).toMatchObject({
      hasTrigger: true,
      hasIndex: false,
      useless: ['public.tandem_session_user_0123456789ab'],
    });
    await attachments.attach();
    expect(await attachments.state()).toMatchObject({ hasTrigger: true, hasIndex: true, useless: [] });
    await attachments.detach();
    await attachments.detach();
    expect(await onTable()).toEqual(ITS_OWN);
    // Those of Tandem's own table, if there is one, are not part of it.
    await db.dataSource.query(`
      CREATE TABLE tandem.session AS TABLE public.session;
      CREATE TRIGGER tandem_session_deleted AFTER DELETE ON tandem.session FOR EACH ROW EXECUTE FUNCTION tandem_session_deleted()`);
    await attachments.detach();
    const triggers = `SELECT 1 FROM pg_trigger WHERE tgrelid = 'tandem.session'::regclass`;
    expect(await db.database.query(triggers)).toHaveLength(1);
  });

  it('may belong to another role and refuse writes', async (test) => {
    await needsRoles(test);
    const url = await aRole(
      `GRANT CREATE ON DATABASE TO ROLE; GRANT CREATE ON SCHEMA public TO ROLE; GRANT SELECT, INSERT, UPDATE, DELETE ON session TO ROLE`,
    );
    await migrate(await open(url));
    const node = await aSessionNode(url);
    try {
      await expect((await attachmentsOf(node.database)).attach()).rejects.toThrow(/owner/);
      const [user] = await usersWithSessions(db.database, 1);
      const opened = await exchange(node, user!);
      if (typeof opened === 'string') throw new Error(opened);
      // No trigger tells: it is found by looking.
      await db.database.query(`DELETE FROM session WHERE sid = $1`, [user!.sid]);
      expect(await node.links.lostRows(10)).toEqual([]);
      await node.watcher.poll();
      expect((await node.families.find(opened.family.sid))?.revoked).toBe(true);
    } finally {
      await node.stop();
    }
  });

  it('reports deletions by a role that has no access to our tables', async (test) => {
    await needsRoles(test);
    await migrate(await open(db.url));
    await (await attachmentsOf(db.database)).attach();
    const url = await aRole(`GRANT SELECT, DELETE ON session TO ROLE; GRANT TEMPORARY ON DATABASE TO ROLE`);
    const node = await aSessionNode(db.url);
    const product = new Client({ connectionString: url });
    await product.connect();
    try {
      const users = await usersWithSessions(db.database, 3);
      const logins = [];
      for (const user of users) {
        const opened = await exchange(node, user);
        if (typeof opened === 'string') throw new Error(opened);
        logins.push(opened.family.sid);
      }
      const [early, expired, unlinked] = users;
      await expect(product.query(`SELECT 1 FROM tandem.session_fates`)).rejects.toThrow(/permission denied/);
      // Nor does it see what the role puts in the way of it.
      await product.query(
        `CREATE TEMP TABLE session_fates (sid text, family_id uuid, ended_at timestamptz, row_expired boolean)`,
      );
      await product.query(`DELETE FROM session WHERE sid = $1`, [early!.sid]);
      await db.database.query(`UPDATE session SET expire = now() WHERE sid = $1`, [expired!.sid]);
      await product.query(`DELETE FROM session WHERE sid = $1`, [expired!.sid]);
      expect(await node.links.lostRows(10)).toEqual([logins[0]]);
      await node.watcher.poll();
      const revoked = await Promise.all(logins.map(async (sid) => (await node.families.find(sid))?.revoked));
      expect(revoked).toEqual([true, false, false]);
      expect(await node.store.live(unlinked!.sid)).toBeDefined();
    } finally {
      await product.end();
      await node.stop();
    }
  });

  it('does not block a deletion while the session is being revoked here', async () => {
    await migrate(await open(db.url));
    await (await attachmentsOf(db.database)).attach();
    const node = await aSessionNode(db.url);
    try {
      const [user] = await usersWithSessions(db.database, 1);
      await exchange(node, user!);
      await node.database.transaction(async (sql) => {
        await sql.query(`SELECT 1 FROM session_fates WHERE sid = $1 FOR UPDATE`, [user!.sid]);
        expect(
          await db.database.query(`DELETE FROM session WHERE sid = $1 RETURNING sid`, [user!.sid]),
        ).toHaveLength(1);
      });
    } finally {
      await node.stop();
    }
  });

  it('gets its index beside an open transaction, and no import waits for it', async () => {
    await migrate(await open(db.url));
    const waiting = `SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'`;
    const opened = new Client({ connectionString: db.url });
    await opened.connect();
    try {
      await opened.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await opened.query('SELECT 1');
      const making = (await attachmentsOf(db.database)).ensureIndex();
      await vi.waitFor(async () => expect(await db.database.query(waiting)).toHaveLength(1), WAIT);
      await db.database.transaction((sql) => sql.query(lockForTransaction('imports')));
      expect(await db.database.query(waiting)).toHaveLength(1);
      await opened.query('COMMIT');
      await making;
    } finally {
      await opened.end();
    }
    const made = `SELECT 1 FROM pg_indexes WHERE indexname LIKE 'tandem_session_user%'`;
    expect(await db.database.query(made)).toHaveLength(1);
  });

  it('gets one index on its users, which accepts any row and is used', async () => {
    await migrate(await open(db.url));
    const attachments = await attachmentsOf(db.database);
    const make = () => attachments.ensureIndex();
    await Promise.all([make(), make(), make()]);
    await make();
    const indexes = () =>
      db.database.query<{ indexname: string }>(
        `SELECT indexname FROM pg_indexes WHERE tablename = 'session' AND indexname LIKE 'tandem%'`,
      );
    const [index, ...others] = await indexes();
    expect(others).toEqual([]);
    const valid = () =>
      db.database.query(`SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = $1::text::regclass`, [
        index!.indexname,
      ]);
    // What is left of an attempt that failed.
    await db.dataSource.query(`DROP INDEX ${index!.indexname}`);
    await db.dataSource.query(`INSERT INTO session SELECT 'another', sess, expire FROM session`);
    const failing = `CREATE UNIQUE INDEX CONCURRENTLY ${index!.indexname} ON session ((sess ->> 'nothing' IS NULL))`;
    await expect(db.dataSource.query(failing)).rejects.toThrow(/unique/);
    expect(await valid()).toEqual([{ valid: false }]);
    await make();
    expect(await valid()).toEqual([{ valid: true }]);
    const odd = [
      `{"a":"\\u0000","passport":{"user":"\\ud800"}}`,
      `{"passport":{"user":{"deep":[1]}}}`,
      `{"passport":{"user":"${'\u{1F600}'.repeat(4_000)}"}}`,
      `[]`,
    ];
    for (const sess of odd) {
      await db.database.query(`INSERT INTO session VALUES ($1, $2::json, now())`, [randomUUID(), sess]);
    }
    const plan = await db.dataSource.transaction(async (sql) => {
      await sql.query('SET LOCAL enable_seqscan = off');
      return sql.query<object[]>(
        `EXPLAIN SELECT sid FROM session WHERE ${userKey(userAt('passport.user'))} = ANY ($1)`,
        [['x']],
      );
    });
    expect(JSON.stringify(plan)).toContain(index!.indexname);
  });
});
