import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import { tamper } from '../../helpers/audit-trail.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { NEW, OLD, anAuditNode } from './audit-node.js';
import type { AuditNode } from './audit-node.js';

let db: TestDatabase;
let nodes: AuditNode[];
let errors: string[];

beforeEach(async () => {
  db = await createTestDatabase();
  nodes = [];
  errors = [];
  const log = (...said: unknown[]) => void errors.push(said.map(String).join(' '));
  Logger.overrideLogger({ log: vi.fn(), warn: vi.fn(), error: log });
});
afterEach(async () => {
  Logger.overrideLogger(false);
  for (const node of nodes) await node.stop();
  await db.drop();
});

async function aNode(more: Parameters<typeof anAuditNode>[1] = {}): Promise<AuditNode> {
  const node = await anAuditNode(db, more);
  nodes.push(node);
  return node;
}
async function write({ audit }: AuditNode, count = 1): Promise<void> {
  for (let index = 0; index < count; index++) await audit.add({ event: 'login' }, NO_ORIGIN);
}

describe('the sealing job', () => {
  it('raises an alarm when events wait longer than a minute for a seal, and clears it later', async () => {
    const node = await aNode();
    await node.job.run();
    expect(node.job.unsealedSeconds).toBe(0);
    const holder = new pg.Client({ connectionString: db.url });
    await holder.connect();
    try {
      await holder.query('SELECT pg_advisory_lock(7365224902)');
      await write(node);
      await node.job.run();
      expect(errors).toEqual([]);
      await tamper(db, `UPDATE audit_events SET at = at - interval '61 seconds'`);
      await node.job.run();
      await node.job.run();
      expect(errors).toEqual([expect.stringMatching(/have waited for a seal for 61 s/)]);
      expect(node.job.unsealedSeconds).toBeGreaterThan(60);
      expect(await node.verifier.verifyEnd()).toMatchObject([{ kind: 'unsealed' }]);
    } finally {
      await holder.end();
    }
    await node.job.run();
    expect(node.job.unsealedSeconds).toBe(0);
    expect(await node.verifier.verifyEnd()).toEqual([]);
    expect(errors).toHaveLength(1);
  });

  it('raises the alarm also if it refuses to seal the trail', async () => {
    const node = await aNode();
    await write(node);
    await node.job.run();
    await tamper(db, `UPDATE audit_seals SET mac = sha256('x')`);
    await write(node);
    await tamper(db, `UPDATE audit_events SET at = at - interval '5 minutes' WHERE id = 2`);
    await node.job.run();
    expect(errors).toEqual([
      expect.stringContaining('forged'),
      expect.stringContaining('have waited for a seal'),
    ]);
  });
});

describe('the audit trail while JWT_SECRET is being changed', () => {
  it('verifies on nodes with the old and with the new secret, and both seal it', async () => {
    const outdated = await aNode();
    await write(outdated);
    await outdated.job.run();
    const changed = await aNode({ jwtSecret: NEW, jwtSecretPrevious: OLD });
    for (let round = 0; round < 3; round++) {
      for (const node of [changed, outdated]) {
        await write(node);
        await node.job.run();
        expect(await outdated.verifier.verify()).toMatchObject({ intact: true, unsealed: 0, findings: [] });
        expect(await changed.verifier.verify()).toMatchObject({ intact: true, unsealed: 0, findings: [] });
      }
    }
    const seals = await db.database.query('SELECT 1 FROM audit_seals');
    // Without new events, neither adds a seal after the other one's.
    await changed.job.run();
    for (let round = 0; round < 3; round++) for (const node of [outdated, changed]) await node.job.run();
    expect((await db.database.query('SELECT 1 FROM audit_seals')).length).toBeLessThanOrEqual(
      seals.length + 1,
    );
    expect(errors).toEqual([]);
    const after = await aNode({ jwtSecret: NEW });
    await after.job.run();
    expect(errors).toEqual([]);
    expect(await after.verifier.verify()).toMatchObject({ intact: true });
  });

  it('detects a seal that was made without either secret', async () => {
    const outdated = await aNode();
    await write(outdated);
    await aNode({ jwtSecret: NEW, jwtSecretPrevious: OLD }).then(({ job }) => job.run());
    await tamper(db, `UPDATE audit_seals SET second_mac = sha256('x')`);
    await outdated.job.run();
    expect(errors).toEqual([expect.stringContaining('forged')]);
  });
});

describe('a missing end of the chain', () => {
  const CUT = 'DELETE FROM audit_events WHERE id > 2; DELETE FROM audit_seals WHERE id > 2';

  async function threeSeals(seen: readonly AuditNode[]): Promise<void> {
    for (let seal = 0; seal < 3; seal++) {
      await write(seen[0]!);
      for (const node of seen) await node.job.run();
    }
  }

  it('is accepted by all nodes when an administrator accepts it on one machine', async () => {
    const running = [await aNode(), await aNode()];
    await threeSeals(running);
    await tamper(db, CUT);
    for (const node of running) await node.job.run();
    expect(errors).toHaveLength(2);
    const console = await aNode();
    await console.noted.accept(await console.store.newest(), { ...NO_ORIGIN, operator: 'ada' });
    for (const node of running) {
      expect((await node.verifier.verify()).intact).toBe(true);
      await node.job.run();
      await write(node);
      await node.job.run();
      expect(await node.verifier.verify()).toMatchObject({ intact: true, findings: [] });
    }
    // Also after a restart. The acceptance is in the trail.
    const restarted = await aNode({ dataDir: running[1]!.dataDir });
    expect((await restarted.verifier.verify()).intact).toBe(true);
    const [event] = await db.database.query<{ detail: object }>(
      `SELECT detail FROM audit_events WHERE event = 'audit' AND cause = 'accepted'`,
    );
    expect(event!.detail).toMatchObject({ seal: '3', operator: 'ada' });
    expect(errors).toHaveLength(2);
  });

  it('is not accepted by an old acceptance, a forged one, or one for another end', async () => {
    const node = await aNode();
    await threeSeals([node]);
    const console = await aNode();
    await console.noted.accept((await console.store.from('2', 1))[0], NO_ORIGIN);
    await write(node);
    await node.job.run();
    const accepted = await db.database.query<{ detail: Record<string, unknown> }>(
      `SELECT detail FROM audit_events WHERE event = 'audit'`,
    );
    await tamper(db, CUT);
    const { detail } = accepted[0]!;
    const later = String(BigInt(detail['at'] as string) + 3_600_000_000n);
    for (const forged of [
      detail,
      { ...detail, at: later },
      { ...detail, seal: '0', hash: '' },
      { ...detail, at: later, macs: null },
      { seal: 1, hash: [], at: 'x' },
      null,
      'text',
    ]) {
      await db.database.query(
        `INSERT INTO audit_events (event, cause, detail) VALUES ('audit', 'accepted', $1::jsonb)`,
        [JSON.stringify(forged)],
      );
      expect(
        (await node.verifier.verify()).findings.map(({ kind }) => kind),
        JSON.stringify(forged),
      ).toContain('end');
    }
  });

  it('is accepted for an empty chain, and for a record from an earlier release', async () => {
    const node = await aNode();
    await threeSeals([node]);
    const path = join(node.dataDir, 'audit-head.json');
    const { id, hash } = JSON.parse(await readFile(path, 'utf8')) as { id: string; hash: string };
    await tamper(db, 'DELETE FROM audit_events; DELETE FROM audit_seals');
    await writeFile(path, JSON.stringify({ id, hash }));
    const restarted = await aNode({ dataDir: node.dataDir });
    expect((await restarted.verifier.verify()).intact).toBe(false);
    const console = await aNode();
    await console.noted.accept(undefined, NO_ORIGIN);
    for (const one of [node, restarted]) expect((await one.verifier.verify()).intact).toBe(true);
    await restarted.job.run();
    expect(await restarted.verifier.verify()).toMatchObject({ intact: true, seals: 1 });
  });
});
