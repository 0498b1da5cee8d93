import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { AuditRetentionService } from '../../../src/audit/sealing/audit-retention.service.js';
import { AuditSealerService } from '../../../src/audit/sealing/audit-sealer.service.js';
import type { Sealing } from '../../../src/audit/sealing/audit-sealer.service.js';
import { AuditVerifierService } from '../../../src/audit/sealing/audit-verifier.service.js';
import type { Verification } from '../../../src/audit/sealing/audit-verifier.service.js';
import { AuditStore } from '../../../src/audit/audit.store.js';
import { ChainHeadService } from '../../../src/audit/sealing/chain-head.service.js';
import { SealKeys } from '../../../src/audit/sealing/seal-keys.js';
import { SealStore } from '../../../src/audit/sealing/seal.store.js';
import type { Config } from '../../../src/config/config.js';
import type { Sql } from '../../../src/database/database.js';
import { tamper } from '../../helpers/audit-trail.js';
import { until } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const OLD = 'the previous secret, 0123456789 abc';
const NEW = 'the secret of today, 9876543210 xyz';

/** A seal store whose clock the test sets. */
class SealStoreOfThePast extends SealStore {
  /** Days. */
  ago = 0;

  override async clock(sql: Sql): Promise<string> {
    return String(BigInt(await super.clock(sql)) - BigInt(this.ago) * 86_400_000_000n);
  }
}

describe('the seals of the audit trail', () => {
  let db: TestDatabase;
  let folders: string[];

  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await createTestDatabase();
    folders = [];
  });
  afterEach(async () => {
    await db.drop();
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  /** A node with its own folder, or with the folder of another one. */
  async function aNode(more: Partial<Config> = {}) {
    const dataDir = more.dataDir ?? (await mkdtemp(join(tmpdir(), 'tandem-seals-')));
    if (more.dataDir === undefined) folders.push(dataDir);
    const config = {
      jwtSecret: OLD,
      jwtSecretPrevious: undefined,
      auditRetentionDays: 0,
      ...more,
      dataDir,
    } as Config;
    const store = new SealStoreOfThePast(db.database);
    const keys = new SealKeys(config);
    const noted = new ChainHeadService(store, audit(), config);
    return {
      dataDir,
      store,
      sealer: new AuditSealerService(store, keys, noted),
      verifier: new AuditVerifierService(store, keys, noted),
      retention: new AuditRetentionService(store, keys, config),
    };
  }
  type Node = Awaited<ReturnType<typeof aNode>>;

  const audit = () => new AuditStore(db.database);

  async function write(count: number): Promise<void> {
    const entries = Array.from({ length: count }, (_, index) => ({
      event: 'login',
      cause: `"cause"\n${index}`,
      detail: { b: index, a: [1, 'ü'] },
    }));
    await audit().addAll(entries, NO_ORIGIN, db.database);
  }

  async function sealAll({ sealer }: Node): Promise<Sealing> {
    let sealing = await sealer.seal();
    while (sealing.outcome === 'more') sealing = await sealer.seal();
    return sealing;
  }

  /** Three seals of ten events each. */
  async function threeSeals(node: Node): Promise<void> {
    for (let seal = 0; seal < 3; seal++) {
      await write(10);
      expect(await sealAll(node)).toMatchObject({ outcome: 'sealed' });
    }
  }

  const kindsOf = ({ findings }: Verification) => findings.map(({ kind }) => kind);
  const rangesOf = ({ findings }: Verification) =>
    findings.map(({ first_id, last_id }) => [first_id, last_id]);

  it('refuses every change to the events and the seals in the database', async () => {
    const node = await aNode();
    await threeSeals(node);
    for (const statement of [
      `UPDATE audit_events SET cause = 'x'`,
      `UPDATE audit_events SET cause = 'x' WHERE false`,
      'DELETE FROM audit_events',
      'TRUNCATE audit_events',
      'UPDATE audit_seals SET count = 1',
      'DELETE FROM audit_seals',
      'TRUNCATE audit_seals',
    ])
      await expect(db.database.query(statement), statement).rejects.toThrow(/append-only/);
    expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 3, events: 30 });
  });

  it('finds nothing in an untouched trail', async () => {
    const node = await aNode();
    expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 0, events: 0, head: null });
    await write(2_500);
    // An id that no event will use.
    await expect(
      db.database.transaction(async (sql) => {
        await audit().add({ event: 'login' }, NO_ORIGIN, sql);
        throw new Error('never mind');
      }),
    ).rejects.toThrow('never mind');
    await sealAll(node);
    await write(1);
    expect(await node.verifier.verify()).toMatchObject({
      intact: true,
      seals: 3,
      events: 2500,
      unsealed: 1,
      findings: [],
    });
    await sealAll(node);
    await sealAll(node);
    expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 4, events: 2501, unsealed: 0 });
  });

  it.each([
    ['a changed event', `UPDATE audit_events SET cause = 'other' WHERE id = 15`, ['changed'], [['11', '20']]],
    [
      'a changed time',
      `UPDATE audit_events SET at = at + interval '1 microsecond' WHERE id = 15`,
      ['changed'],
      [['11', '20']],
    ],
    [
      'a changed detail',
      `UPDATE audit_events SET detail = '{"b": 1}' WHERE id = 15`,
      ['changed'],
      [['11', '20']],
    ],
    ['a removed event', 'DELETE FROM audit_events WHERE id = 1', ['removed'], [['1', '10']]],
    [
      'a swapped pair',
      `UPDATE audit_events SET cause = (SELECT cause FROM audit_events WHERE id = 13) WHERE id = 12`,
      ['changed'],
      [['11', '20']],
    ],
    [
      'an inserted event',
      `DELETE FROM audit_events WHERE id = 15; INSERT INTO audit_events (id, event) OVERRIDING SYSTEM VALUE VALUES (15, 'login')`,
      ['changed'],
      [['11', '20']],
    ],
    [
      'an event before the first',
      `INSERT INTO audit_events (id, event) OVERRIDING SYSTEM VALUE VALUES (-3, 'login')`,
      ['inserted'],
      [['-3', '-3']],
    ],
    [
      'an event that has not been given its id',
      `INSERT INTO audit_events (id, event) OVERRIDING SYSTEM VALUE VALUES (900, 'login')`,
      ['inserted'],
      [['31', '900']],
    ],
    [
      'a removed range with its seal',
      'DELETE FROM audit_events WHERE id BETWEEN 11 AND 20; DELETE FROM audit_seals WHERE id = 2',
      ['chain'],
      [['11', '20']],
    ],
    [
      'a removed beginning',
      'DELETE FROM audit_events WHERE id <= 10; DELETE FROM audit_seals WHERE id = 1',
      ['beginning'],
      [['1', '10']],
    ],
    [
      'a beginning that pretends to be left by retention',
      `DELETE FROM audit_events WHERE id <= 10; UPDATE audit_seals SET removed_mac = mac, removed_key = key WHERE id = 1`,
      ['beginning', 'removed', 'forged'],
      [
        ['1', '0'],
        ['1', '10'],
        ['1', '10'],
      ],
    ],
    [
      'a removed end',
      'DELETE FROM audit_events WHERE id > 20; DELETE FROM audit_seals WHERE id = 3',
      ['end'],
      [[null, null]],
    ],
    [
      'a removed end, with the sequence set back',
      `DELETE FROM audit_events WHERE id > 20; DELETE FROM audit_seals WHERE id = 3; SELECT setval('audit_events_id_seq', 20)`,
      ['end'],
      [[null, null]],
    ],
    ['a sequence set back', `SELECT setval('audit_events_id_seq', 12)`, ['inserted'], [['13', '30']]],
    ['all of it', 'DELETE FROM audit_events; DELETE FROM audit_seals', ['end'], [[null, null]]],
    [
      'another hash',
      `UPDATE audit_seals SET hash = sha256('x') WHERE id = 2`,
      ['changed', 'forged', 'chain'],
      [
        ['11', '20'],
        ['11', '20'],
        ['21', '30'],
      ],
    ],
    ['another count', 'UPDATE audit_seals SET count = 9 WHERE id = 2', ['forged'], [['11', '20']]],
    [
      'an older time of sealing',
      `UPDATE audit_seals SET sealed_at = sealed_at - interval '1 year' WHERE id = 1`,
      ['changed', 'forged'],
      [
        ['1', '10'],
        ['1', '10'],
      ],
    ],
  ])('show %s, and where', async (_, statement, kinds, ranges) => {
    const node = await aNode();
    await threeSeals(node);
    await tamper(db, statement);
    const verification = await node.verifier.verify();
    expect(verification.intact).toBe(false);
    expect(kindsOf(verification)).toEqual(kinds);
    expect(rangesOf(verification)).toEqual(ranges);
  });

  it('detects a range that was changed and sealed again without JWT_SECRET', async () => {
    const node = await aNode();
    await threeSeals(node);
    await tamper(db, 'DELETE FROM audit_events WHERE id > 5; DELETE FROM audit_seals');
    await tamper(db, `SELECT setval('audit_events_id_seq', 5)`);
    const thief = await aNode({ jwtSecret: 'a secret that the thief has made up' });
    await sealAll(thief);
    const verification = await node.verifier.verify();
    expect(kindsOf(verification)).toEqual(['unknown_key', 'end']);
    // No node continues the chain after it.
    await write(1);
    expect(await sealAll(node)).toMatchObject({
      outcome: 'refused',
      alarm: expect.stringContaining('JWT_SECRET'),
    });
    await tamper(
      db,
      `UPDATE audit_seals SET key = '${new SealKeys({ jwtSecret: OLD, jwtSecretPrevious: undefined }).current}'`,
    );
    expect(kindsOf(await node.verifier.verify())).toEqual(['forged', 'end']);
    expect(await sealAll(node)).toMatchObject({
      outcome: 'refused',
      alarm: expect.stringContaining('forged'),
    });
  });

  it('detects a cut end by its record, even after the chain has grown again', async () => {
    const node = await aNode();
    await threeSeals(node);
    const { head } = await node.verifier.verify();
    await tamper(db, 'DELETE FROM audit_events WHERE id > 20; DELETE FROM audit_seals WHERE id = 3');
    await write(3);
    const other = await aNode();
    await sealAll(other);
    expect(await other.verifier.verify()).toMatchObject({ intact: true });
    expect(kindsOf(await other.verifier.verify(head!))).toEqual(['end']);
    // The node keeps sealing, reports the alarm, and keeps its record.
    expect(await sealAll(node)).toMatchObject({
      outcome: 'sealed',
      alarm: expect.stringContaining('truncated'),
    });
    expect(kindsOf(await node.verifier.verify())).toEqual(['end']);
    const restarted = await aNode({ dataDir: node.dataDir });
    expect(kindsOf(await restarted.verifier.verify())).toEqual(['end']);
    expect(JSON.parse(await readFile(join(node.dataDir, 'audit-head.json'), 'utf8'))).toMatchObject(head!);
    await writeFile(join(node.dataDir, 'audit-head.json'), 'no JSON');
    expect(await (await aNode({ dataDir: node.dataDir })).verifier.verify()).toMatchObject({ intact: true });
  });

  it('waits for an event whose transaction commits after later ones, and seals it', async () => {
    const node = await aNode();
    const late = new pg.Client({ connectionString: db.url });
    await late.connect();
    try {
      await late.query(`BEGIN; INSERT INTO audit_events (event, cause) VALUES ('login', 'late')`);
      await write(5);
      let sealing: Sealing | undefined;
      const sealed = sealAll(node).then((outcome) => (sealing = outcome));
      // The sealer waits. Other writers are not blocked.
      await until(async () => {
        const looks = await db.database.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND query LIKE '%locktype = ''relation''%'`,
        );
        return looks.length > 0;
      }, 5_000);
      await write(5);
      expect(sealing).toBeUndefined();
      await late.query('COMMIT');
      await sealed;
      expect(sealing).toMatchObject({ outcome: 'sealed' });
      expect(await db.database.query('SELECT count, last_id FROM audit_seals')).toEqual([
        { count: 6, last_id: '6' },
      ]);
      await sealAll(node);
      expect(await node.verifier.verify()).toMatchObject({ intact: true, events: 11 });
    } finally {
      await late.end();
    }
  });

  it('does not seal past an open transaction, and seals in the next run', async () => {
    const node = await aNode();
    const late = new pg.Client({ connectionString: db.url });
    await late.connect();
    await late.query(`BEGIN; INSERT INTO audit_events (event) VALUES ('login')`);
    await write(1);
    expect(await node.sealer.seal()).toEqual({ outcome: 'busy' });
    expect(await db.database.query('SELECT 1 FROM audit_seals')).toEqual([]);
    await late.end();
    await sealAll(node);
    expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 1, events: 1 });
  });

  it('seals on one node at a time, without a fork in the chain', async () => {
    const nodes = await Promise.all([aNode(), aNode(), aNode()]);
    for (let round = 0; round < 5; round++) {
      await Promise.all([write(20), ...nodes.map(sealAll)]);
    }
    await sealAll(nodes[0]!);
    expect(await nodes[1]!.verifier.verify()).toMatchObject({ intact: true, events: 100, unsealed: 0 });
  });

  it('keeps old seals valid after a change of JWT_SECRET, even without the previous secret', async () => {
    const before = await aNode();
    await threeSeals(before);
    const changed = await aNode({ jwtSecret: NEW, jwtSecretPrevious: OLD, dataDir: before.dataDir });
    expect(await changed.verifier.verify()).toMatchObject({ intact: true, events: 30 });
    // The new key seals the end of the chain even without new events.
    await sealAll(changed);
    const after = await aNode({ jwtSecret: NEW });
    expect(await after.verifier.verify()).toMatchObject({ intact: true, seals: 4, events: 30 });
    await write(1);
    expect(await sealAll(after)).toMatchObject({ outcome: 'sealed' });
    // Later seals prove the seals of the forgotten key.
    await tamper(db, `UPDATE audit_events SET cause = 'other' WHERE id = 3`);
    expect(rangesOf(await after.verifier.verify())).toEqual([['1', '10']]);
  });

  it('says that the previous secret is missing after a change without it', async () => {
    await threeSeals(await aNode());
    const changed = await aNode({ jwtSecret: NEW });
    expect(kindsOf(await changed.verifier.verify())).toEqual(['unknown_key']);
    expect(await sealAll(changed)).toMatchObject({ outcome: 'refused' });
  });

  describe('under retention', () => {
    /** Seals made so many days ago. */
    async function sealedDaysAgo(node: Node, ...days: readonly number[]): Promise<void> {
      for (const ago of days) {
        await write(10);
        node.store.ago = ago;
        await sealAll(node);
      }
      node.store.ago = 0;
    }

    it('removes old seals with their events, and begins the chain at the last removed one', async () => {
      const node = await aNode({ auditRetentionDays: 30 });
      await sealedDaysAgo(node, 50, 40, 31, 29);
      await write(10);
      await sealAll(node);
      expect(await node.verifier.verify()).toMatchObject({ intact: true, seals: 5, events: 50 });
      expect(await node.retention.removeExpired(1_000)).toBe(30);
      expect(await node.retention.removeExpired(1_000)).toBe(0);
      expect(
        await db.database.query('SELECT min(id)::int AS first, count(*)::int AS count FROM audit_events'),
      ).toEqual([{ first: 31, count: 20 }]);
      expect(await db.database.query('SELECT id FROM audit_seals ORDER BY id')).toEqual([
        { id: '3' },
        { id: '4' },
        { id: '5' },
      ]);
      expect(await node.verifier.verify()).toMatchObject({
        intact: true,
        seals: 3,
        events: 20,
        findings: [],
      });
      // After a change of the secret, the mark of the removed events is still valid.
      await write(1);
      const changed = await aNode({ jwtSecret: NEW, jwtSecretPrevious: OLD });
      await sealAll(changed);
      const after = await aNode({ jwtSecret: NEW });
      expect(await after.verifier.verify()).toMatchObject({ intact: true, events: 21, findings: [] });
      // Further removals by somebody else are detected.
      await tamper(db, 'DELETE FROM audit_seals WHERE id = 3');
      expect(kindsOf(await after.verifier.verify())).toEqual(['beginning']);
    });

    it('removes small batches, and only sealed events', async () => {
      const node = await aNode({ auditRetentionDays: 30 });
      await sealedDaysAgo(node, 60, 50, 40);
      await tamper(db, `INSERT INTO audit_events (at, event) VALUES (now() - interval '90 days', 'login')`);
      expect(await node.retention.removeExpired(10)).toBe(10);
      expect(await db.database.query('SELECT 1 FROM audit_events')).toHaveLength(21);
      expect(await node.verifier.verify()).toMatchObject({ intact: true, events: 20 });
      await node.retention.removeExpired(10);
      await node.retention.removeExpired(10);
      expect(await db.database.query('SELECT id::int FROM audit_events')).toEqual([{ id: 31 }]);
      await sealAll(node);
      expect(await node.verifier.verify()).toMatchObject({ intact: true, events: 1 });
    });

    it('keeps seals with a forged time, and all seals without AUDIT_RETENTION_DAYS', async () => {
      const node = await aNode({ auditRetentionDays: 30 });
      await threeSeals(node);
      await tamper(db, `UPDATE audit_seals SET sealed_at = sealed_at - interval '1 year'`);
      expect(await node.retention.removeExpired(1_000)).toBe(0);
      expect(await db.database.query('SELECT 1 FROM audit_events')).toHaveLength(30);
      const keeps = await aNode({ auditRetentionDays: 0 });
      await sealedDaysAgo(keeps, 4_000);
      expect(await keeps.retention.removeExpired(1_000)).toBe(0);
    });
  });
});
