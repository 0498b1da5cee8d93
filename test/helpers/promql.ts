import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');

/** Why rules cannot be tested here; undefined if they can. */
export const noPromtool: string | undefined =
  spawnSync('promtool', ['--version']).error === undefined
    ? undefined
    : `there is no promtool: install Debian's package "prometheus"`;

/** The exit code of promtool, and what it printed. */
export function promtool(...args: string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

export interface Alert {
  readonly name: string;
  readonly expr: string;
  readonly runbook: string;
}

/** The alerts of a file of rules. */
export function alertsIn(path: string): Alert[] {
  const [, ...rules] = readFileSync(path, 'utf8').split(/^ {6}- alert: /m);
  return rules.map((text) => ({
    name: /^\w+/.exec(text)![0],
    expr: /^ {8}expr: >-\n((?: {10}.*\n)+)/m.exec(text)![1]!.trim().replaceAll(/\s+/g, ' '),
    runbook: /^ {10}runbook: (.+)$/m.exec(text)![1]!,
  }));
}

interface Panel {
  readonly targets?: readonly { readonly expr: string }[];
}

/** The expressions of a dashboard, with the variables of Grafana replaced. */
export function dashboardExpressions(path: string): string[] {
  const { panels, annotations } = JSON.parse(readFileSync(path, 'utf8')) as {
    panels: Panel[];
    annotations: { list: { expr: string }[] };
  };
  const all = [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list];
  return all.map(({ expr }) =>
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'tandem').replaceAll('$instance', '.*'),
  );
}

/** A metric with the labels by which an expression selects it. */
export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

/** Operators, functions and modifiers: words of PromQL that are no metrics. */
const WORDS = /^(?:and|or|unless|on|by|without|ignoring|e\d+)$/;

/** The metrics of a PromQL expression. */
export function selectorsIn(expr: string): Selector[] {
  const plain = expr.replaceAll(/\b(?:by|on|without|ignoring)\s*\([^)]*\)/g, ' ');
  // Strings are matched as a whole, so that no word in one is taken for a metric.
  return [...plain.matchAll(/\[[^\]]*\]|"[^"]*"|\d[\w.]*|([a-zA-Z_:][\w:]*)\s*(\(|\{([^}]*)\})?/g)].flatMap(
    ([, metric, after, matchers = '']) => {
      if (metric === undefined || after === '(' || WORDS.test(metric)) return [];
      return [
        { metric, labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label]) => label!) },
      ];
    },
  );
}

/** What a node prints: the label names of each metric by its name in expressions. A metric without a sample has none. */
export function exposedMetrics(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name, type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) found.set(name! + suffix, new Set());
  }
  for (const [, name, labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm))
    for (const [, label] of labels.matchAll(/(\w+)="/g)) found.get(name!)?.add(label!);
  return found;
}

/** The files of the pack: those of the transition, or all others. */
export function packFiles(folder: string, suffix: string, transition: boolean): string[] {
  return readdirSync(join(DEPLOY, folder))
    .filter((name) => name.endsWith(suffix) && name.startsWith('transition.') === transition)
    .map((name) => join(DEPLOY, folder, name));
}
