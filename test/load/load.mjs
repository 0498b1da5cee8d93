// `npm run test:load`: many users at once, by sessions and then by tokens, and tens of thousands of connections. Loopback only.
import { errorsOf, startUsers } from './lib/generators.mjs';
import { cpuMs, endAll, residentMb, shareCores } from './lib/processes.mjs';
import { keepTable } from './lib/report.mjs';
import {
  makeSessions,
  makeUsers,
  mintTokens,
  signingKey,
  startDatabase,
  startService,
} from './lib/service.mjs';
import { PORT } from './lib/settings.mjs';

const number = (name, fallback) => Number(process.env[name] ?? fallback);

/** Users at once, and how far the search for the most goes, in steps of as many. */
const USERS = number('LOAD_USERS', 10_000);
const MAX_USERS = number('LOAD_MAX_USERS', 50_000);
/** Seconds in which everybody comes, in which what that has piled up is worked off, and for which is then measured. */
const RAMP = number('LOAD_RAMP', 20);
const SETTLE = number('LOAD_SETTLE', 10);
const SECONDS = number('LOAD_SECONDS', 20);
const CONNECTIONS = number('LOAD_CONNECTIONS', 50_000);
const NODES = number('LOAD_NODES', 3);
/** Seconds that a token lives: as long as by default. Those of the beginning are of all ages, so that as many expire as ever do. */
const LIFETIME = number('LOAD_TOKEN_EXPIRY', 900);
const YOUNGEST_LEFT = 20;
/** Of the users by tokens log in with their password at the beginning; the others bring a token. */
const LOGINS = number('LOAD_LOGINS', 100);

/** Milliseconds: what counts as served, and the goals. */
const TOO_SLOW = 1_000;
const GOALS = { mean: 45, p99: 120, memory: 250, connectionKb: 12 };
const THINK = [1_000, 5_000];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function startNodes(database) {
  const nodes = [];
  for (let index = 0; index < NODES; index++) {
    const more = { KEYS_DIR: `${database.folder}/keys-${index}`, TOKEN_EXPIRY: String(LIFETIME) };
    nodes.push(await startService(database, PORT + 2 + index, more));
  }
  return nodes;
}

const portOf = (index) => PORT + 2 + (index % NODES);

/** Some log in, all others bring what they have. */
async function withTokens(signing, users) {
  const all = users.map((user) => {
    const left = Math.ceil(YOUNGEST_LEFT + Math.random() * (LIFETIME - YOUNGEST_LEFT));
    const [token] = mintTokens(signing, [user], left);
    return { token, refreshToken: user.refreshToken, expires: Date.now() + left * 1000 };
  });
  for (let index = 0; index < Math.min(LOGINS, users.length); index++) {
    const response = await fetch(`http://127.0.0.1:${portOf(index)}/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: users[index].name, password: 'a long enough pass phrase' }),
    });
    const { access_token: token, refresh_token: refreshToken } = await response.json();
    all[index] = { token, refreshToken, expires: Date.now() + LIFETIME * 1000 };
  }
  return all;
}

/** So many users for a while on fresh nodes. */
async function crowd(database, credentialsOf, { think = THINK, ramp = RAMP * 1000, logouts = 0.001 } = {}) {
  const nodes = await startNodes(database);
  const credentials = await credentialsOf();
  // What makes so many users leaves work behind, which is not part of serving them.
  await database.client.query('VACUUM (ANALYZE)');
  const before = nodes.map(({ pid }) => residentMb(pid));
  const users = await startUsers(
    credentials.map((credential, index) => ({ ...credential, port: portOf(index) })),
    { path: '/api/users/me', think, ramp, logouts },
  );
  try {
    await sleep(ramp + SETTLE * 1000);
    const coming = await users.window();
    const cpu = nodes.map(({ pid }) => cpuMs(pid));
    await sleep(SECONDS * 1000);
    const result = await users.window();
    const used = nodes.reduce((sum, { pid }, index) => sum + cpuMs(pid) - cpu[index], 0);
    const memory = nodes.map(({ pid }) => residentMb(pid));
    const grown = memory.reduce((sum, megabytes, index) => sum + megabytes - before[index], 0);
    return {
      ...result,
      errors: errorsOf(result) + errorsOf(coming),
      failed: { ...coming.failures, ...result.failures, ...result.statuses },
      memory: Math.max(...memory),
      cpuPerThousand: (1000 * used) / result.answers,
      connectionKb: (1024 * grown) / credentials.length,
    };
  } finally {
    await users.stop();
    for (const node of nodes) await node.end();
  }
}

/**
 * More and more users until some get an error or wait for too long, and fewer if the first were too many; what the first crowd showed, and
 * the largest that was served.
 */
async function search(database, credentialsOf) {
  const isServed = async (count) => {
    const result = await crowd(database, () => credentialsOf(count));
    first ??= result;
    console.log(line(`${count} users`, result));
    return result.errors === 0 && result.p99 <= TOO_SLOW;
  };
  let first;
  let most = 0;
  let count = USERS;
  while (count <= MAX_USERS && (await isServed(count))) {
    most = count;
    count += USERS;
  }
  for (count = USERS / 2; most === 0 && count >= USERS / 8; count /= 2)
    if (await isServed(count)) most = count;
  return { ...first, most };
}

function line(what, { answers, mean, p50, p99, errors, failed, memory, cpuPerThousand }) {
  const rate = Math.round(answers / SECONDS);
  const times = `average ${mean.toFixed(1)} ms, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  const cost = `${memory.toFixed(0)} MB, ${cpuPerThousand.toFixed(0)} ms of CPU for 1,000 requests`;
  return `${what}: ${rate}/s, ${times}, errors ${errors}${errors > 0 ? ` ${JSON.stringify(failed)}` : ''}, ${cost}`;
}

async function main() {
  shareCores();
  const database = await startDatabase();
  try {
    // Makes the schema, the key and the first user.
    const first = await startService(database);
    await first.end();
    const signing = signingKey(database);
    const count = Math.max(MAX_USERS, USERS);
    const people = await makeUsers(database, count, 'load');
    const cookies = await makeSessions(database, people);
    console.log('by sessions');
    const sessions = await search(database, (n) => cookies.slice(0, n).map((cookie) => ({ cookie })));
    console.log('by tokens');
    const tokens = await search(database, async (n) =>
      withTokens(signing, await makeUsers(database, n, `tokens${n}-`)),
    );
    console.log(`${CONNECTIONS} connections`);
    // Few tokens: it is connections that are weighed, not tokens that nodes remember.
    const minted = mintTokens(signing, people.slice(0, 100), 900);
    const connections = await crowd(
      database,
      () => Array.from({ length: CONNECTIONS }, (_, index) => ({ token: minted[index % minted.length] })),
      { think: [30_000, 55_000], ramp: Math.max(1_000, CONNECTIONS), logouts: 0 },
    );
    console.log(line(`${connections.connected} connections`, connections));
    await show({ sessions, tokens, connections });
  } finally {
    await endAll();
    await database.end();
  }
}

async function show({ sessions, tokens, connections }) {
  const change = (name) =>
    sessions[name] === 0 ? '' : `${(100 * (tokens[name] / sessions[name] - 1)).toFixed(0)} %`;
  const row = (what, name, goal) => ({
    what,
    'before (sessions)': Number(sessions[name].toFixed(1)),
    'after (tokens)': Number(tokens[name].toFixed(1)),
    change: change(name),
    goal: goal === undefined ? '' : `< ${goal}: ${tokens[name] < goal ? 'reached' : 'missed'}`,
  });
  const rows = [
    row(`average response time of ${USERS} users, ms`, 'mean', GOALS.mean),
    row('p99, ms', 'p99', GOALS.p99),
    row(`memory of a node (of ${NODES}), MB`, 'memory', GOALS.memory),
    row('CPU for 1,000 requests, ms', 'cpuPerThousand'),
    row('most users without an error', 'most'),
    row('errors', 'errors', 1),
  ];
  console.table(rows);
  const each = connections.connectionKb;
  const reached = each < GOALS.connectionKb && connections.errors === 0;
  const idle =
    `With ${connections.connected} keep-alive connections on ${NODES} nodes, each connection takes ${each.toFixed(1)} kB ` +
    `(goal: < ${GOALS.connectionKb} kB), with ${connections.errors} errors: ${reached ? 'reached' : 'missed'}.`;
  console.log(idle);
  if (process.env.LOAD_OUT === undefined) return;
  const text =
    `\`npm run test:load\`: ${NODES} nodes, the database and the load share the machine's cores. Users wait 1 to 5 s between calls to ` +
    `\`/api/users/me\`. Users with tokens refresh them before they expire after ${LIFETIME} s. Only their figures include refreshes and the ` +
    'first signature check of each token, so tokens can cost more than sessions here. A few users log out. A response time counts from ' +
    `the moment when the call was due. The test tried up to ${MAX_USERS} users. It calls a number of users served if there was no error ` +
    `and the p99 was below ${TOO_SLOW} ms. ${idle}`;
  await keepTable(process.env.LOAD_OUT, 'load', { title: 'Many users at once', text, rows });
}

await main();
