// The report: JSON for machines, Markdown with a plot for each group for people.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import * as echarts from 'echarts';
import { format, resolveConfig } from 'prettier';
import { ROUNDS, SECONDS } from './settings.mjs';

/** What the other commands keep. */
const OTHERS = ['migration', 'load', 'storms', 'buffers'];

const WIDTH = 900;
const ROW_HEIGHT = 44;

/** A ratio whose rounds differ by more than this says nothing. */
const NOISY = 2;

/** The share of such ratios that shows that the machine was too noisy. */
const NOISY_SHARE = 0.1;

/**
 * Writes the rows of this run. `complete`: all measures were taken. Otherwise rows of earlier runs stay, with their own commit and date.
 * Throws, and writes nothing, if the machine was too noisy.
 */
export async function writeReport(folder, rows, complete) {
  refuseNoise(rows);
  mkdirSync(join(folder, 'performance'), { recursive: true });
  const file = join(folder, 'performance', 'results.json');
  const machine = machineNow();
  const { commit: id, date } = machine;
  const taken = rows.map((row) => ({ ...row, commit: id, date }));
  const all = complete ? taken : merged(existsSync(file) ? earlierRows(file) : [], taken);
  await write(file, JSON.stringify({ machine, rows: all }));
  await renderReport(folder);
}

/** Writes the page from what all commands have kept. */
export async function renderReport(folder) {
  const { machine, rows } = JSON.parse(readFileSync(join(folder, 'performance', 'results.json'), 'utf8'));
  const dated = rows.map((row) => ({ commit: machine.commit, date: machine.date, ...row }));
  const parts = [heading(machine)];
  for (const [group, members] of Map.groupBy(dated, ({ group: name }) => name)) {
    const name = `${group.toLowerCase().replaceAll(/[^a-z]+/g, '-')}.svg`;
    writeFileSync(join(folder, 'performance', name), plot(members));
    parts.push(`## ${group}\n\n![${group}](performance/${name})\n\n${table(members)}`);
  }
  for (const name of OTHERS) {
    const kept = join(folder, 'performance', `${name}.json`);
    if (existsSync(kept)) parts.push(section(JSON.parse(readFileSync(kept, 'utf8'))));
  }
  await write(join(folder, 'performance.md'), parts.join('\n\n'));
}

/** What this run has run on, and when. */
export function machineNow() {
  return {
    node: process.version,
    cpu: cpus()[0].model.trim(),
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    commit: commit(),
    date: new Date().toISOString().slice(0, 10),
    rounds: ROUNDS,
    seconds: SECONDS,
  };
}

/** Rows of a release before rows had a commit and a date of their own have those of their run. */
function earlierRows(file) {
  const { machine, rows } = JSON.parse(readFileSync(file, 'utf8'));
  return rows.map((row) => ({ commit: machine.commit, date: machine.date, ...row }));
}

/** Each row once, where it was: its newest figures. */
function merged(earlier, taken) {
  const same = (a) => (b) => a.group === b.group && a.what === b.what && a.to === b.to;
  const kept = earlier.map((row) => taken.find(same(row)) ?? row);
  return [...kept, ...taken.filter((row) => !earlier.some(same(row)))];
}

function refuseNoise(rows) {
  const ratios = rows.filter(({ yardstick }) => yardstick !== undefined);
  const noisy = ratios.filter(({ low, high }) => high > NOISY * low);
  if (noisy.length <= NOISY_SHARE * ratios.length) return;
  const names = noisy.map(({ what, low, high }) => `${what} (${low}–${high})`).join('; ');
  throw new Error(`the machine was too noisy, so nothing was written: ${names}`);
}

/** What another run has measured, for the next report: a title, a text, and rows that all have the same columns. */
export async function keepTable(folder, name, { title, text, rows }) {
  mkdirSync(join(folder, 'performance'), { recursive: true });
  const { date, commit: id, node, cpu, cores, memory_gb: memory } = machineNow();
  const machine = `${cores} cores of ${cpu}, ${memory} GB, Node ${node}`;
  const kept = { title, text, date, commit: id, machine, rows };
  await write(join(folder, 'performance', `${name}.json`), JSON.stringify(kept));
}

function section({ title, text, date, commit: id, machine, rows }) {
  const columns = Object.keys(rows[0]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const lines = [columns, columns.map(() => '---'), ...rows.map((row) => columns.map((name) => row[name]))];
  return `## ${title}\n\n${text} Measured on ${date} at ${id}${machine === undefined ? '' : `: ${machine}`}.\n\n${lines.map(line).join('\n')}`;
}

/** As the format check wants it. */
async function write(file, text) {
  writeFileSync(file, await format(text, { ...(await resolveConfig(import.meta.filename)), filepath: file }));
}

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD']).toString().trim();
  } catch {
    return 'unknown';
  }
}

function heading({ node, cpu, cores, memory_gb: memory, date, rounds, seconds, commit: id }) {
  return `# Performance

For operators who plan capacity, and for maintainers who change a path that users wait for. After reading you know what the
service costs compared with others, and which goals it misses. [Scaling](scaling.md#where-the-goals-are-missed) says why.

\`npm run bench\` measured this: ${cores} cores of ${cpu}, ${memory} GB, Node ${node}, PostgreSQL on the same machine. The last run
was on ${date} at ${id}, and each row names its own. The server has the first core. Load and database share the second. The service and what it is compared with (the yardstick) ran
in turn, in ${rounds} rounds of ${seconds} s. Each round gives one ratio. The table shows the median ratio and, in brackets, the lowest and the
highest. Absolute figures depend on this machine. Ratios show what the code costs. [results.json](performance/results.json) has all figures.
The commands write nothing if the spread of their figures shows that the machine was too noisy.

## Goals

The goals are what users feel, and what the code can reach:

- **In a storm**, the p99 of everybody else stays below 120 ms, and what is too much gets a documented 503 with \`Retry-After\`. A multiple of
  the calm p99 says little: that is 4 ms, and nobody notices 8 ms.
- **Logins** are counted for each second of a core, and compared with better-auth at the cost of its own hash. A login can never
  reach the rate of the bare hash: it also reads the user, signs a token and writes a family and an audit event.
- **Refreshes** reach 0.85 of a bare route that does the same write and the same signature, and **exchanges** 0.6: an exchange also locks the
  user and the session, so that a logout at the same moment ends both.
- **A token that a node sees for the first time** has no goal. It is one request in hundreds, and costs a signature check more.
- **Growth**: with ten times as many families, a call reads at most 1.2 times as many buffers if it takes constant time, twice as many if it
  is the first page of a list, and 12 times as many if it is a report.`;
}

function table(rows) {
  const lines = rows.map((row) => {
    const { what, to = '–', unit, yardstick = '–', measured, ratio, low, high } = row;
    const spread = `(${low}–${high})`;
    return `| ${what} | ${to} | ${yardstick} | ${measured}${ratio === undefined ? ` ${spread}` : ''} | ${unit} | ${ratio === undefined ? '–' : `${ratio} ${spread}`} | ${goal(row)} | ${row.date}, ${row.commit} |`;
  });
  return [
    '| what | against | yardstick | measured | unit | ratio | goal | date, commit |',
    '| --- | --- | --: | --: | --- | --: | --- | --- |',
    ...lines,
  ].join('\n');
}

/** Whether the goal was reached. Empty if there is none. */
export function goal({ atLeast, atMost, ratio, measured }) {
  const value = ratio ?? measured;
  if (atLeast !== undefined)
    return `≥ ${Number(atLeast.toFixed(2))}: ${value >= atLeast ? 'reached' : 'missed'}`;
  if (atMost !== undefined) return `≤ ${atMost}: ${value <= atMost ? 'reached' : 'missed'}`;
  return '';
}

/** Bars with the spread as a line; SVG without a browser. */
function plot(rows) {
  const height = 70 + ROW_HEIGHT * rows.length;
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  const label = ({ what, to, unit }) => (to === undefined ? `${what} (${unit})` : `${what}\nto ${to}`);
  const shown = rows.toReversed();
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'sans-serif' },
    grid: { left: 380, right: 70, top: 20, bottom: 40 },
    xAxis: { type: 'value' },
    yAxis: { type: 'category', data: shown.map(label), axisLabel: { fontSize: 11 } },
    series: [
      {
        type: 'bar',
        barMaxWidth: 18,
        data: shown.map(({ ratio, measured }) => ratio ?? measured),
        label: { show: true, position: 'right' },
        itemStyle: { color: '#3b6fb6' },
      },
      {
        type: 'custom',
        data: shown.map(({ low, high }, index) => [low, high, index]),
        dimensions: ['low', 'high', 'row'],
        encode: { x: ['low', 'high'], y: 'row' },
        renderItem(_params, api) {
          const [from, to] = [0, 1].map((field) => api.coord([api.value(field), api.value(2)]));
          return {
            type: 'line',
            shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
            style: { stroke: '#e07a1f', lineWidth: 3 },
          };
        },
        z: 10,
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
