import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { RefusalCounter } from '../../../src/audit/refusal-counter.js';
import { BackgroundLoops } from '../../../src/common/background-loops.js';
import { tamper } from '../../helpers/audit-trail.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { anAuditNode } from './audit-node.js';
import type { AuditNode } from './audit-node.js';

let db: TestDatabase;
let node: AuditNode;

beforeEach(async () => {
  Logger.overrideLogger(false);
  db = await createTestDatabase();
  node = await anAuditNode(db);
});
afterEach(async () => {
  await node.stop();
  await db.drop();
});

const rows = <Row extends object>(statement: string) =>
  db.database.query<Row & Record<string, unknown>>(statement);

describe('refusals in the audit trail', () => {
  it('counts refusals by cause and network, in one spelling of the address', async () => {
    const counter = new RefusalCounter(node.audit, new BackgroundLoops(false));
    const addresses = [
      '2001:db8::1',
      '2001:db8:0:0:ffff::2',
      '2001:DB8::3',
      '2001:db8:0:1::1',
      '::ffff:192.0.2.7',
    ];
    for (const ip of [...addresses, '192.0.2.7', '192.0.2.8', null, 'rubbish'])
      counter.count('wrong_password', ip);
    counter.count('unknown_user', '2001:db8::9');
    await counter.flush();
    expect(await rows('SELECT cause, ip, count FROM audit_events ORDER BY cause, ip')).toEqual([
      { cause: 'unknown_user', ip: '2001:db8:0:0::/64', count: 1 },
      { cause: 'wrong_password', ip: '192.0.2.7', count: 2 },
      { cause: 'wrong_password', ip: '192.0.2.8', count: 1 },
      { cause: 'wrong_password', ip: '2001:db8:0:0::/64', count: 3 },
      { cause: 'wrong_password', ip: '2001:db8:0:1::/64', count: 1 },
      { cause: 'wrong_password', ip: null, count: 2 },
    ]);
  });

  it('writes a bounded number of rows per day for any number of networks, and loses no refusal', async () => {
    const counter = new RefusalCounter(node.audit, new BackgroundLoops(false));
    const minutes = 30;
    for (let minute = 0; minute < minutes; minute++) {
      for (let host = 0; host < 320; host++) counter.count('wrong_password', `192.0.${minute}.${host % 256}`);
      for (let time = 0; time < 5; time++) counter.count('wrong_password', '198.51.100.1');
      await counter.flush();
    }
    const [{ named, all, count } = { named: 0, all: 0, count: 0 }] = await rows<Record<string, number>>(
      'SELECT count(ip)::int AS named, count(*)::int AS all, sum(count)::int AS count FROM audit_events',
    );
    expect(count).toBe(minutes * 325);
    expect(named).toBeLessThanOrEqual(200 + minutes * 10);
    expect(all).toBeLessThanOrEqual(named! + minutes);
    // The busiest network keeps its row.
    const [busiest] = await rows(
      `SELECT sum(count)::int AS count FROM audit_events WHERE ip = '198.51.100.1'`,
    );
    expect(busiest).toEqual({ count: minutes * 5 });
  });

  /** Ten logins and three refusals, mixed, sealed so many days ago. */
  async function sealedDaysAgo(...days: readonly number[]): Promise<void> {
    for (const ago of days) {
      for (let index = 0; index < 3; index++) {
        await node.audit.add({ event: 'login', cause: `${index}` }, NO_ORIGIN);
        await node.audit.addRefusals([{ cause: 'wrong_password', ip: '192.0.2.1', count: index + 1 }]);
      }
      await node.seal(ago);
    }
  }
  const kinds = async () => (await node.verifier.verify()).findings.map(({ kind }) => kind);
  const left = async () =>
    (await rows<{ id: number }>(`SELECT id::int FROM audit_events WHERE event = 'refusal' ORDER BY id`)).map(
      ({ id }) => id,
    );

  it('removes refusals after seven days, and still verifies everything else', async () => {
    await sealedDaysAgo(30, 8, 6, 0);
    expect(await kinds()).toEqual([]);
    while ((await node.retention.removeRefusals(1_000)) > 0);
    expect(await left()).toEqual([14, 16, 18, 20, 22, 24]);
    expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 4, events: 18, findings: [] });
    const again = await anAuditNode(db);
    expect(await again.retention.removeRefusals(1_000)).toBe(0);
    await again.stop();
    await tamper(db, `UPDATE audit_events SET cause = 'other' WHERE id = 3`);
    expect(await kinds()).toEqual(['changed']);
  });

  it('detects refusals that somebody removed, changed or added', async () => {
    await sealedDaysAgo(30, 0);
    for (const [statement, found] of [
      ['DELETE FROM audit_events WHERE id = 2', 'removed'],
      [`DELETE FROM audit_events WHERE id > 6 AND event = 'refusal'`, 'removed'],
      ['UPDATE audit_events SET count = 9 WHERE id = 8', 'changed'],
      [`INSERT INTO audit_events (id, event) OVERRIDING SYSTEM VALUE VALUES (0, 'refusal')`, 'inserted'],
    ] as const) {
      await rows('CREATE TABLE kept AS SELECT * FROM audit_events');
      await tamper(db, statement);
      expect(await kinds(), statement).toContain(found);
      await tamper(
        db,
        'DELETE FROM audit_events; INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM kept',
      );
      await rows('DROP TABLE kept');
      expect(await kinds()).toEqual([]);
    }
    while ((await node.retention.removeRefusals(1_000)) > 0);
    for (const statement of [
      'UPDATE audit_seals SET refusals = 2 WHERE id = 1',
      `UPDATE audit_seals SET refusals_hash = sha256('x') WHERE id = 1`,
      'UPDATE audit_seals SET refusals = NULL, refusals_hash = NULL WHERE id = 1',
    ]) {
      await rows('CREATE TABLE kept AS SELECT * FROM audit_seals');
      await tamper(db, statement);
      expect(await kinds(), statement).not.toEqual([]);
      await tamper(db, 'DELETE FROM audit_seals; INSERT INTO audit_seals SELECT * FROM kept');
      await rows('DROP TABLE kept');
    }
  });

  it('keeps refusals under a forged seal and under a seal from an earlier release', async () => {
    await sealedDaysAgo(0);
    await tamper(db, `UPDATE audit_seals SET sealed_at = sealed_at - interval '1 year'`);
    expect(await node.retention.removeRefusals(1_000)).toBe(0);
    expect(await left()).toEqual([2, 4, 6]);
    await tamper(db, `UPDATE audit_seals SET refusals = NULL, refusals_hash = NULL`);
    expect(await node.retention.removeRefusals(1_000)).toBe(0);
    expect(await left()).toEqual([2, 4, 6]);
  });
});
