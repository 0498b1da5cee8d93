import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asProduct, createTestDatabase } from '../helpers/database.js';
import type { TestDatabase } from '../helpers/database.js';
import { NodeProcess } from '../helpers/node-process.js';
import { Pgbouncer, noPgbouncer } from '../helpers/pgbouncer.js';
import { login, logout, refresh, verify } from '../helpers/remote-client.js';

describe('behind PgBouncer', () => {
  let db: TestDatabase;
  let pooler: Pgbouncer | undefined;
  let node: NodeProcess | undefined;
  beforeEach(async () => {
    db = await createTestDatabase({ migrated: false });
  });
  afterEach(async () => {
    await node?.remove();
    await pooler?.stop();
    node = pooler = undefined;
    await db.drop();
  });

  async function start(
    settings: Readonly<Record<string, string | number>>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<NodeProcess> {
    pooler = await Pgbouncer.to(db.url, settings);
    return (node = await NodeProcess.spawn({ databaseUrl: pooler.url, env: { NODE_ENV: '', ...env } }));
  }

  async function refusal(settings: Readonly<Record<string, string | number>>): Promise<string[]> {
    const started = await start(settings);
    await expect(started.ready()).rejects.toThrow();
    const schemas = `SELECT 1 FROM pg_namespace WHERE nspname = 'tandem'`;
    expect(await asProduct(db.url, schemas)).toEqual([]);
    return started.output.split('\n').filter((line) => /DATABASE_/.test(line));
  }

  it('works in session mode with the default settings', async (test) => {
    test.skip(noPgbouncer !== undefined, noPgbouncer);
    const started = await start({ pool_mode: 'session' });
    await started.ready();
    const tokens = await login(started);
    const next = await refresh(started, tokens.refresh_token);
    expect((await verify(started, next.access_token)).status).toBe(204);
    await logout(started, next.access_token);
    await expect.poll(async () => (await verify(started, next.access_token)).status).toBe(401);
  });

  it.for(['transaction', 'statement'])('is refused in %s mode, in one line', async (mode, test) => {
    test.skip(noPgbouncer !== undefined, noPgbouncer);
    expect(await refusal({ pool_mode: mode })).toEqual([expect.stringContaining('transaction')]);
    // No setting was left on a connection that other applications use.
    if (mode === 'transaction')
      expect(await asProduct(pooler!.url, 'SHOW search_path')).toEqual([{ search_path: 'public, tandem' }]);
  });

  it.for([1, 5])('is refused if it allows only %i connections, in one line', async (size, test) => {
    test.skip(noPgbouncer !== undefined, noPgbouncer);
    expect(await refusal({ pool_mode: 'session', default_pool_size: size })).toEqual([
      expect.stringMatching(/^DATABASE_POOL_SIZE needs \d+ connections, but the pooler .* allows only \d/),
    ]);
  });
});
