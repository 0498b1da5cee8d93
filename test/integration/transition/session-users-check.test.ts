import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checksIn } from '../../../src/admin/cli/doctor/doctor-check.js';
import type { Finding } from '../../../src/admin/cli/doctor/doctor-check.js';
import { FEATURES } from '../../../src/app.module.js';
import type { TransitionConfig } from '../../../src/transition/transition.settings.js';
import { SessionSampleStore } from '../../../src/transition/sessions/stores/session-sample.store.js';
import { SessionTableStore } from '../../../src/transition/sessions/stores/session-table.store.js';
import { SessionUsersCheck } from '../../../src/transition/sessions/stores/session-users.check.js';
import { SessionTable } from '../../../src/transition/sessions/table/session-table.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

/** As the migrations have made it. */
const TABLE = new SessionTable('tandem', 'session', true);

describe('the check of the users of sessions', () => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await createTestDatabase();
    await db.database.query(
      `INSERT INTO users (id, username, username_key, role, external_id)
      SELECT gen_random_uuid(), 'user' || n, 'user' || n, 'user', n::text FROM generate_series(1, 9) AS n`,
    );
  });
  afterEach(() => db.drop());

  async function sessions(...rows: unknown[]): Promise<void> {
    for (const sess of rows)
      await db.database.query(`INSERT INTO session VALUES ($1, $2::json, now() + interval '1 hour')`, [
        randomUUID(),
        JSON.stringify({ cookie: { path: '/' }, ...(sess as object) }),
      ]);
  }

  async function examine(sessionUserKey: string): Promise<Finding> {
    const config = { sessionUserKey } as TransitionConfig;
    const sample = new SessionSampleStore(db.database, TABLE, config);
    const findings = await new SessionUsersCheck(
      new SessionTableStore(db.database, TABLE),
      sample,
      config,
    ).examine();
    expect(findings).toHaveLength(1);
    return findings[0]!;
  }

  it('is a check of the doctor', () => {
    expect(checksIn(FEATURES)).toContain(SessionUsersCheck);
  });

  it('reports how many sessions name an existing user', async () => {
    expect(await examine('passport.user')).toMatchObject({ level: 'ok', message: 'no session is live' });
    await sessions({ passport: { user: 1 } }, { passport: { user: '2' } }, { passport: { user: 77 } }, {});
    await db.database.query(`INSERT INTO session VALUES ('old', '{}', now() - interval '1 hour')`);
    expect(await examine('passport.user')).toMatchObject({
      level: 'ok',
      message: '2 of the 4 newest live sessions name a user that exists',
    });
  });

  it('finds the right SESSION_USER_KEY if the setting is wrong', async () => {
    await sessions(
      { passport: { user: 3 }, csrf: 'a-secret-value' },
      { passport: { user: 4 }, csrf: 'a-secret-value' },
    );
    const finding = await examine('userId');
    expect(finding).toMatchObject({ level: 'fail', advice: 'set SESSION_USER_KEY=passport.user' });
    expect(finding.message).toContain('0 of the 2');
    expect(JSON.stringify(finding)).not.toContain('a-secret-value');
  });

  it('reports missing users if sessions name unknown ones', async () => {
    await sessions({ userId: 'someone-else' }, { userId: 'nobody' });
    const finding = await examine('userId');
    expect(finding).toMatchObject({ level: 'fail', advice: expect.stringContaining('external_id') });
    expect(JSON.stringify(finding)).not.toMatch(/someone-else|nobody/);
  });

  it('names the fields of sessions, but no values and no fields of a single session', async () => {
    const shared = { flash: 'a-secret-value', account: { ref: 'another-value', ids: ['1'] } };
    await sessions({ ...shared, carts: { ada_example: 'x' } }, { ...shared, 'ada@example.com': 'y' }, shared);
    const finding = await examine('userId');
    expect(finding).toMatchObject({ level: 'warn', advice: expect.stringContaining('flash, account.ref') });
    expect(JSON.stringify(finding)).not.toMatch(/value|ada|path|ids/);
  });

  it.each(['json', 'jsonb', 'text'])('reads a column of type %s with any content', async (type) => {
    await db.dataSource.query(`ALTER TABLE session ALTER COLUMN sess TYPE ${type} USING sess::text::${type}`);
    await db.database.query(
      `INSERT INTO session VALUES ('a', '{"user":5}', now() + interval '1 hour'), ('b', '[1, null]', now() + interval '1 hour'),
        ('c', '"text"', now() + interval '1 hour'), ('d', $1::text::${type}, now() + interval '1 hour')`,
      [JSON.stringify({ user: 6, filler: 'x'.repeat(100_000) })],
    );
    if (type === 'text')
      await db.database.query(`INSERT INTO session VALUES ('e', '{"broken', now() + interval '1 hour')`);
    expect(await examine('user')).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/^2 of the /),
    });
    expect(await examine('userId')).toMatchObject({ level: 'warn' });
  });
});
