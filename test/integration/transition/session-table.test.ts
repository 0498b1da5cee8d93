import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { migrate } from '../../../src/database/migrate.js';
import type { Config } from '../../../src/config/config.js';
import { DatabaseEndpoint } from '../../../src/database/trust/database-endpoint.js';
import { conflictsWith } from '../../../src/database/schema/conflicts.js';
import {
  sessionTableConflicts,
  openSessionTable,
} from '../../../src/transition/sessions/table/session-table.provider.js';
import { tableNameIn } from '../../../src/transition/sessions/table/table-name.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aSessionNode, exchange } from './session-node.js';

const COLUMNS = 'sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL';

const PRODUCT = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.user_sessions (${COLUMNS}, CONSTRAINT session_pkey PRIMARY KEY (sid));
  CREATE TABLE "userSessions" (${COLUMNS});
  CREATE TABLE shop."odd "".name" (${COLUMNS});
  CREATE TABLE partitioned (${COLUMNS}) PARTITION BY RANGE (expire);
  CREATE VIEW shop.active AS SELECT * FROM shop.user_sessions;
  CREATE MATERIALIZED VIEW old_sessions AS SELECT * FROM shop.user_sessions;
  CREATE TABLE carts (sid varchar, sess json);
  CREATE TABLE tokens (sid varchar, sess json, expire bigint);
  CREATE TABLE "nothing" ()`;

describe('SESSION_TABLE', () => {
  let db: TestDatabase;
  const sources: DataSource[] = [];
  beforeEach(async () => {
    db = await createTestDatabase({ migrated: false, product: PRODUCT });
  });
  afterEach(async () => {
    for (const source of sources.splice(0)) await source.destroy();
    await db.drop();
  });

  async function migrated(): Promise<void> {
    await asProduct(db.url, 'CREATE SCHEMA IF NOT EXISTS tandem');
    const source = await new DataSource(dataSourceOptions(db.url)).initialize();
    sources.push(source);
    await migrate(source);
  }

  const opened = (setting?: string) => openSessionTable(db.database, 'tandem', tableNameIn(setting));
  const conflicts = (setting?: string) =>
    conflictsWith(new DatabaseEndpoint(db.url), undefined, (client) =>
      sessionTableConflicts(client, {
        databaseSchema: 'tandem',
        sessionTable: tableNameIn(setting),
      } as unknown as Config),
    );

  it.each([
    ['shop.user_sessions', '"shop"."user_sessions"'],
    ['"shop"."user_sessions"', '"shop"."user_sessions"'],
    ['userSessions', '"public"."userSessions"'],
    ['shop."odd "".name"', '"shop"."odd "".name"'],
    ['partitioned', '"public"."partitioned"'],
  ])('may be %s', async (setting, name) => {
    expect(await conflicts(setting)).toEqual([]);
    await migrated();
    expect(await opened(setting)).toMatchObject({ qualifiedName: name, isOwn: false });
  });

  it.each([
    ['shop.active', /^SESSION_TABLE: shop\.active is a view: name the table that the view reads$/],
    ['old_sessions', /^SESSION_TABLE: public\.old_sessions is a view/],
    ['shop.sessions', /^SESSION_TABLE: there is no table shop\.sessions /],
    ['nowhere.user_sessions', /^SESSION_TABLE: there is no table nowhere\.user_sessions /],
    ['user_sessions', /^SESSION_TABLE: there is no table user_sessions on the search path .*\(public/],
    ['USERSESSIONS', /^SESSION_TABLE: there is no table "USERSESSIONS" /],
    ['carts', /^SESSION_TABLE: the table public\.carts has no column expire/],
    ['nothing', /^SESSION_TABLE: the table public\.nothing has no column sid/],
    ['tokens', /^SESSION_TABLE: the column expire of the table public\.tokens has the type bigint$/],
    ['pg_catalog.pg_class', /^SESSION_TABLE: the table pg_catalog\.pg_class has no column sid/],
  ])('may not be %s: the start is refused before it changes anything', async (setting, line) => {
    expect(await conflicts(setting)).toEqual([expect.stringMatching(line)]);
    const made = `SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('tandem')`;
    expect(await asProduct(db.url, made)).toEqual([]);
    await migrated();
    await expect(opened(setting)).rejects.toMatchObject({
      name: 'ConfigurationError',
      faults: [expect.stringMatching(line)],
    });
  });

  it.each(['SELECT', 'INSERT', 'UPDATE'])(
    'may not be a table without the privilege %s',
    async (privilege) => {
      await asProduct(db.url, `REVOKE ${privilege} ON shop.user_sessions FROM CURRENT_USER`);
      const [{ superuser }] = (await asProduct<{ superuser: boolean }>(
        db.url,
        `SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user`,
      )) as [{ superuser: boolean }];
      const line = new RegExp(
        `^SESSION_TABLE: the role "\\w+" may not ${privilege} in the table shop\\.user_sessions: run GRANT`,
      );
      expect(await conflicts('shop.user_sessions')).toEqual(superuser ? [] : [expect.stringMatching(line)]);
    },
  );

  it('is not needed if the first start makes a table, and a later table of the product does not replace it', async () => {
    await migrated();
    expect(await opened()).toMatchObject({ shown: 'tandem.session', isOwn: true });
    await asProduct(db.url, `CREATE TABLE public.session (${COLUMNS})`);
    expect(await opened()).toMatchObject({ shown: 'tandem.session', isOwn: true });
    expect(await opened('session')).toMatchObject({ shown: 'public.session', isOwn: false });
    expect(await opened()).toMatchObject({ shown: 'tandem.session', isOwn: true });
  });

  it('is needed if the table that was found at the first start is gone, or is replaced by a view', async () => {
    await asProduct(db.url, `CREATE TABLE session (${COLUMNS})`);
    await migrated();
    expect(await opened()).toMatchObject({ shown: 'public.session', isOwn: false });
    await asProduct(db.url, `ALTER DATABASE ${new URL(db.url).pathname.slice(1)} SET search_path = shop`);
    expect(await opened()).toMatchObject({ shown: 'public.session' });
    await asProduct(db.url, `ALTER TABLE public.session RENAME TO sessions`);
    const missing = expect.stringMatching(
      /^SESSION_TABLE: the table public\.session, .* is missing: name the table/,
    );
    expect(await conflicts()).toEqual([missing]);
    await expect(opened()).rejects.toMatchObject({ faults: [missing] });
    await asProduct(db.url, `CREATE VIEW public.session AS SELECT * FROM public.sessions`);
    expect(await conflicts()).toEqual([expect.stringMatching(/^SESSION_TABLE: public\.session is a view/)]);
    expect(await opened('public.sessions')).toMatchObject({ shown: 'public.sessions' });
  });

  it('must not be forgotten while sessions of the table are linked: their families would end', async () => {
    await migrated();
    const node = await aSessionNode(db.url, { table: 'shop.user_sessions' });
    try {
      await db.database.query(
        `INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), 'ann', 'ann')`,
      );
      expect(await conflicts()).toEqual([]);
      const [user] = await db.database.query<{ id: string }>(
        `INSERT INTO shop.user_sessions
           SELECT 'hers', json_build_object('cookie', json_build_object('originalMaxAge', 3600000), 'userId', id), now() + interval '1 hour'
           FROM users RETURNING sess ->> 'userId' AS id`,
      );
      expect(await exchange(node, { id: user!.id, sid: 'hers' })).toBeTypeOf('object');
      const line = expect.stringMatching(
        /^SESSION_TABLE is unset, .* set SESSION_TABLE=shop\.user_sessions$/,
      );
      expect(await conflicts()).toEqual([line]);
      await expect(opened()).rejects.toMatchObject({ faults: [line] });
      expect(await opened('shop.user_sessions')).toMatchObject({ shown: 'shop.user_sessions' });
    } finally {
      await node.stop();
    }
  });

  it('must name a table if an earlier release used one that this release cannot use', async () => {
    await migrated();
    const source = sources[0]!;
    await source.undoLastMigration({ transaction: 'each' });
    for (;;) {
      const [last] = (await source.query(
        `SELECT name FROM migrations ORDER BY "timestamp" DESC LIMIT 1`,
      )) as { name: string }[];
      if (last!.name.endsWith('1796001730000')) break;
      await source.undoLastMigration({ transaction: 'each' });
    }
    await source.query(
      `INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), 'ann', 'ann')`,
    );
    await source.query(`INSERT INTO session_fates (sid, user_id) SELECT 'hers', id FROM users`);
    await source.query(`DROP TABLE session`);
    await migrate(source);
    await expect(opened()).rejects.toMatchObject({
      faults: [
        'SESSION_TABLE is unset, and Tandem cannot tell which table held the sessions until now: set SESSION_TABLE',
      ],
    });
    expect(await opened('shop.user_sessions')).toMatchObject({ shown: 'shop.user_sessions' });
  });
});
