// npm run example: the shop and its reports, with Tandem beside them, on an embedded PostgreSQL under .data/example. Everything stops with
// it. The page docs/adopt/walk-through.md begins with this command.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'dotenv';
import pg from 'pg';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';

const product = import.meta.dirname;
const root = resolve(product, '..', '..');
const folder = resolve(process.env.EXAMPLE_DIR ?? join(root, '.data', 'example'));
const { SHOP_PORT = '3000', REPORTS_PORT = '3001', PORT = '5000' } = process.env;

/** What the shop has always had. Tandem needs the same secret. */
const SESSION_SECRET = 'the secret of the example, which everybody knows';

await buildIfStale(root, (line) => console.error(line));
await mkdir(folder, { recursive: true });
const { ensureEmbeddedPostgres } = await import('../../dist/src/database/embedded/embedded-postgres.js');
const server = await ensureEmbeddedPostgres(folder, (line) => console.log(line));

const database = await shopDatabase();
const shop = { DATABASE_URL: database.href, SESSION_SECRET, SHOP_PORT, REPORTS_PORT };
const tandem = {
  // Tandem makes its own schema, and finds the sessions of the shop on the search path.
  DATABASE_URL: database.href,
  DATA_DIR: join(folder, 'tandem'),
  KEYS_DIR: join(folder, 'keys'),
  PORT,
  SESSION_SECRET,
  ...parse(await readFile(join(product, 'tandem.env'))),
};

const children = [];
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop());

try {
  await finished(start(product, 'migrate.js', shop));
  // First the shop, as it has run for years. Then Tandem.
  for (const [cwd, script, env] of [
    [product, 'shop.js', shop],
    [product, 'reports.js', shop],
    [root, 'dist/src/main.js', tandem],
  ]) {
    const child = start(cwd, script, env);
    children.push(child);
    child.once('close', () => void stop(stopping ? 0 : 1));
  }
} catch (error) {
  console.error(error.message);
  await stop(1);
}

/** A database in which the shop creates its tables, in the schema public. */
async function shopDatabase() {
  const url = Object.assign(new URL(server.url), { pathname: '/shop' });
  const client = new pg.Client(server.url);
  await client.connect();
  const { rowCount } = await client.query(`SELECT FROM pg_database WHERE datname = 'shop'`);
  if (rowCount === 0) await client.query('CREATE DATABASE shop');
  await client.end();
  const shop = new pg.Client(url.href);
  await shop.connect();
  await shop.query('ALTER DATABASE shop SET search_path TO public');
  await shop.end();
  return url;
}

function start(cwd, script, env) {
  const { PATH, HOME, TMPDIR = '/tmp' } = process.env;
  return spawn(process.execPath, [join(cwd, script)], {
    cwd,
    env: { PATH, HOME, TMPDIR, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function finished(child) {
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`a program of the shop ended with ${code}`);
}

/** Stops the programs, then the database that they use. */
async function stop(code = 0) {
  if (stopping) return;
  stopping = true;
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  const ends = running.map((child) => once(child, 'close'));
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(ends);
  await server.release();
  process.exit(code);
}
