// `npm run bench:migration`: a product as it is before its move, the same users at Tandem by token and by session, and two floors. All of
// them run at once on one core, and take turns in short windows, so that noise hits all alike. Loopback only.
// `MIGRATION_OUT=docs/operations` writes the report, unless the machine was too noisy.
import { median, round } from './lib/compare.mjs';
import { errorsOf, startUsers } from './lib/generators.mjs';
import { cpuMs, endAll, pinTree, residentMb } from './lib/processes.mjs';
import { CONTESTANTS, makeProduct } from './lib/product.mjs';
import { keepTable, renderReport } from './lib/report.mjs';
import { startDatabase } from './lib/service.mjs';
import { PORT } from './lib/settings.mjs';

const number = (name, fallback) => Number(process.env[name] ?? fallback);

const ROUNDS = number('MIGRATION_ROUNDS', 5);
/** Users of the windows that take turns: as many as the product serves with room. */
const USERS = number('MIGRATION_USERS', 1_500);
const CONNECTED = number('MIGRATION_CONNECTED', 10_000);
const MOST = number('MIGRATION_MOST', 20_000);
const OUT = process.env.MIGRATION_OUT;

/** Times in milliseconds. */
const THINK = [1_000, 5_000];
/** All can serve 10,000 users who call so rarely, so that their memory can be compared. */
const SLOW_THINK = [10_000, 20_000];
const SHORT = { think: THINK, ramp: 1_500, settle: 1_000, seconds: number('MIGRATION_SECONDS', 5) };
const SEARCH = { think: THINK, ramp: 4_000, settle: 2_500, seconds: number('MIGRATION_SEARCH_SECONDS', 6) };
const CALM = { think: SLOW_THINK, ramp: 8_000, settle: 8_000, seconds: 4 };
const BUSY = { think: THINK, ramp: 5_000, settle: 5_000, seconds: 8 };

/** Milliseconds: users whose p99 is below are served. */
const SERVED = 120;

/** Where the search begins, and its step. */
const SEARCHES = { express: [1_000, 500], token: [4_000, 1_000], session: [2_000, 500] };

/** What shows that the machine was too noisy. */
const MOST_SPREAD = 0.5;
const MOST_FLOOR_P99 = 100;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const product = {};
const portOf = (name) => PORT + 2 + Object.keys(CONTESTANTS).indexOf(name);

/** So many users for a while at one contestant; what they saw in the last seconds. */
async function users(name, { pid }, count, { think, ramp, settle, seconds }) {
  const credentials = CONTESTANTS[name].credentials(product, count, seconds);
  const crowd = await startUsers(
    credentials.map((credential) => ({ ...credential, port: portOf(name) })),
    { path: '/api/users/me', think, ramp, logouts: 0 },
    { first: true },
  );
  try {
    await sleep(ramp + settle);
    const coming = await crowd.window();
    const before = cpuMs(pid);
    await sleep(seconds * 1000);
    const result = await crowd.window();
    return {
      ...result,
      errors: errorsOf(result) + errorsOf(coming),
      failed: { ...coming.failures, ...coming.statuses, ...result.failures, ...result.statuses },
      cpu: (1000 * (cpuMs(pid) - before)) / result.answers,
      memory: residentMb(pid),
    };
  } finally {
    await crowd.stop();
  }
}

function log(what, { answers, mean, p99, errors, failed, cpu, memory }, seconds) {
  const wrong = errors > 0 ? ` ${JSON.stringify(failed)}` : '';
  console.log(
    `${what}: ${Math.round(answers / seconds)}/s, average ${mean.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, errors ${errors}${wrong}, ` +
      `${cpu.toFixed(0)} ms of CPU for 1,000 requests, ${memory.toFixed(0)} MB`,
  );
}

/** Short windows in turn: A B C A B C. The first round only warms up. */
async function takeTurns(names) {
  const running = {};
  for (const name of names) running[name] = await CONTESTANTS[name].start(product, portOf(name));
  const results = Object.fromEntries(names.map((name) => [name, []]));
  for (let turn = 0; turn <= ROUNDS; turn++) {
    for (const name of names) {
      const result = await users(name, running[name], USERS, SHORT);
      if (turn === 0) continue;
      log(`${name}, ${USERS} users`, result, SHORT.seconds);
      results[name].push(result);
    }
  }
  return { running, results };
}

/** The most users who are served: doubles until they are not, narrows down, and confirms twice. */
async function mostUsers(name, node) {
  const [from, step] = SEARCHES[name];
  const isServed = async (count) => {
    const result = await users(name, node, count, SEARCH);
    log(`${name}, ${count} users`, result, SEARCH.seconds);
    return result.errors === 0 && result.p99 < SERVED;
  };
  let low = 0;
  let high = Math.min(from, MOST);
  for (; high <= MOST && (await isServed(high)); high = high < MOST ? Math.min(2 * high, MOST) : high + step)
    low = high;
  while (high - low > step) {
    const middle = low + step * Math.floor((high - low) / step / 2);
    if (await isServed(middle)) low = middle;
    else high = middle;
  }
  for (; low > 0; low -= step) if ((await isServed(low)) && (await isServed(low))) return low;
  return 0;
}

/** Resident memory of a fresh process with so many users. */
async function memoryOf(name, pace) {
  const node = await CONTESTANTS[name].start(product, portOf(name));
  const result = await users(name, node, CONNECTED, pace);
  log(`${name}, ${CONNECTED} users`, result, pace.seconds);
  await node.end();
  return result.memory;
}

async function main() {
  const database = await startDatabase();
  try {
    pinTree(process.pid, 1);
    Object.assign(product, await makeProduct(database, Math.max(MOST, CONNECTED)));
    const { running, results } = await takeTurns(['express', 'token', 'session', 'plain', 'query']);
    const most = {};
    for (const name of Object.keys(SEARCHES)) most[name] = await mostUsers(name, running[name]);
    for (const node of Object.values(running)) await node.end();
    const memory = {};
    for (const name of ['express', 'memory', 'token', 'session']) memory[name] = await memoryOf(name, CALM);
    const busy = { token: await memoryOf('token', BUSY), session: await memoryOf('session', BUSY) };
    await report({ results, most, memory, busy });
  } finally {
    await endAll();
    await database.end();
  }
}

/** Why the machine was too noisy. Empty if it was quiet. */
function noiseIn(results, most) {
  const floor = Math.max(...results.plain.map(({ p99 }) => p99));
  const spreads = Object.entries(results).map(([name, windows]) => [name, spreadOf(windows, 'cpu')]);
  const none = Object.keys(most).filter((name) => most[name] === 0);
  return [
    ...none.map((name) => `${name} served no number of users that was tried`),
    ...(floor > MOST_FLOOR_P99 ? [`the p99 of bare node:http was ${floor.toFixed(0)} ms`] : []),
    ...spreads
      .filter(([, spread]) => spread > MOST_SPREAD)
      .map(([name, spread]) => `the processor time of ${name} differs by ${Math.round(100 * spread)} %`),
  ];
}

/** How far the extremes are apart, as a share of the median. */
function spreadOf(windows, field) {
  const values = windows.map((window) => window[field]);
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

async function report({ results, most, memory, busy }) {
  const middle = (name, field) => median(results[name].map((window) => window[field]));
  const shown = (name, field) => {
    const values = results[name].map((window) => window[field]);
    return `${round(middle(name, field))} (${round(Math.min(...values))}–${round(Math.max(...values))})`;
  };
  const change = (before, after) => `${after > before ? '+' : ''}${Math.round(100 * (after / before - 1))} %`;
  const reached = (goal, isReached) => `${goal}: ${isReached ? 'reached' : 'missed'}`;
  const measured = (what, field, goal = '') => ({
    what,
    'Express, sessions (before)': shown('express', field),
    'Tandem, tokens (after)': shown('token', field),
    'Tandem, sessions': shown('session', field),
    'before → after': change(middle('express', field), middle('token', field)),
    'node:http': shown('plain', field),
    'node:http, one query': shown('query', field),
    goal,
  });
  const found = (what, values, goal) => ({
    what,
    'Express, sessions (before)': values.express === undefined ? '–' : String(round(values.express)),
    'Tandem, tokens (after)': String(round(values.token)),
    'Tandem, sessions': String(round(values.session)),
    'before → after': values.express ? change(values.express, values.token) : '',
    'node:http': '',
    'node:http, one query': '',
    goal,
  });
  const errorSum = (name) => results[name].reduce((sum, { errors }) => sum + errors, 0);
  const errors = Object.fromEntries(['express', 'token', 'session'].map((name) => [name, errorSum(name)]));
  const rows = [
    measured(
      `average response time of ${USERS} users, ms`,
      'mean',
      reached('tokens ≤ our sessions', middle('token', 'mean') <= middle('session', 'mean')),
    ),
    measured('p99, ms', 'p99'),
    measured('processor time of the server for 1,000 requests, ms', 'cpu'),
    found('errors', errors, reached('0', errors.token + errors.session === 0)),
    found(
      `most users on one core with p99 < ${SERVED} ms and no error`,
      most,
      reached('≥ 5 times Express', most.express > 0 && most.token >= 5 * most.express),
    ),
    found(`memory with ${CONNECTED} users who call every 10–20 s, MB`, memory, ''),
    found(
      `memory with ${CONNECTED} users who call every 1–5 s, MB`,
      busy,
      reached('< 250', busy.token < 250 && busy.session < 250),
    ),
  ];
  console.table(rows);
  const text =
    `\`npm run bench:migration\`: the same users, before and after a product's move, on the same PostgreSQL. "Before" is Express 5 with ` +
    'express-session, connect-pg-simple and passport. Each program has the same single core; the load and the database share the other. Users ' +
    `call \`/api/users/me\` and wait 1–5 s. The programs took turns in windows of ${SHORT.seconds} s, ${ROUNDS} rounds. The table shows medians ` +
    'and, in brackets, extremes. A response time counts from the moment when the call was due. As many tokens are refreshed as expire in 900 s. ' +
    `The search for the most users tried up to ${MOST} and confirmed its result twice. With the MemoryStore, Express holds ` +
    `${round(memory.memory)} MB instead of ${round(memory.express)} MB.`;
  const noise = noiseIn(results, most);
  if (noise.length > 0) {
    console.error(`the machine was too noisy, so nothing was written: ${noise.join('; ')}`);
    process.exitCode = 1;
  } else if (OUT !== undefined) {
    await keepTable(OUT, 'migration', { title: 'Before and after the move', text, rows });
    await renderReport(OUT);
  }
}

await main();
