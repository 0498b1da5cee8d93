// `npm run bench:buffers`: what each call of the API reads in the database, with 10^5 and with 10^6 token families. Buffers do not depend on
// how busy the machine is. `BUFFERS_OUT=docs/operations` writes the report. Loopback only.
import { readFileSync } from 'node:fs';
import { PlanLog, logPlans } from './lib/buffers.mjs';
import { CALLS, KINDS } from './lib/calls.mjs';
import { endAll } from './lib/processes.mjs';
import { keepTable, renderReport } from './lib/report.mjs';
import { makeSessions, makeUsers, signingKey, startDatabase, startService } from './lib/service.mjs';
import { PASSWORD, PORT } from './lib/settings.mjs';

const number = (name, fallback) => Number(process.env[name] ?? fallback);

const SIZES = [number('BUFFERS_FEWER', 100_000), number('BUFFERS_MORE', 1_000_000)];
const FAMILIES_OF_A_USER = 10;
const TIMES = 3;
/** Milliseconds in which every background loop of a node has run. */
const BACKGROUND = number('BUFFERS_BACKGROUND', 12_000);
const OUT = process.env.BUFFERS_OUT;

/** A call that reads fewer buffers may read a few more without meaning anything. */
const FEW = 20;

const COLUMNS = {
  users: ['id, username, username_key, password_hash', `gen_random_uuid(), 'grown' || i, 'grown' || i, $3`],
  refresh_tokens: [
    'id, user_id, secret, mac_key, delivery, alone, expires_at, absolute_expires_at',
    `gen_random_uuid(), u.id, sha256(n::text::bytea), 'bench', 'body', true, now() + interval '1 day', now() + interval '1 day'`,
  ],
};

/** Users with ten families each, and an audit event for each family, until there are so many families. */
async function fill({ client }, families, filled) {
  const [from, to] = [filled / FAMILIES_OF_A_USER + 1, families / FAMILIES_OF_A_USER];
  const hash = await client.query(`SELECT password_hash FROM users WHERE username = 'root'`);
  const [userColumns, userValues] = COLUMNS.users;
  await client.query(
    `INSERT INTO users (${userColumns}) SELECT ${userValues} FROM generate_series($1::integer, $2::integer) i`,
    [from, to, hash.rows[0].password_hash],
  );
  const [familyColumns, familyValues] = COLUMNS.refresh_tokens;
  await client.query(
    `WITH made AS (
       INSERT INTO refresh_tokens (${familyColumns}) SELECT ${familyValues}
       FROM generate_series($1::integer, $2::integer) i JOIN users u ON u.username = 'grown' || i, generate_series(1, ${FAMILIES_OF_A_USER}) n
       RETURNING id, user_id)
     INSERT INTO audit_events (event, cause, user_id, sid) SELECT 'login', 'password', user_id, id FROM made`,
    [from, to],
  );
  await client.query('VACUUM (ANALYZE)');
}

/** The buffers of each call: the least of some turns, because a connection also reads catalogs when it runs a statement for the first time. */
async function measure(database, signing, size) {
  const node = await startService(database);
  const log = new PlanLog(database);
  const users = await makeUsers(database, 2 * CALLS.size * (TIMES + 1), `called${size}-`);
  const cookies = await makeSessions(database, users);
  const people = users.map((user, index) => ({ ...user, cookie: cookies[index] }));
  const context = { base: `http://127.0.0.1:${PORT}`, signing, database, password: PASSWORD, size };
  context.root = await login(context.base);
  await log.learnBackground(BACKGROUND);
  const result = new Map();
  for (const [name, { call, once = false, statuses = [200, 201, 202, 204] }] of CALLS) {
    const counts = [];
    for (let turn = 0; turn <= (once ? 0 : TIMES); turn++) {
      const prepared = await call({ ...context, user: people.pop(), other: people.pop() });
      const { result: status, buffers } = await log.during(prepared);
      if (!statuses.includes(status)) throw new Error(`${name} answered ${status}`);
      counts.push(buffers);
    }
    result.set(name, Math.min(...counts));
  }
  log.close();
  await node.end();
  return result;
}

async function login(base) {
  const response = await fetch(`${base}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username: 'root', password: PASSWORD }),
  });
  return (await response.json()).access_token;
}

/** Every call that the service documents has to be here. */
function requireEveryCall() {
  const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const missing = documented.filter((name) => !CALLS.has(name));
  if (missing.length > 0) throw new Error(`add to lib/calls.mjs: ${missing.join(', ')}`);
}

async function main() {
  requireEveryCall();
  const database = await startDatabase();
  try {
    const first = await startService(database);
    await first.end();
    await logPlans(database);
    const figures = [];
    for (const [index, size] of SIZES.entries()) {
      await fill(database, size, SIZES[index - 1] ?? 0);
      console.log(`${size} families`);
      figures.push(await measure(database, signingKey(database), size));
    }
    await report(...figures);
  } finally {
    await endAll();
    await database.end();
  }
}

async function report(fewer, more) {
  const rows = [...CALLS].map(([name, { kind }]) => {
    const [before, after] = [fewer.get(name), more.get(name)];
    const growth = after / Math.max(before, 1);
    const isReached = growth <= KINDS[kind] || after - before <= FEW;
    return {
      call: `\`${name}\``,
      kind,
      [`buffers with ${SIZES[0].toLocaleString('en')} families`]: before,
      [`with ${SIZES[1].toLocaleString('en')}`]: after,
      times: Number(growth.toFixed(2)),
      goal: `≤ ${KINDS[kind]}: ${isReached ? 'reached' : 'missed'}`,
    };
  });
  console.table(rows);
  if (OUT === undefined) return;
  const text =
    '`npm run bench:buffers`: the buffers that PostgreSQL reads for each call of the API, from cache or disk, as `auto_explain` counts them. ' +
    `Each user has ${FAMILIES_OF_A_USER} families, and each family an audit event. Goals: calls that take constant time read at most ` +
    `${KINDS.constant} times as many buffers with ten times as many families, the first page of a list ${KINDS.list} times, and a report ` +
    `${KINDS.report} times. ${FEW} buffers more or less are no growth. Each call ran ${TIMES + 1} times, and the least counts: a connection that ` +
    'runs a statement for the first time also reads catalogs.';
  await keepTable(OUT, 'buffers', { title: 'Buffers of each call', text, rows });
  await renderReport(OUT);
}

await main();
