import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import { LoginsAlone1796000800000 } from '../../../migrations/1796000800000-logins-alone.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aSessionNode, exchange, usersWithSessions } from './session-node.js';
import type { SessionNode } from './session-node.js';

describe('the unlinked flag of a family', () => {
  let db: TestDatabase;
  let node: SessionNode;
  beforeAll(async () => {
    db = await createTestDatabase();
    node = await aSessionNode(db.url);
  });
  afterAll(async () => {
    await node.stop();
    await db.drop();
  });

  const alone = async () => {
    const rows = await db.database.query<{ id: string; alone: boolean }>(
      'SELECT id, alone FROM refresh_tokens',
    );
    return new Map(rows.map((row) => [row.id, row.alone]));
  };

  it('is true after a login by password and false after an exchange, also for families from before the migration', async () => {
    const [first, second] = await usersWithSessions(db.database, 2);
    const exchanged = ((await exchange(node, first!)) as OpenedFamily).family.sid;
    const opened = (await node.tokens.open({ id: second!.id, epoch: 0 }, 'body', NO_ORIGIN))!.family.sid;
    const expected = new Map([
      [exchanged, false],
      [opened, true],
    ]);
    expect(await alone()).toEqual(expected);
    const dataSource = await new DataSource(dataSourceOptions(db.url)).initialize();
    const runner = dataSource.createQueryRunner();
    const migration = new LoginsAlone1796000800000();
    await migration.down(runner);
    await migration.up(runner);
    await dataSource.destroy();
    expect(await alone()).toEqual(expected);
  });

  it('is false by default for rows that somebody else writes', async () => {
    const [user] = await usersWithSessions(db.database, 1);
    const [row] = await db.database.query<{ alone: boolean }>(
      `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, expires_at, absolute_expires_at)
       VALUES (gen_random_uuid(), $1, '', 'k', 'body', now(), now()) RETURNING alone`,
      [user!.id],
    );
    expect(row).toEqual({ alone: false });
  });
});
