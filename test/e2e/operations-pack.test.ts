import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CleanUpJob } from '../../src/operations/clean-up.job.js';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, get, login, post, refresh, tryLogin, tryRefresh, until } from '../helpers/client.js';
import { describeOperationsPack } from '../helpers/operations-pack.js';
import { promtool, noPromtool, selectorsIn } from '../helpers/promql.js';

let node: TestApp;
let text: string;
beforeAll(async () => {
  node = await createTestApp({ env: { AUTH_RATE_LIMIT: '4' } });
  const user = await aUser(node);
  const first = (await login(node, user)).refresh_token;
  const second = (await refresh(node, first)).refresh_token;
  await refresh(node, second);
  // Two generations old: a reuse.
  await tryRefresh(node, first);
  await tryRefresh(node, 'not a token');
  await get(node, '/api/users/me');
  for (let i = 0; i < 5; i++) await tryLogin(node, { ...user, password: 'a wrong pass phrase' });
  await node.app.get(CleanUpJob).run();
  await until(async () => !(await metrics()).includes('_propagation_seconds_count 0\n'), 15_000);
  text = await metrics();
});
afterAll(() => node.close());

const metrics = async () => (await get(node, '/metrics')).body;

describe('the operations pack', () => {
  describeOperationsPack(false, async () => text);

  it.skipIf(noPromtool !== undefined)('has an example configuration that Prometheus accepts', () => {
    expect(promtool('check', 'config', 'deploy/prometheus/prometheus.example.yaml')).toMatchObject({
      status: 0,
    });
  });

  it('finds the metrics and labels of an expression', () => {
    const expr =
      'sum by (job) (rate(a_total{x=~"b{c", y!="d"}[5m])) / on (z) b > 0.5 and time() - max(c) > 4e6';
    expect(selectorsIn(expr)).toEqual([
      { metric: 'a_total', labels: ['x', 'y'] },
      { metric: 'b', labels: [] },
      { metric: 'c', labels: [] },
    ]);
  });
});

describe('the metrics of a node', () => {
  it('count refreshes by outcome, failed logins by cause and calls over a limit by bucket', () => {
    expect(text).toContain('tandem_refreshes_total{outcome="rotated"} 2\n');
    expect(text).toContain('tandem_refreshes_total{outcome="reused"} 1\n');
    expect(text).toContain('tandem_refreshes_total{outcome="rejected"} 1\n');
    expect(text).toMatch(/^tandem_refusals_total\{cause="wrong_password"\} [1-4]$/m);
    expect(text).toMatch(/^tandem_rate_limited_total\{bucket="login"\} [1-9]$/m);
  });

  it('say that a calm node is ready, fresh and clean', () => {
    for (const check of ['revocation_feed', 'signing_key', 'stopping'])
      expect(text).toContain(`tandem_ready{check="${check}"} 1\n`);
    expect(text).toMatch(/^tandem_database_connections\{state="max"\} 20$/m);
    expect(text).toContain('tandem_audit_tampered 0\n');
    expect(text).toContain('tandem_background_loop_failing{loop="clean-up"} 0\n');
    const [, completed] = /^tandem_clean_up_completed_timestamp_seconds (\S+)$/m.exec(text)!;
    expect(Number(completed)).toBeGreaterThan(1_700_000_000);
    const [, keyAge] = /^tandem_signing_key_age_seconds (\S+)$/m.exec(text)!;
    expect(Number(keyAge)).toBeGreaterThan(0);
  });

  it('do not grow with what a client sends', async () => {
    const series = async () =>
      (await metrics()).split('\n').filter((line) => line.startsWith('tandem_')).length;
    const before = await series();
    for (let i = 0; i < 20; i++) {
      await post(node, '/auth/refresh', { refresh_token: `tandem_rt_${randomUUID()}` });
      await tryLogin(node, { id: '', username: randomUUID(), password: randomUUID() });
      await get(node, `/${randomUUID()}`);
    }
    // A bucket or a cause that no call has met before.
    expect(await series()).toBeLessThan(before + 5);
  });
});
