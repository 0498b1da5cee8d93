import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TEST_SECRET } from '../helpers/app.js';
import { admin } from '../helpers/command-line.js';
import type { Ran } from '../helpers/command-line.js';
import { asProduct, createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';

/** Everything in the catalog of a database that a command could change. */
const CATALOG = `
  SELECT 'relation' AS kind, c.oid::text || ' ' || c.relname || ' ' || c.relfilenode || ' ' || c.relnatts
    || coalesce(c.relacl::text, '') AS object FROM pg_class c WHERE c.relnamespace <> 'pg_toast'::regnamespace
  UNION ALL SELECT 'schema', n.oid::text || ' ' || n.nspname || coalesce(n.nspacl::text, '')
    FROM pg_namespace n WHERE n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
  UNION ALL SELECT 'function', p.oid::text || ' ' || p.proname FROM pg_proc p
  UNION ALL SELECT 'type', t.oid::text || ' ' || t.typname FROM pg_type t
  UNION ALL SELECT 'trigger', t.oid::text || ' ' || t.tgname FROM pg_trigger t
  UNION ALL SELECT 'setting', s.setrole::text || ' ' || s.setconfig::text FROM pg_db_role_setting s
    WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION ALL SELECT 'database', coalesce(d.datacl::text, '') FROM pg_database d WHERE d.datname = current_database()
  ORDER BY 1, 2`;

describe('doctor --before-start', () => {
  let folder: string;
  let db: TestDatabase;
  let node: NodeProcess | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tandem-before-'));
  });
  afterEach(async () => {
    await node?.remove();
    node = undefined;
    await db?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const environment = (more: Record<string, string> = {}) => ({
    DATABASE_URL: db.url,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
    JWT_SECRET: TEST_SECRET,
    ...more,
  });

  const doctor = (env: Record<string, string> = {}, ...args: string[]): Promise<Ran> =>
    admin(environment(env), folder, ['doctor', '--before-start', ...args]);

  interface Report {
    readonly ok: boolean;
    readonly checks: readonly { readonly check: string; readonly level: string; readonly message: string }[];
  }

  async function failures(env: Record<string, string> = {}): Promise<string[]> {
    const { code, out } = await doctor(env, '--json');
    const { ok, checks } = JSON.parse(out) as Report;
    expect([code, ok]).toEqual([1, false]);
    return checks.filter(({ level }) => level === 'fail').map(({ message }) => message);
  }

  it('finds no conflict in the database of a product, and changes nothing', async () => {
    db = await createTestDatabase({
      migrated: false,
      product: `CREATE TABLE users (id serial PRIMARY KEY, email text); CREATE TABLE orders (id integer);
        CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)`,
    });
    const before = await asProduct(db.url, CATALOG);
    const { code, out, err } = await doctor();
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^ok {4}database {8}nothing in the database conflicts with the schema "tandem"$/m);
    expect(await asProduct(db.url, CATALOG)).toEqual(before);
    expect(await readdir(folder)).toEqual([]);
  });

  it('names every conflict that stops the start, and changes nothing', async () => {
    db = await createTestDatabase({
      migrated: false,
      product: `CREATE SCHEMA tandem; GRANT CREATE ON SCHEMA tandem TO PUBLIC; CREATE TABLE tandem.invoices (id integer);
        CREATE TABLE public.orders (id integer)`,
    });
    const name = new URL(db.url).pathname.slice(1);
    await asProduct(db.url, `ALTER DATABASE ${name} SET search_path = tandem, public`);
    const before = await asProduct(db.url, CATALOG);
    const found = await failures();
    expect(found).toEqual([
      expect.stringMatching(/lets other roles create objects in it \(PUBLIC\)/),
      expect.stringMatching(/contains tables that are not Tandem's \(invoices\)/),
      expect.stringMatching(/^DATABASE_SCHEMA: the search path of the role ".+" has .*\(public\.orders\)/),
    ]);
    node = await NodeProcess.spawn({ databaseUrl: db.url, env: { NODE_ENV: '' } });
    expect(await node.exited).toBe(78);
    for (const conflict of found) expect(node.output).toContain(conflict);
    expect(await asProduct(db.url, CATALOG)).toEqual(before);
    expect(await readdir(folder)).toEqual([]);
  });

  it('names the conflict if the role of the product has the name of the schema', async () => {
    db = await createTestDatabase({ migrated: false, product: `CREATE TABLE public.orders (id integer)` });
    const { pathname, username } = new URL(db.url);
    await asProduct(db.url, `ALTER DATABASE ${pathname.slice(1)} RESET search_path`);
    expect(await failures({ DATABASE_SCHEMA: username })).toEqual([
      expect.stringContaining(
        `the search path of the role "${username}" has the schema "${username}" before`,
      ),
    ]);
    expect((await doctor({ DATABASE_SCHEMA: 'a_schema_of_its_own' })).code).toBe(0);
  });

  it('fails with one line if nobody answers at DATABASE_URL', async () => {
    db = await createTestDatabase({ migrated: false });
    expect(await failures({ DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/nothing' })).toHaveLength(1);
  });
});
