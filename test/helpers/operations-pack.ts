import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AggregatorRegistry, Registry, collectDefaultMetrics } from 'prom-client';
import { describe, expect, it } from 'vitest';
import {
  alertsIn,
  dashboardExpressions,
  exposedMetrics,
  noPromtool,
  packFiles,
  promtool,
  selectorsIn,
} from './promql.js';

/** Labels that Prometheus adds, and one that only a node with several workers has. */
const ADDED = new Set(['job', 'instance', 'worker']);

/** Series that Prometheus makes by itself. */
const OF_PROMETHEUS = new Set(['up', 'ALERTS']);

/** Checks the dashboard and the rules of the transition, or all others. `metrics`: what a node prints after some traffic. */
export function describeOperationsPack(transition: boolean, metrics: () => Promise<string>): void {
  const rules = packFiles('prometheus', '.rules.yaml', transition);
  const tests = packFiles('prometheus', '.test.yaml', transition);
  const dashboards = packFiles('grafana', '.json', transition);
  const alerts = rules.flatMap(alertsIn);
  const expressions = [...alerts.map(({ expr }) => expr), ...dashboards.flatMap(dashboardExpressions)];
  const selectors = expressions.flatMap(selectorsIn);
  const named = new Set(selectors.map(({ metric }) => metric));

  it('is there', () => {
    expect([rules.length, tests.length, dashboards.length]).toEqual([1, 1, 1]);
    expect(alerts.length).toBe(readFileSync(rules[0]!, 'utf8').split('alert:').length - 1);
  });

  it('names only metrics and labels that a node has', async () => {
    const exposed = exposedMetrics(await metrics());
    const unknown = selectors.flatMap(({ metric, labels }) => {
      if (OF_PROMETHEUS.has(metric)) return [];
      const known = exposed.get(metric);
      if (known === undefined) return [metric];
      const missing = labels.filter((label) => !ADDED.has(label) && !known.has(label));
      return known.size === 0 ? [] : missing.map((label) => `${metric}{${label}}`);
    });
    expect(unknown).toEqual([]);
  });

  it('names no metric that a node with several workers leaves out', async () => {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const ofWorkers = AggregatorRegistry.aggregate([await registry.getMetricsAsJSON()]);
    const kept = exposedMetrics(await ofWorkers.metrics());
    const omitted = [...exposedMetrics(await registry.metrics()).keys()].filter((name) => !kept.has(name));
    expect(omitted).toContain('process_start_time_seconds');
    expect(omitted.filter((name) => named.has(name))).toEqual([]);
  });

  it('shows every metric of this service in the dashboard or in an alert', async () => {
    const own = [...exposedMetrics(await metrics()).keys()].filter((name) => isOwn(name, transition));
    const bases = own.map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
    expect(bases.filter((base) => ![...named].some((name) => name.startsWith(base)))).toEqual([]);
  });

  it('links each alert to a section that says what to do', () => {
    for (const { name, runbook } of alerts) {
      const [page = '', anchor] = runbook.split('#');
      expect(existsSync(page)).toBe(true);
      expect(anchor).toBe(name.toLowerCase());
      expect(readFileSync(page, 'utf8')).toContain(`\n### ${name}\n`);
    }
  });

  describe.skipIf(noPromtool !== undefined)(`with promtool${noPromtool ? ` (${noPromtool})` : ''}`, () => {
    it('has rules that Prometheus accepts', () => {
      expect(promtool('check', 'rules', ...rules)).toMatchObject({ status: 0 });
    });

    it('has a dashboard whose expressions Prometheus accepts', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tandem-rules-'));
      try {
        const records = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }));
        const file = join(folder, 'panels.json');
        await writeFile(file, JSON.stringify({ groups: [{ name: 'panels', rules: records }] }));
        expect(promtool('check', 'rules', file)).toMatchObject({ status: 0 });
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    it('fires each alert in its fault, no other then, and none in calm hours', () => {
      expect(promtool('test', 'rules', ...tests)).toMatchObject({ status: 0 });
      const text = tests.map((path) => readFileSync(path, 'utf8')).join('\n');
      const fired = [...text.matchAll(/alertname="(\w+)"/g)].map(([, name]) => name!);
      expect(fired.toSorted()).toEqual(alerts.map(({ name }) => name).toSorted());
      const calm = /- name: Calm\n([\s\S]*?)\n {2}- name/.exec(text)![1]!;
      const metricsOfAlerts = new Set(
        alerts.flatMap(({ expr }) => selectorsIn(expr)).map(({ metric }) => metric),
      );
      for (const metric of metricsOfAlerts) expect(calm).toContain(`${metric}{`);
    });
  });
}

const OF_TRANSITION =
  /^tandem_(?:scheme|unexpected_logouts|refused_sessions|rollout|mails|session_store|users_source)/;

function isOwn(name: string, transition: boolean): boolean {
  return name.startsWith('tandem_') && OF_TRANSITION.test(name) === transition;
}
