import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { aSessionNode, exchange, usersWithSessions } from './session-node.js';
import type { SessionNode } from './session-node.js';

const SECURED = `ALTER TABLE session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY`;
const OPEN = `ALTER TABLE session DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY`;

/** How the row of a session is not seen for a while, and seen again later. */
const WAYS: Readonly<Record<string, readonly [string, string]>> = {
  'row-level security': [SECURED, OPEN],
  'another transaction that writes it anew': [
    `ALTER TABLE session DISABLE TRIGGER USER; CREATE TABLE kept AS TABLE session; DELETE FROM session`,
    `INSERT INTO session TABLE kept; DROP TABLE kept; ALTER TABLE session ENABLE TRIGGER USER`,
  ],
};

describe('a session whose row is hidden when its user is revoked', () => {
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

  const revoke = (id: string, spared: { exceptSid?: string; exceptSession?: string } = {}) =>
    node.revocations.revokeUser(id, { reason: 'revoke', event: 'revoke', ...spared }, NO_ORIGIN);

  it.each(Object.entries(WAYS))('stays revoked if this service knows it: %s', async (_, [hide, show]) => {
    const [user, other] = await usersWithSessions(node.database, 2);
    for (const each of [user!, other!]) expect(await exchange(node, each)).toBeTypeOf('object');
    await db.dataSource.query(hide);
    await revoke(user!.id);
    await db.dataSource.query(show);
    expect(await node.store.live(user!.sid)).toBeUndefined();
    expect(await node.store.live(other!.sid)).toBeDefined();
  });

  it('stays live if it is exempt, by itself or with its linked family', async () => {
    const [first, second] = await usersWithSessions(node.database, 2);
    const opened = await exchange(node, first!);
    if (typeof opened === 'string') throw new Error(opened);
    await exchange(node, second!);
    await db.dataSource.query(SECURED);
    await revoke(first!.id, { exceptSid: opened.family.sid });
    await revoke(second!.id, { exceptSession: second!.sid });
    await db.dataSource.query(OPEN);
    for (const { sid } of [first!, second!]) expect(await node.store.live(sid)).toBeDefined();
  });
});
