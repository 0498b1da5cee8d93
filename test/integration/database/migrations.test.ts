import { readdirSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { migrate } from '../../../src/database/migrate.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const SOURCES = new URL('../../../src/', import.meta.url);

/** Every entity of the service. */
const ENTITIES = (
  await Promise.all(
    readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.entity.ts'))
      .map(async (name) => Object.values((await import(new URL(name, SOURCES).href)) as object)),
  )
)
  .flat()
  .filter((value): value is new () => object => typeof value === 'function');

const FILES = readdirSync(new URL('../../../migrations', import.meta.url)).filter((name) =>
  name.endsWith('.ts'),
);

const COLUMNS = `
  SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns
  WHERE table_schema = 'tandem' AND table_name <> 'migrations' ORDER BY 1, 2`;
const INDEXES = `SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'tandem' AND tablename <> 'migrations' ORDER BY 1, 2`;
const CONSTRAINTS = `
  SELECT conrelid::regclass::text AS on, conname, pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = 'tandem'::regnamespace AND conrelid <> 'tandem.migrations'::regclass ORDER BY 1, 2`;

const timestampOf = (migration: object) => Number(migration.constructor.name.slice(-13));

describe('the migrations', () => {
  let db: TestDatabase;
  const nodes: DataSource[] = [];

  beforeEach(async () => {
    db = await createTestDatabase({ migrated: false, product: 'CREATE SCHEMA tandem' });
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.destroy();
    await db.drop();
  });

  async function aNode(): Promise<DataSource> {
    const node = await new DataSource({ ...dataSourceOptions(db.url), entities: ENTITIES }).initialize();
    nodes.push(node);
    return node;
  }

  const schema = async () => ({
    columns: await db.database.query(COLUMNS),
    indexes: await db.database.query(INDEXES),
    constraints: await db.database.query(CONSTRAINTS),
  });
  const applied = () => db.database.query<{ name: string }>('SELECT name FROM migrations ORDER BY id');

  it('turn an empty database into exactly what the entities declare', async () => {
    const node = await aNode();
    await migrate(node);
    expect(await applied()).toHaveLength(FILES.length);
    const { upQueries } = await node.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
    const tables = new Set((await schema()).columns.map(({ table_name }) => table_name));
    expect([...tables]).toEqual(node.entityMetadatas.map(({ tableName }) => tableName).toSorted());
    await node.query('ALTER TABLE users ALTER COLUMN email SET NOT NULL');
    expect((await node.driver.createSchemaBuilder().log()).upQueries).not.toEqual([]);
  });

  it('are compared with every entity', () => {
    expect(ENTITIES.length).toBeGreaterThanOrEqual(7);
    expect(new Set(ENTITIES).size).toBe(ENTITIES.length);
  });

  it('can each be reverted and applied again', async () => {
    const node = await aNode();
    await migrate(node);
    expect((await schema()).columns.length).toBeGreaterThan(0);
    // From the whole schema down to nothing.
    const states = [await schema()];
    for (const _ of FILES) {
      await node.undoLastMigration({ transaction: 'each' });
      states.push(await schema());
    }
    expect(states.pop()).toEqual({ columns: [], indexes: [], constraints: [] });
    const all = node.migrations.toSorted((a, b) => timestampOf(a) - timestampOf(b));
    for (let count = 1; count <= FILES.length; count += 1) {
      Object.assign(node, { migrations: all.slice(0, count) });
      expect(await node.runMigrations({ transaction: 'each' })).toHaveLength(1);
      expect(await schema(), all[count - 1]!.constructor.name).toEqual(states.pop());
    }
  });

  it('run once when several nodes start at once, and leave no lock behind', async () => {
    const starting = await Promise.all(Array.from({ length: 4 }, aNode));
    await Promise.all(starting.map((node) => migrate(node)));
    expect(await applied()).toHaveLength(FILES.length);
    expect(await db.database.query('SELECT 1 FROM service_state')).toHaveLength(1);
    const locks = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    expect(await db.database.query(locks)).toEqual([]);
    const timeouts = await starting[0]!.query<{ statement_timeout: string }[]>('SHOW statement_timeout');
    expect(timeouts[0]?.statement_timeout).not.toBe('0');
  });

  it('are not run again by a later start', async () => {
    const node = await aNode();
    await migrate(node);
    const before = await applied();
    await migrate(await aNode());
    expect(await applied()).toEqual(before);
  });

  it('let the nodes that run read the feed while a long dump keeps its table', async () => {
    const node = await aNode();
    await migrate(node);
    const hasColumn = async () =>
      (await schema()).columns.some(({ column_name }) => column_name === 'written_at');
    while (await hasColumn()) await node.undoLastMigration({ transaction: 'each' });
    const dump = new pg.Client({ connectionString: db.url, application_name: 'pg_dump' });
    await dump.connect();
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    try {
      await dump.query(
        'BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE tandem.revocations IN ACCESS SHARE MODE',
      );
      const done = migrate(await aNode());
      const waiting = `
        SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
          AND relation = 'tandem.revocations'::regclass`;
      for (let attempt = 1; attempt <= 2; attempt += 1) {
        await expect
          .poll(() => db.database.query(waiting), { interval: 20, timeout: 30_000 })
          .toHaveLength(1);
        // Behind the migration in the queue for the table: it would fail after three seconds.
        expect(await db.database.query('SELECT 1 FROM revocations')).toEqual([]);
        await expect.poll(() => db.database.query(waiting), { timeout: 30_000 }).toEqual([]);
      }
      expect(await hasColumn()).toBe(false);
      const { rows } = await dump.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      expect(warn.mock.calls).toEqual([
        [
          expect.stringMatching(
            `NodesAndLimits\\d+ waits until .* process ${rows[0]!.pid} \\(pg_dump\\) ends`,
          ),
        ],
      ]);
      await dump.query('COMMIT');
      await done;
      expect(await hasColumn()).toBe(true);
      expect(await applied()).toHaveLength(FILES.length);
    } finally {
      warn.mockRestore();
      await dump.end();
    }
  });
});
