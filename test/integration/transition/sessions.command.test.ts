import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checksIn } from '../../../src/admin/cli/doctor/doctor-check.js';
import { FEATURES } from '../../../src/app.module.js';
import { SessionAttachmentsCheck } from '../../../src/transition/sessions/table/session-attachments.check.js';
import { TEST_SECRET, createTestApp } from '../../helpers/app.js';
import { runHere, withHost } from '../../helpers/command-here.js';
import { asProduct, createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

/** Without SESSION_TABLE. */
const OWN = '';

const PRODUCT = `
  CREATE SCHEMA shop;
  CREATE TABLE shop.user_sessions (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL);
  INSERT INTO shop.user_sessions VALUES ('theirs', '{}', now() + interval '1 hour');
  CREATE VIEW shop.active AS SELECT * FROM shop.user_sessions`;

const ATTACHED = `
  SELECT tgname::text AS name FROM pg_trigger WHERE tgrelid = 'shop.user_sessions'::regclass AND NOT tgisinternal
  UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = 'shop' AND indexname LIKE 'tandem%' ORDER BY name`;

const BOTH = [
  { name: 'tandem_session_deleted' },
  { name: expect.stringMatching(/^tandem_session_user_[0-9a-f]{12}$/) },
];

describe('npm run admin -- sessions', () => {
  let db: TestDatabase;
  let folder: string;
  beforeEach(async () => {
    db = await createTestDatabase({ migrated: false, product: PRODUCT });
    folder = await mkdtemp(join(tmpdir(), 'tandem-sessions-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await db.drop();
    await rm(folder, { recursive: true });
  });

  const settings = (table: string) => ({
    DATABASE_URL: db.url,
    DATA_DIR: folder,
    KEYS_DIR: folder,
    JWT_SECRET: TEST_SECRET,
    SESSION_TABLE: table === OWN ? undefined : table,
  });
  const run = (args: readonly string[], table = 'shop.user_sessions') => runHere(args, settings(table));

  const attached = () => asProduct(db.url, ATTACHED);

  /** A node of the product's deployment has run. */
  async function installed(): Promise<void> {
    const node = await createTestApp({ db, env: { SESSION_TABLE: 'shop.user_sessions' } });
    await node.close();
  }

  it('attaches and detaches as often as it is called', { timeout: 120_000 }, async () => {
    await installed();
    expect(await attached()).toEqual([]);
    for (let count = 0; count < 2; count += 1) {
      expect(await run(['sessions', 'attach'])).toEqual({
        code: 0,
        out: 'On the table shop.user_sessions: index and trigger\n',
        err: '',
      });
      expect(await attached()).toEqual(BOTH);
    }
    const json = await run(['sessions', 'attach', '--json']);
    expect(JSON.parse(json.out)).toEqual({ table: 'shop.user_sessions', index: true, trigger: true });
    for (let count = 0; count < 2; count += 1) {
      expect(await run(['sessions', 'detach'])).toMatchObject({ code: 0, err: '' });
      expect(await attached()).toEqual([]);
    }
  });

  it('detaches what is left on a table that was SESSION_TABLE before', async () => {
    await installed();
    await run(['sessions', 'attach']);
    await asProduct(db.url, `ALTER TABLE shop.user_sessions RENAME TO sessions`);
    expect((await run(['sessions', 'detach'], 'tandem.session')).code).toBe(0);
    expect(await asProduct(db.url, ATTACHED.replaceAll('user_sessions', 'sessions'))).toEqual([]);
  });

  it("does nothing on Tandem's own table", async () => {
    await asProduct(db.url, `DROP SCHEMA shop CASCADE`);
    expect(await run(['sessions', 'attach'], OWN)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^The table tandem\.session is Tandem's own/m),
    });
    expect((await run(['sessions', 'detach'], OWN)).code).toBe(0);
    const triggers = `SELECT 1 FROM pg_trigger WHERE tgrelid = 'tandem.session'::regclass`;
    expect(await asProduct(db.url, triggers)).toHaveLength(1);
  });

  it('explains which privilege is missing', async (test) => {
    await installed();
    const [{ rolsuper }] = (await asProduct(
      db.url,
      `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`,
    )) as [{ rolsuper: boolean }];
    test.skip(rolsuper, 'a superuser has every privilege');
    await asProduct(db.url, `REVOKE CREATE ON SCHEMA shop FROM CURRENT_USER`);
    expect(await run(['sessions', 'attach'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(
        /may not do that \(permission denied for schema shop\): let the owner of the table run the SQL/,
      ),
    });
    expect(await attached()).toEqual([]);
  });

  it('does not keep the product waiting behind a lock', async () => {
    await installed();
    await run(['sessions', 'attach']);
    const product = new Client({ connectionString: db.url });
    await product.connect();
    try {
      await product.query('BEGIN');
      await product.query('SELECT 1 FROM shop.user_sessions');
      expect(await run(['sessions', 'detach'])).toMatchObject({
        code: 1,
        err: expect.stringContaining('Another transaction locks the table: try again'),
      });
      expect(await attached()).toEqual(BOTH);
      await product.query('ROLLBACK');
    } finally {
      await product.end();
    }
    expect((await run(['sessions', 'detach'])).code).toBe(0);
    expect(await attached()).toEqual([]);
  });

  it('applies what the doctor prints', async () => {
    await installed();
    expect(checksIn(FEATURES)).toContain(SessionAttachmentsCheck);
    const examine = () =>
      withHost(settings('shop.user_sessions'), async (host) =>
        (await host.get(SessionAttachmentsCheck)).examine(),
      );
    const [finding] = await examine();
    expect(finding).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/^nothing needs to be done\..* sessions attach/),
    });
    const statements = finding!.message.match(/(?:CREATE|GRANT) [^;]+;/g)!;
    expect(statements).toHaveLength(2);
    for (const statement of statements) await asProduct(db.url, statement);
    expect(await attached()).toEqual(BOTH);
    expect(await examine()).toMatchObject([
      { level: 'ok', message: expect.stringContaining('sessions detach') },
    ]);
  });

  it('lets the doctor recognise a cookie from stdin, and none from the arguments', async () => {
    await installed();
    const doctor = (...args: readonly string[]) =>
      run(['doctor', ...args, '--url', 'http://127.0.0.1:1', '--json']);
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(
      Readable.from(['PHPSESSID=the-secret-of-a-user\n']) as never,
    );
    const { out, err } = await doctor('--cookie');
    expect(JSON.parse(out).checks).toContainEqual({
      check: 'session_store',
      level: 'warn',
      message: 'the cookie PHPSESSID has the form of PHP',
      advice: expect.stringMatching(/^set SESSION_COOKIE_NAME=PHPSESSID; .*docs\/adopt\/sessions\.md$/),
    });
    expect(out + err).not.toContain('the-secret-of-a-user');
    expect((await doctor('--cookie', 'the-secret-of-a-user')).code).toBe(2);
    expect((await doctor('--cookie', '--before-start')).code).toBe(2);
  });

  it('is not needed to hear of a wrong SESSION_TABLE: doctor --before-start names it', async () => {
    const { code, out } = await run(['doctor', '--before-start'], 'shop.active');
    expect(code).toBe(1);
    expect(out).toMatch(/^fail +database +SESSION_TABLE: shop\.active is a view/m);
    expect(await run(['doctor', '--before-start'])).toMatchObject({
      out: expect.stringMatching(/^ok +database /m),
    });
    const made = `SELECT 1 FROM pg_namespace WHERE nspname = 'tandem'`;
    expect(await asProduct(db.url, made)).toEqual([]);
  });
});
