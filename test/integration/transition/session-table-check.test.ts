import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { checksIn } from '../../../src/admin/cli/doctor/doctor-check.js';
import { FEATURES } from '../../../src/app.module.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { SessionTableCheck } from '../../../src/transition/sessions/stores/session-table.check.js';
import { SessionTableStore } from '../../../src/transition/sessions/stores/session-table.store.js';
import { SessionTable } from '../../../src/transition/sessions/table/session-table.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

/** As the migrations have made it. */
const TABLE = new SessionTable('tandem', 'session', true);

type Line = readonly ['warn' | 'fail', RegExp];

const trigger = (event: string, does: string) => `
  CREATE FUNCTION product_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${does}; END $$;
  CREATE TRIGGER product_rule BEFORE ${event} ON session FOR EACH ROW EXECUTE FUNCTION product_rule()`;
const SECURED = 'ALTER TABLE session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY';

/** What is done to the table, and what is said of that. */
const TABLES: Readonly<Record<string, readonly [string, ...Line[]]>> = {
  'row-level security without a policy': [
    SECURED,
    ['fail', /^row-level security hides every row .* every session cookie gets 401; .* BYPASSRLS$/],
  ],
  'row-level security with a policy for others': [
    `${SECURED}; CREATE POLICY theirs ON session TO pg_monitor USING (true)`,
    ['fail', /^row-level security hides every row/],
  ],
  'row-level security with a policy': [
    `${SECURED}; CREATE POLICY everyone ON session USING (true)`,
    ['warn', /^row-level security .* applies to the role of DATABASE_URL: a session that its policies hide/],
  ],
  'row-level security with a policy that takes no new rows': [
    `${SECURED}; CREATE POLICY everyone ON session FOR SELECT USING (true)`,
    ['warn', /^row-level security .* applies/],
    ['fail', /refuses INSERT: new row violates row-level security policy .* 503/],
  ],
  'a foreign key': [
    `CREATE TABLE order_drafts (session_sid varchar REFERENCES session (sid))`,
    ['warn', /^rows of order_drafts keep rows .* expired there instead of deleted.* ON DELETE CASCADE$/],
  ],
  'a deferred foreign key': [
    `CREATE TABLE order_drafts (sid varchar REFERENCES session (sid) DEFERRABLE INITIALLY DEFERRED)`,
    ['warn', /^rows of order_drafts keep/],
  ],
  'a trigger that refuses a DELETE': [
    trigger('DELETE', `RAISE EXCEPTION 'sessions are kept'`),
    ['warn', /refuses DELETE: sessions are kept: revoked sessions are expired there instead/],
  ],
  'a trigger that refuses a DELETE as if the server were busy': [
    trigger('DELETE', `RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'`),
    ['warn', /refuses DELETE: not now: /],
  ],
  'a trigger that discards a DELETE': [
    trigger('DELETE', 'RETURN NULL'),
    ['warn', /refuses DELETE: a trigger or a rule discards it: revoked sessions are expired/],
  ],
  'a trigger that discards an UPDATE': [
    trigger('UPDATE', 'RETURN NULL'),
    ['fail', /refuses UPDATE: a trigger or a rule discards it: .*exchange answers 503/],
  ],
  'a trigger that refuses an INSERT': [
    trigger('INSERT', `RAISE EXCEPTION 'nobody comes in'`),
    ['fail', /refuses INSERT: nobody comes in: POST \/api\/login and \/auth\/downgrade answer 503/],
  ],
  'a rule': [
    `CREATE RULE product_rule AS ON DELETE TO session DO INSTEAD NOTHING`,
    ['warn', /^rules rewrite what is done to the table tandem\.session: product_rule/],
    ['warn', /refuses DELETE: /],
  ],
  'no privilege DELETE': [
    `REVOKE DELETE ON session FROM CURRENT_USER`,
    ['warn', /may not DELETE in the table tandem\.session: .*expired.* GRANT DELETE ON tandem\.session$/],
  ],
  'no privileges UPDATE and DELETE': [
    `REVOKE UPDATE, DELETE ON session FROM CURRENT_USER`,
    ['fail', /may not UPDATE .* GRANT UPDATE ON tandem\.session$/],
    ['warn', /may not DELETE .*/],
  ],
  'no privilege SELECT': [
    `REVOKE SELECT ON session FROM CURRENT_USER`,
    ['fail', /may not SELECT .*sessions answer 503; GRANT SELECT ON tandem\.session$/],
  ],
  'a column that needs a value': [
    `ALTER TABLE session ADD tenant integer NOT NULL`,
    ['fail', /wants a value for tenant: .* give those columns a default$/],
  ],
  'no column sess': [
    `ALTER TABLE session RENAME sess TO data`,
    ['fail', /has no column sess/],
    ['fail', /wants a value for data/],
  ],
  'a column of another type': [
    `ALTER TABLE session DROP expire; ALTER TABLE session ADD expire bigint`,
    ['fail', /has another type in the column expire: .*docs\/adopt\/sessions\.md$/],
  ],
  partitions: [
    `DROP TABLE session; CREATE TABLE session (sid varchar PRIMARY KEY, sess json, expire timestamptz) PARTITION BY HASH (sid);
     CREATE TABLE session_0 PARTITION OF session FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
    ['warn', /^the table tandem\.session is a partitioned table: no index can be made/],
  ],
  'no table': [`DROP TABLE session`, ['fail', /^the table tandem\.session is gone: .*SESSION_TABLE/]],
};

/** Tables that are as good. */
const GOOD: Readonly<Record<string, string>> = {
  'as it was made': 'SELECT 1',
  'with jsonb': `ALTER TABLE session ALTER sess TYPE jsonb USING sess::jsonb`,
  'with text': `ALTER TABLE session ALTER sess TYPE text, ALTER sid TYPE text`,
  'with timestamptz': `ALTER TABLE session ALTER expire TYPE timestamptz`,
  'with a column that has a default': `ALTER TABLE session ADD made_at timestamptz NOT NULL DEFAULT now()`,
  'with a foreign key that cascades': `CREATE TABLE o (sid varchar REFERENCES session (sid) ON DELETE CASCADE)`,
};

describe('the check of the table of sessions', () => {
  let db: TestDatabase;
  const lines: string[] = [];
  const write = (level: string) => (first: unknown, second: unknown) =>
    void lines.push(`${level} ${String(typeof first === 'string' ? first : second)}`);
  beforeAll(() => Logger.overrideLogger({ log: vi.fn(), warn: write('warn'), error: write('fail') }));
  beforeEach(async () => {
    lines.splice(0);
    db = await createTestDatabase();
  });
  afterEach(() => db.drop());
  afterAll(() => Logger.overrideLogger(false));

  const check = (background = true) =>
    new SessionTableCheck(new SessionTableStore(db.database, TABLE), new BackgroundLoops(background));

  it('is a check of the doctor', () => {
    expect(checksIn(FEATURES)).toContain(SessionTableCheck);
  });

  it.each(Object.entries(TABLES))(
    'reports at the start and in the doctor: %s',
    async (_, [change, ...said]) => {
      await db.dataSource.query(change);
      const findings = await check().examine();
      const found = findings.map(({ level, message, advice }) => [level, `${message}: ${advice}`]);
      expect(found).toEqual(said.map(([level, text]) => [level, expect.stringMatching(text)]));
      expect(findings.map((finding) => finding.check)).toEqual(said.map(() => 'session_table'));
      await check().onApplicationBootstrap();
      expect(lines).toEqual(found.map(([level, text]) => `${level} ${text}`));
    },
  );

  it.each(Object.entries(GOOD))(
    'reports nothing for a table %s, and leaves no row in it',
    async (_, change) => {
      await db.dataSource.query(change);
      expect(await check().examine()).toMatchObject([{ level: 'ok', check: 'session_table' }]);
      await check().onApplicationBootstrap();
      expect(lines).toEqual([]);
      expect(await db.database.query(`SELECT 1 FROM session`)).toEqual([]);
    },
  );

  it('logs nothing at the start of a command, which does no background work', async () => {
    await db.dataSource.query(`DROP TABLE session`);
    await check(false).onApplicationBootstrap();
    expect(lines).toEqual([]);
  });

  it('does not prevent a node from starting if the check fails', async () => {
    await db.dataSource.destroy();
    await check().onApplicationBootstrap();
    expect(lines).toEqual(['warn failed to examine the session table']);
  });
});
