import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataSourceOptions } from '../../../src/database/data-source-options.js';
import { Database } from '../../../src/database/database.js';
import {
  DatabaseUnavailable,
  isStatementError,
  violatedUnique,
} from '../../../src/database/database.errors.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';

const PID = 'SELECT pg_backend_pid() AS pid';

describe('Database', () => {
  let db: TestDatabase;
  let dataSource: DataSource;
  /** Exactly one connection, to detect when it was replaced. */
  let database: Database;

  beforeAll(async () => {
    db = await createTestDatabase();
    dataSource = await new DataSource({ ...dataSourceOptions(db.url), poolSize: 1 } as never).initialize();
    database = new Database(dataSource);
    await database.query('CREATE TABLE things (id integer CONSTRAINT things_pkey PRIMARY KEY)');
  });
  afterAll(async () => {
    await dataSource.destroy();
    await db.drop();
  });

  const pid = async () => (await database.query<{ pid: number }>(PID))[0]!.pid;
  const things = () => database.query<{ id: number }>('SELECT id FROM things ORDER BY id');
  const insert = 'INSERT INTO things VALUES ($1)';
  const cut = async () => {
    await db.database.query('SELECT pg_terminate_backend($1::integer)', [await pid()]);
  };

  it('closes a connection that is still being opened, at whatever moment', async () => {
    for (let turns = 0; turns < 20; turns += 1) {
      const client = database.ownClient({});
      const connecting = client.connect().then(
        () => 'open',
        () => 'failed',
      );
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
      await client.end();
      expect(['open', 'failed']).toContain(await connecting);
      await expect(client.query('SELECT 1')).rejects.toThrow();
    }
  });

  it('keeps the connection after a statement error, and throws that error', async () => {
    const before = await pid();
    await database.query(insert, [1]);
    const refused = await database.query(insert, [1]).catch((error: unknown) => error);
    expect(refused).not.toBeInstanceOf(DatabaseUnavailable);
    expect(isStatementError(refused)).toBe(true);
    expect(violatedUnique(refused)).toBe('things_pkey');
    await expect(database.query('SELECT $1::uuid', ['x'])).rejects.toMatchObject({ code: '22P02' });
    await expect(database.query('SELECT $1::text', ['a\0b'])).rejects.toMatchObject({ code: '22021' });
    expect(await pid()).toBe(before);
  });

  it('prepares ordinary statements, and replans those whose plan depends on the values', async () => {
    const [often, rarely] = ['SELECT $1::integer AS often', 'SELECT $1::integer AS rarely'];
    expect(await database.query(often, [1])).toEqual([{ often: 1 }]);
    expect(await database.queryUnprepared(rarely, [2])).toEqual([{ rarely: 2 }]);
    const prepared = await database.query(
      `SELECT statement FROM pg_prepared_statements WHERE statement IN ($1, $2)`,
      [often, rarely],
    );
    expect(prepared).toEqual([{ statement: often }]);
  });

  it('rolls a failed transaction back, and keeps its connection', async () => {
    const before = await pid();
    const failing = database.transaction(async (sql) => {
      await sql.query(insert, [10]);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    const refused = database.transaction(async (sql) => {
      await sql.query(insert, [11]);
      await sql.query(insert, [11]);
    });
    await expect(refused).rejects.toMatchObject({ code: '23505' });
    expect((await things()).some(({ id }) => id >= 10)).toBe(false);
    expect(await pid()).toBe(before);
  });

  it('commits a transaction that returns a refusal', async () => {
    const outcome = await database.transaction(async (sql) => {
      await sql.query(insert, [20]);
      return 'refused';
    });
    expect(outcome).toBe('refused');
    expect(await things()).toContainEqual({ id: 20 });
  });

  it('repeats a transaction after a deadlock, and commits it once', async () => {
    await database.query('INSERT INTO things VALUES (40), (41)');
    const hold = 'SELECT id FROM things WHERE id = $1 FOR UPDATE';
    let runs = 0;
    const inACircle = (on: Database, own: number, arrive: () => void, others: Promise<void>, mark: number) =>
      on.transaction(async (sql) => {
        runs += 1;
        await sql.query(insert, [mark]);
        await sql.query(hold, [own]);
        arrive();
        await others;
        await sql.query(hold, [81 - own]);
      });
    const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await Promise.all([
      inACircle(database, 40, one.resolve, two.promise, 42),
      inACircle(db.database, 41, two.resolve, one.promise, 43),
    ]);
    expect(runs).toBe(3);
    expect((await things()).map(({ id }) => id)).toEqual(expect.arrayContaining([40, 41, 42, 43]));
  });

  it('throws DatabaseUnavailable after a second deadlock, and commits nothing', async () => {
    let runs = 0;
    const failing = database.transaction(async (sql) => {
      runs += 1;
      await sql.query(insert, [50]);
      await sql.query(`DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$`);
    });
    await expect(failing).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(runs).toBe(2);
    expect(await things()).not.toContainEqual({ id: 50 });
  });

  it('throws DatabaseUnavailable if a connection breaks, and then uses another one', async () => {
    const before = await pid();
    const cutting = database.transaction(async (sql) => {
      const [own] = await sql.query<{ pid: number }>(PID);
      await db.database.query('SELECT pg_terminate_backend($1::integer)', [own!.pid]);
      await sql.query(insert, [30]);
    });
    await expect(cutting).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await pid()).not.toBe(before);
    expect(await things()).not.toContainEqual({ id: 30 });
  });

  it('survives the loss of an idle connection', async () => {
    await cut();
    await expect.poll(() => pid().catch(() => 0)).toBeGreaterThan(0);
  });

  it('throws DatabaseUnavailable for a statement that takes too long, and closes the connection', async () => {
    await database.query(`SET statement_timeout = '50ms'`);
    const before = await pid();
    await expect(database.query('SELECT pg_sleep(5)')).rejects.toBeInstanceOf(DatabaseUnavailable);
    expect(await pid()).not.toBe(before);
  });

  it('throws DatabaseUnavailable if no connection is free in time', async () => {
    const held = Promise.withResolvers<void>();
    const holding = database.transaction(async (sql) => {
      await sql.query('SELECT 1');
      await held.promise;
    });
    await expect(database.query('SELECT 1')).rejects.toBeInstanceOf(DatabaseUnavailable);
    held.resolve();
    await holding;
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('refuses further callers at once when too many wait', async () => {
    const held = Promise.withResolvers<void>();
    const holding = database.transaction(async (sql) => {
      await sql.query('SELECT 1');
      await held.promise;
    });
    const refused: unknown[] = [];
    const callers = Array.from({ length: 600 }, () =>
      database.query('SELECT 1').then(
        () => 'served',
        (error: unknown) => {
          refused.push(error);
          return 'refused';
        },
      ),
    );
    expect(await callers[599]).toBe('refused');
    // 500 may wait. The transaction that holds the only connection may be one of them.
    expect([100, 101]).toContain(refused.length);
    for (const error of refused) expect(error).toBeInstanceOf(DatabaseUnavailable);
    held.resolve();
    await holding;
    expect(await Promise.all(callers)).toContain('served');
  });

  it('closes idle connections on request, and opens others', async () => {
    const before = await pid();
    database.dropIdle();
    expect(await pid()).not.toBe(before);
  });

  it('throws DatabaseUnavailable if there is no server', async () => {
    const gone = await createTestDatabase();
    await gone.dataSource.query('SELECT 1');
    await gone.drop();
    await expect(gone.database.query('SELECT 1')).rejects.toBeInstanceOf(DatabaseUnavailable);
    await expect(gone.database.transaction(async () => 1)).rejects.toBeInstanceOf(DatabaseUnavailable);
  });
});
