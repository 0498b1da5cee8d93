import { DataSource } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { migrate } from '../../../src/database/migrate.js';
import { conflictsWith, requireNoConflicts } from '../../../src/database/schema/conflicts.js';
import { FIRST_MIGRATION } from '../../../src/database/schema/installation.js';
import { DatabaseEndpoint } from '../../../src/database/trust/database-endpoint.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { Database } from '../../../src/database/database.js';
import { tableOf } from './session-node.js';

/** What the databases of products contain, each under a name that this service uses too. */
const PRODUCTS: Readonly<Record<string, string>> = {
  'its own users': `CREATE TABLE users (id serial PRIMARY KEY, email text); INSERT INTO users (email) VALUES ('ann@example.com')`,
  'the migrations table of TypeORM': `
    CREATE TABLE migrations (id serial PRIMARY KEY, "timestamp" bigint NOT NULL, name varchar NOT NULL);
    INSERT INTO migrations ("timestamp", name) VALUES (1700000000000, 'Orders1700000000000')`,
  'the migrations table of Laravel': `
    CREATE TABLE migrations (id serial PRIMARY KEY, migration varchar(255) NOT NULL, batch integer NOT NULL);
    INSERT INTO migrations (migration, batch) VALUES ('2014_10_12_000000_create_users_table', 1)`,
  'a session table of another shape': `CREATE TABLE session (id uuid PRIMARY KEY, data bytea); INSERT INTO session VALUES (gen_random_uuid(), '')`,
  'a view named session': `CREATE TABLE s (sid varchar, sess json, expire timestamp); CREATE VIEW session AS SELECT * FROM s`,
  'a table named jobs': `CREATE TABLE jobs (id serial PRIMARY KEY); INSERT INTO jobs DEFAULT VALUES`,
  'a schema named jobs': `CREATE SCHEMA jobs; CREATE TABLE jobs.queue (name text); INSERT INTO jobs.queue VALUES ('mails')`,
  'user_sessions with a constraint named session_pkey': `
    CREATE TABLE user_sessions (sid varchar NOT NULL, sess json NOT NULL, expire timestamp(6) NOT NULL,
      CONSTRAINT session_pkey PRIMARY KEY (sid));
    CREATE INDEX "IDX_session_expire" ON user_sessions (expire)`,
};

/** Everything outside the schema of this service. */
const OBJECTS = `
  SELECT n.nspname, c.relname, c.relkind, c.relfilenode::text,
    ARRAY (SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS triggers
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'tandem') ORDER BY 1, 2`;

const SCHEMAS = `SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' ORDER BY 1`;

describe('a database that a product uses', () => {
  let db: TestDatabase;
  const nodes: DataSource[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.destroy();
    await db.drop();
  });

  async function start(schema?: string): Promise<DataSource> {
    await requireNoConflicts(new DatabaseEndpoint(db.url, schema), 5);
    const node = new DataSource(dataSourceOptions(db.url, { schema }));
    await migrate(node);
    nodes.push(node);
    return node.initialize();
  }

  const conflicts = (schema?: string) => conflictsWith(new DatabaseEndpoint(db.url, schema), undefined);

  it.each(Object.entries(PRODUCTS))('may have %s: the start changes none of it', async (_name, product) => {
    db = await createTestDatabase({ migrated: false, product });
    const before = await asProduct(db.url, OBJECTS);
    expect(await conflicts()).toEqual([]);
    const node = await start();
    expect(await asProduct(db.url, OBJECTS)).toEqual(before);
    expect(await tableOf(new Database(node))).toMatchObject({ shown: 'tandem.session', isOwn: true });
    // Its own migrations keep working.
    await asProduct(db.url, `CREATE TABLE orders (id serial PRIMARY KEY); DROP TABLE orders`);
    await start();
  });

  it('keeps its connect-pg-simple table, which the sessions are read from', async () => {
    db = await createTestDatabase({
      migrated: false,
      product: `CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL);
        INSERT INTO session VALUES ('theirs', '{}', now())`,
    });
    const node = await start();
    expect((await tableOf(new Database(node))).shown).toBe('public.session');
    expect(await node.query(`SELECT to_regclass('tandem.session') AS own`)).toEqual([{ own: null }]);
    const [{ search_path }] = (await node.query('SHOW search_path')) as [{ search_path: string }];
    expect(search_path).toBe('"tandem", pg_temp');
  });

  it('is used in another schema if DATABASE_SCHEMA names one', async () => {
    db = await createTestDatabase({ migrated: false });
    const node = await start('auth_2');
    const [{ search_path }] = (await node.query('SHOW search_path')) as [{ search_path: string }];
    expect(search_path).toBe('"auth_2", pg_temp');
    expect(await asProduct(db.url, `SELECT to_regclass('auth_2.users') IS NOT NULL AS there`)).toEqual([
      { there: true },
    ]);
    expect(await asProduct(db.url, SCHEMAS)).not.toContainEqual({ nspname: 'tandem' });
  });

  it('is used although a first start that is still running, or was killed, has made its table of migrations', async () => {
    const table = `CREATE SCHEMA tandem; CREATE TABLE tandem.migrations (id serial PRIMARY KEY, "timestamp" bigint, name varchar)`;
    db = await createTestDatabase({ migrated: false, product: table });
    expect(await conflicts()).toEqual([]);
    await asProduct(
      db.url,
      `INSERT INTO tandem.migrations ("timestamp", name) VALUES (1, 'MadeByAProduct1')`,
    );
    expect(await conflicts()).toEqual([expect.stringContaining('tables that are not')]);
  });

  it('has every conflict named, one line each, and nothing is changed', async () => {
    db = await createTestDatabase({
      migrated: false,
      product: `CREATE SCHEMA tandem; GRANT CREATE ON SCHEMA tandem TO PUBLIC; CREATE TABLE tandem.orders (id integer)`,
    });
    const schemas = await asProduct(db.url, SCHEMAS);
    await expect(start()).rejects.toMatchObject({
      name: 'ConfigurationError',
      faults: [
        expect.stringMatching(/^DATABASE_SCHEMA: the schema "tandem" lets other roles create .*\(PUBLIC\)/),
        expect.stringMatching(
          /^DATABASE_SCHEMA: the schema "tandem" contains tables that are not Tandem's \(orders\)/,
        ),
      ],
    });
    expect(await asProduct(db.url, SCHEMAS)).toEqual(schemas);
    expect(await asProduct(db.url, `SELECT to_regclass('tandem.migrations') AS made`)).toEqual([
      { made: null },
    ]);
  });

  const nameOf = ({ url }: TestDatabase) => new URL(url).pathname.slice(1);

  it.each(['tandem, public', '"tandem",public', 'TANDEM, public', '"$user", tandem, public'])(
    "refuses to come before the product's tables on the search path %s",
    async (path) => {
      db = await createTestDatabase({
        migrated: false,
        product: `CREATE TABLE users (id serial PRIMARY KEY)`,
      });
      await asProduct(db.url, `ALTER DATABASE ${nameOf(db)} SET search_path = ${path}`);
      expect(await conflicts()).toEqual([
        expect.stringMatching(/^DATABASE_SCHEMA: the search path of the role ".*\(public\.users\)/),
      ]);
      expect(await conflicts('auth_2')).toEqual([]);
    },
  );

  it('refuses the name of the role, because "$user" finds that schema first', async () => {
    db = await createTestDatabase({ migrated: false, product: `CREATE TABLE users (id serial PRIMARY KEY)` });
    await asProduct(db.url, `ALTER DATABASE ${nameOf(db)} RESET search_path`);
    const { username } = new URL(db.url);
    expect(await conflicts(username)).toEqual([
      expect.stringMatching(/^DATABASE_SCHEMA: the search path of the role .*: name another schema, or set/),
    ]);
  });

  it.each([
    ['the product has no table', 'tandem, public', ''],
    ["the product's tables come first", 'public, tandem', 'CREATE TABLE users (id integer)'],
    ['a quoted name differs in case', '"TANDEM", public', 'CREATE TABLE users (id integer)'],
    ["the product's tables are on no search path", 'tandem', 'CREATE TABLE public.users (id integer)'],
  ])('may have Tandem on the search path if %s', async (_why, path, product) => {
    db = await createTestDatabase({ migrated: false, product });
    await asProduct(db.url, `ALTER DATABASE ${nameOf(db)} SET search_path = ${path}`);
    expect(await conflicts()).toEqual([]);
  });

  it('starts again with a search path that was changed later', async () => {
    db = await createTestDatabase({ product: `CREATE TABLE public.orders (id integer)` });
    await asProduct(db.url, `ALTER DATABASE ${nameOf(db)} SET search_path = tandem, public`);
    expect(await conflicts()).toEqual([]);
  });

  it('refuses a schema with functions or types of the product', async () => {
    db = await createTestDatabase({
      migrated: false,
      product: `CREATE SCHEMA tandem; CREATE FUNCTION tandem.one() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        CREATE TYPE tandem.colour AS ENUM ('red')`,
    });
    expect(await conflicts()).toEqual([
      expect.stringContaining("contains functions or types that are not Tandem's (colour, one)"),
    ]);
  });

  it('refuses a schema of another role', async () => {
    db = await createTestDatabase({ migrated: false });
    expect(await conflicts('information_schema')).toContainEqual(
      expect.stringMatching(/^DATABASE_SCHEMA: the schema "information_schema" belongs to the role "/),
    );
  });

  it('refuses a later start if another role may create objects in the schema', async () => {
    db = await createTestDatabase();
    expect(await conflicts()).toEqual([]);
    await asProduct(db.url, `GRANT CREATE ON SCHEMA tandem TO PUBLIC`);
    expect(await conflicts()).toEqual([expect.stringContaining('(PUBLIC)')]);
  });

  it('needs no CREATE on the database if the schema exists', async () => {
    db = await createTestDatabase({ migrated: false });
    const name = new URL(db.url).pathname.slice(1);
    await asProduct(db.url, `REVOKE CREATE ON DATABASE ${name} FROM CURRENT_USER`);
    const [{ may }] = (await asProduct(
      db.url,
      `SELECT has_database_privilege(current_database(), 'CREATE') AS may`,
    )) as [{ may: boolean }];
    if (!may) {
      expect(await conflicts()).toEqual([
        expect.stringMatching(
          /^DATABASE_SCHEMA: there is no schema "tandem", and the role .* may not create/,
        ),
      ]);
      await expect(start()).rejects.toMatchObject({ name: 'ConfigurationError' });
    }
    await asProduct(
      db.url,
      `GRANT CREATE ON DATABASE ${name} TO CURRENT_USER; CREATE SCHEMA tandem; REVOKE CREATE ON DATABASE ${name} FROM CURRENT_USER`,
    );
    const node = await start();
    expect(
      await node.query(`SELECT 1 AS one FROM tandem.migrations WHERE name = '${FIRST_MIGRATION}'`),
    ).toEqual([{ one: 1 }]);
  });
});
