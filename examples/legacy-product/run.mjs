// npm run example: the shop and its reports, with Tandem beside them, on an embedded PostgreSQL under .data/example. With --proxy
// (npm run example:proxy) there are two nodes, and nginx in front of everything. All of it stops together. The page
// docs/adopt/walk-through.md begins with these commands.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'dotenv';
import pg from 'pg';
import { buildIfStale } from '../../scripts/build-if-stale.mjs';
import { hasNginx, startNginx } from './nginx.mjs';
import { accepts, freePorts, output, start, started } from './programs.mjs';

const product = import.meta.dirname;
const root = resolve(product, '..', '..');
const folder = resolve(process.env.EXAMPLE_DIR || join(root, '.data', 'example'));
const behindProxy = process.argv.includes('--proxy');
const command = behindProxy ? 'npm run example:proxy' : 'npm run example';

/** The variables with the ports, and their defaults. */
const PORTS = { SHOP_PORT: 3000, REPORTS_PORT: 3001, PORT: 5000 };
const PROXY_PORTS = { SECOND_NODE_PORT: 5001, PROXY_PORT: 8080, PRIVATE_PORT: 8081 };

/** What the shop has always had. Tandem needs the same secret. */
const SESSION_SECRET = 'the secret of the example, which everybody knows';

/** From where nginx calls. On Linux nothing else calls from there, so that the shop believes nobody else. */
const PROXY_ADDRESS = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';

const children = [];
let server;
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void stop());

try {
  if (behindProxy && !hasNginx())
    throw new Error('nginx is not installed. Install it, with "apt install nginx" or "brew install nginx"');
  const ports = await freePorts({ ...PORTS, ...(behindProxy ? PROXY_PORTS : {}) }, command);
  await buildIfStale(root, (line) => console.error(line));
  await mkdir(folder, { recursive: true });
  const { ensureEmbeddedPostgres } = await import('../../dist/src/database/embedded/embedded-postgres.js');
  server = await ensureEmbeddedPostgres(folder, (line) => console.log(line));
  const database = await shopDatabase();
  const shop = {
    DATABASE_URL: database.href,
    SESSION_SECRET,
    SHOP_PORT: ports.SHOP_PORT,
    REPORTS_PORT: ports.REPORTS_PORT,
  };
  const tandem = {
    // Tandem makes its own schema, and finds the sessions of the shop on the search path.
    DATABASE_URL: database.href,
    DATA_DIR: join(folder, 'tandem'),
    KEYS_DIR: join(folder, 'keys'),
    PORT: ports.PORT,
    SESSION_SECRET,
    ...parse(await readFile(join(product, 'tandem.env'))),
  };
  await output(product, ['migrate.js'], shop);
  await (behindProxy ? runBehindProxy(shop, tandem, ports) : runDirectly(shop, tandem));
} catch (error) {
  if (!stopping) console.error(error.message);
  await stop(1);
}

/** First the shop, as it has run for years. Then Tandem. */
async function runDirectly(shop, tandem) {
  await startShop(shop);
  keep(start(root, ['dist/src/main.js'], tandem));
}

/** The shop and its reports ask nobody: they believe what nginx says, which asks one of two nodes. */
async function runBehindProxy(shop, tandem, ports) {
  const node = { ...tandem, TRUST_PROXY: PROXY_ADDRESS };
  // The first node creates the secrets that both have.
  for (const PORT of [ports.PORT, ports.SECOND_NODE_PORT])
    await started(keep(start(root, ['dist/src/main.js'], { ...node, PORT })), 'Tandem is ready');
  const changed = {
    ...shop,
    AUTH: 'proxy',
    PROXY_ADDRESS,
    TANDEM_URL: `http://127.0.0.1:${ports.PRIVATE_PORT}`,
    TANDEM_CLIENT: await shopClient(node),
  };
  await startShop(changed);
  const places = {
    tandem: [ports.PORT, ports.SECOND_NODE_PORT],
    shop: ports.SHOP_PORT,
    reports: ports.REPORTS_PORT,
    open: ports.PROXY_PORT,
    closed: ports.PRIVATE_PORT,
  };
  await mkdir(join(folder, 'nginx'), { recursive: true });
  const nginx = await startNginx(join(folder, 'nginx'), places, PROXY_ADDRESS);
  nginx.stderr.pipe(process.stderr);
  await accepts(keep(nginx), ports.PROXY_PORT);
  console.log(
    `nginx at http://localhost:${ports.PROXY_PORT}, for operators at http://localhost:${ports.PRIVATE_PORT}`,
  );
}

async function startShop(env) {
  await started(keep(start(product, ['shop.js'], env)), 'The shop at');
  await started(keep(start(product, ['reports.js'], env)), 'Reports at');
}

/** Id and secret of the shop as a client of Tandem. The first start registers it. */
async function shopClient(tandem) {
  const file = join(folder, 'shop-client.json');
  if (!existsSync(file)) {
    const args = ['clients', 'create', 'shop', '--scopes', 'users', '--json'];
    const client = await output(root, ['dist/src/admin.cli.js', ...args], tandem);
    await writeFile(file, client, { mode: 0o600 });
  }
  const { client_id: id, client_secret: secret } = JSON.parse(await readFile(file, 'utf8'));
  return `${id}:${secret}`;
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

/** If one program ends, all end. */
function keep(child) {
  children.push(child);
  child.once('close', () => void stop(1));
  return child;
}

/** Stops the programs, then the database that they use. */
async function stop(code = 0) {
  if (stopping) return;
  stopping = true;
  const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  const ends = running.map((child) => once(child, 'close'));
  for (const child of running) child.kill('SIGTERM');
  await Promise.all(ends);
  await server?.release();
  process.exit(code);
}
