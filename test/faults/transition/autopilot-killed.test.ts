import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../helpers/client.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { ADMIN, NodeProcess } from '../../helpers/node-process.js';
import { call, login } from '../../helpers/remote-client.js';

const ENV = { ROLLOUT_PERCENTAGE: '0', SESSION_SECRET: 'of a test' };

/** Statements that wait for the lock which the test holds: a step that has changed the rollout and not yet committed. */
const MID_STEP = `
  SELECT 1 FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO audit_events%'`;

/** The other node waits for the lease to run out, and then for its next look. */
const TAKEN_OVER_WITHIN = 20_000;

describe('the node that carries out the plan', () => {
  let db: TestDatabase;
  let acting: NodeProcess;
  let other: NodeProcess;
  beforeAll(async () => {
    db = await createTestDatabase();
    acting = await NodeProcess.start({ databaseUrl: db.url, env: ENV });
  });
  afterAll(async () => {
    await Promise.all([acting, other].map((node) => node?.remove()));
    await db.drop();
  });

  const rows = <Row>(text: string) => db.dataSource.query<Row[]>(text);
  const percentages = async () =>
    (await rows<{ percentage: number }>('SELECT percentage FROM rollout_versions ORDER BY version')).map(
      ({ percentage }) => percentage,
    );

  it('is replaced by another node if it is killed during a step, and the step is taken once', async () => {
    const session = await sessionOf(acting);
    const asAdmin = (method: string, path: string, body: object) =>
      fetch(`${acting.url}${path}`, {
        method,
        headers: { cookie: session, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await asAdmin('PATCH', '/admin/rollout', { roles: ['admin'] })).status).toBe(200);
    const { access_token } = await login(acting);
    const plan = {
      enabled: true,
      min_requests: 1,
      steps: [
        { percentage: 10, soak_seconds: 15 },
        { percentage: 20, soak_seconds: 3_600 },
      ],
    };
    expect((await asAdmin('PUT', '/admin/rollout/plan', plan)).status).toBe(200);
    await until(async () => (await percentages()).at(-1) === 10, 10_000);
    // It alone was there: it holds the lease.
    other = await NodeProcess.start({ databaseUrl: db.url, env: ENV });
    expect((await call(other, 'GET', '/api/users/me', { token: access_token })).status).toBe(200);
    expect((await fetch(`${other.url}/api/users/me`, { headers: { cookie: session } })).status).toBe(200);

    const lock = db.dataSource.createQueryRunner();
    await lock.startTransaction();
    try {
      // Otherwise the server ends this transaction if the step is more than ten seconds away.
      await lock.query('SET LOCAL idle_in_transaction_session_timeout = 0');
      await lock.query('LOCK TABLE audit_events IN EXCLUSIVE MODE');
      await until(async () => (await rows(MID_STEP)).length > 0, 30_000);
      await acting.end('SIGKILL');
      expect(await percentages()).toEqual([0, 0, 10]);
    } finally {
      await lock.rollbackTransaction();
      await lock.release();
    }
    const took = await until(async () => (await percentages()).at(-1) === 20, TAKEN_OVER_WITHIN);
    console.info(`taken over after ${Math.round(took)} ms`);
    expect(await percentages()).toEqual([0, 0, 10, 20]);
    const steps = await rows(`SELECT 1 FROM audit_events WHERE cause = 'plan_advanced'`);
    expect(steps).toHaveLength(2);
    const [stands] = await rows<{ state: string; position: number }>(
      'SELECT state, position FROM rollout_plan',
    );
    expect(stands).toEqual({ state: 'running', position: 1 });
  });
});

/** The cookie of a session of the first admin. */
async function sessionOf({ url }: NodeProcess): Promise<string> {
  const response = await fetch(`${url}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(ADMIN),
  });
  const cookie = response.headers.getSetCookie().find((header) => header.startsWith('session_id='));
  if (response.status !== 200 || cookie === undefined) throw new Error(`no session: ${response.status}`);
  return cookie.split(';')[0]!;
}
