// `npm run bench`: what the service costs, as ratios to a yardstick measured in the same run, A B A B. Loopback only.
// `BENCH_ONLY=logins npm run bench` takes one measure; `BENCH_OUT=docs/operations` writes the report. More in `lib/settings.mjs`.
import { createPublicKey } from 'node:crypto';
import { endAll, pinTree, startOnServerCore, until } from './lib/processes.mjs';
import { goal, writeReport } from './lib/report.mjs';
import { makeUsers, mintTokens, signingKey, startDatabase, startService } from './lib/service.mjs';
import { ONLY, OUT, PEER_PORT, SECRET, USERS } from './lib/settings.mjs';

/** In this order: what fills the database comes last. */
const MEASURES = [
  'authentication',
  'verifier',
  'test-kit',
  'revocation-stream',
  'logins',
  'users-source',
  'redis-sessions',
  'propagation',
  'start',
  'memory',
  'growth',
  'lists',
];

async function prepare() {
  const database = await startDatabase();
  const service = await startService(database);
  pinTree(process.pid, 1);
  // The service has been a child of this process since: back with it.
  pinTree(service.pid, 0);
  const signing = signingKey(database);
  const users = await makeUsers(database, USERS, 'user');
  const publicPem = createPublicKey(signing.key).export({ type: 'spki', format: 'pem' });
  const startExpress = async () => {
    const peer = startOnServerCore('test/load/peers/express.mjs', {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      PUBLIC_PEM: publicPem,
      SECRET,
      ISSUER: 'http://tandem.test',
      PORT: String(PEER_PORT),
    });
    await until(() => fetch(`http://127.0.0.1:${PEER_PORT}/open`).then(({ ok }) => ok), 'Express answers');
    return peer;
  };
  return {
    database,
    service,
    signing,
    publicPem,
    users,
    tokens: mintTokens(signing, users, 3_600),
    startExpress,
  };
}

function print(rows) {
  console.table(
    rows.map((row) => {
      const { what, to = '', yardstick = '', measured, unit, ratio = '', low, high } = row;
      return { what, to, yardstick, measured, unit, ratio, spread: `${low}–${high}`, goal: goal(row) };
    }),
  );
}

const names = MEASURES.filter((name) => ONLY === undefined || ONLY.includes(name));
const context = await prepare();
try {
  const rows = [];
  for (const name of names) {
    const { run } = await import(`./measures/${name}.mjs`);
    const began = performance.now();
    rows.push(...(await run(context)));
    console.log(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
  }
  print(rows);
  if (OUT !== undefined) await writeReport(OUT, rows, ONLY === undefined);
} finally {
  await context.service.end();
  await endAll();
  await context.database.end();
}
