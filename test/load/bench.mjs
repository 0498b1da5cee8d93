// `npm run bench`: what the service costs, as ratios to a yardstick measured in the same run, A B A B. Loopback only.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, randomBytes, randomUUID, sign } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensureEmbeddedPostgres } from '../../dist/src/database/embedded-postgres.js';
import { makeJti } from '../../dist/src/tokens/jti.js';
import { closedLoop, get, post } from './closed-loop.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const PORT = 5987;
const BARE_PORT = 5988;
const SECRET = 'bench-only-0123456789-abcdefghijklmnop';
const PASSWORD = 'a long enough pass phrase';

const pinned = spawnSync('taskset', ['-V']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
chmodSync(folder, 0o755);
const children = [];

/** The server on the first core; this process, and with it the load, on the second. */
function onServerCore(script, env) {
  const command = pinned ? 'taskset' : process.execPath;
  const args = pinned ? ['-c', '0', process.execPath, script] : [script];
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => (value >= 100 ? Math.round(value).toString() : value.toFixed(2));

/** Medians of the two, and the ratio pair by pair. */
async function compare(name, floor, yardstick, measured) {
  const pairs = [];
  for (let index = 0; index < ROUNDS; index++) pairs.push([await yardstick(), await measured()]);
  const ratios = pairs.map(([base, value]) => value / base);
  return {
    what: name,
    'yardstick/s': round(median(pairs.map(([base]) => base))),
    'measured/s': round(median(pairs.map(([, value]) => value))),
    ratio: round(median(ratios)),
    spread: `${round(Math.min(...ratios))}–${round(Math.max(...ratios))}`,
    'at least': floor,
  };
}

async function until(check) {
  for (let tries = 0; tries < 150; tries++) {
    if (await check().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the service did not become ready');
}

async function load(options) {
  const { perSecond, statuses } = await closedLoop({
    port: PORT,
    connections: 32,
    seconds: SECONDS,
    ...options,
  });
  const bad = Object.keys(statuses).filter((status) => !status.startsWith('2'));
  if (bad.length > 0) throw new Error(`answers other than 2xx: ${JSON.stringify(statuses)}`);
  return perSecond;
}

/** PostgreSQL beside the load, as it would be on another machine: its backends inherit the postmaster's core. */
function pinDatabase() {
  if (!pinned) return;
  const [pid] = readFileSync(join(folder, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  for (const [, process] of postgresProcesses(pid)) {
    execFileSync('taskset', ['-a', '-c', '-p', '1', process], { stdio: 'ignore' });
  }
}

/** The postmaster and its children, as `[parent, pid]`. */
function postgresProcesses(postmaster) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return [stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1], pid];
      } catch {
        return ['', pid];
      }
    });
  return all.filter(([parent, pid]) => parent === postmaster || pid === postmaster);
}

/** Tokens as the service signs them, for logins that exist. */
function mintTokens(key, kid, issuer, logins) {
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid })).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  return logins.map(({ sid, sub }) => {
    const jti = makeJti({ generation: 0, epoch: 0 });
    const claims = { iss: issuer, aud: 'api', sub, role: 'user', sid, jti, iat, exp: iat + 900 };
    const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  });
}

async function main() {
  const server = await ensureEmbeddedPostgres(join(folder, 'data'), () => {});
  pinDatabase();
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const environment = {
    NODE_ENV: 'production',
    DATABASE_URL: server.url,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
    JWT_SECRET: SECRET,
    SESSION_SECRET: SECRET,
    PORT: String(PORT),
    AUTH_RATE_LIMIT: '1000000000',
    TRUST_PROXY: '127.0.0.1',
    LOG_LEVEL: 'warn',
    ADMIN_USERNAME: 'root',
    ADMIN_PASSWORD: PASSWORD,
    UV_THREADPOOL_SIZE: '8',
  };
  try {
    const node = onServerCore('scripts/start.mjs', environment);
    await until(async () => (await fetch(`http://127.0.0.1:${PORT}/health/ready`)).ok);
    if (pinned) execFileSync('taskset', ['-a', '-c', '-p', '1', String(process.pid)], { stdio: 'ignore' });
    const { issuer } = await (
      await fetch(`http://127.0.0.1:${PORT}/.well-known/oauth-authorization-server`)
    ).json();
    const file = readdirSync(join(folder, 'keys')).find((name) => name.endsWith('.pem'));
    const key = createPrivateKey({ key: readFileSync(join(folder, 'keys', file)), passphrase: SECRET });
    const users = Array.from({ length: 10_000 }, () => ({ sub: randomUUID(), sid: randomUUID() }));
    const tokens = mintTokens(key, file.replace('.pem', ''), issuer, users);
    const live = get('/health/live');
    const one = get('/auth/verify', tokens[0]);
    const many = tokens.map((token) => get('/auth/verify', token));
    let turn = 0;
    const rows = [];
    const yardstick = () => load({ next: () => live });
    await load({ next: () => live });
    await load({ next: () => many[turn++ % many.length], seconds: 4 });
    rows.push(
      await compare('/auth/verify, one token, to /health/live', 0.75, yardstick, () =>
        load({ next: () => one }),
      ),
    );
    rows.push(
      await compare('/auth/verify, 10,000 tokens, to /health/live', 0.6, yardstick, () =>
        load({ next: () => many[turn++ % many.length] }),
      ),
    );
    const logins = await differentUsers(client, 64);
    rows.push(
      await compare(
        'logins, to bare argon2id',
        0.8,
        async () => {
          const args = [process.execPath, 'test/load/bare-argon2.mjs'];
          const [command, ...rest] = pinned ? ['taskset', '-c', '0', ...args] : args;
          return Number(execFileSync(command, rest, { env: { ...process.env, SECONDS: String(SECONDS) } }));
        },
        () => load({ connections: 16, next: () => logins[turn++ % logins.length] }),
      ),
    );
    rows.push(await refreshes(environment, file));
    const size = await memory(client, users, node.pid, tokens);
    console.table(rows);
    console.log(`resident memory after 10,000 logins that called and refreshed: ${size} MB (at most 250)`);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await client.end().catch(() => {});
    await server.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Login requests of so many users, each from an address of its own, as a storm of logins is. */
async function differentUsers(client, count) {
  await client.query(
    `INSERT INTO users (id, username, username_key, password_hash)
     SELECT gen_random_uuid(), 'user' || i, 'user' || i, (SELECT password_hash FROM users WHERE username = 'root')
     FROM generate_series(1, $1::integer) i`,
    [count],
  );
  return Array.from({ length: count }, (_, index) =>
    post('/auth/login', { username: `user${index + 1}`, password: PASSWORD }).replace(
      'Host:',
      `X-Forwarded-For: 192.0.2.${index + 1}\r\nHost:`,
    ),
  );
}

async function refreshes(environment, file) {
  onServerCore('test/load/bare-refresh.mjs', {
    ...environment,
    PORT: String(BARE_PORT),
    KEY_FILE: join(folder, 'keys', file),
  });
  const generations = Array(32).fill(0);
  const bare = () =>
    load({
      port: BARE_PORT,
      next: (index) => post('/refresh', { id: index, generation: generations[index] }),
      answered: (index, answer) => (generations[index] = Number(/"generation":(\d+)/.exec(answer)[1])),
    });
  await until(async () => (await fetch(`http://127.0.0.1:${BARE_PORT}/`)).status === 404);
  const current = [];
  for (let index = 0; index < 32; index++) {
    const response = await fetch(`http://127.0.0.1:${PORT}/auth/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'root', password: PASSWORD }),
    });
    current.push((await response.json()).refresh_token);
  }
  const ours = () =>
    load({
      next: (index) => post('/auth/refresh', { refresh_token: current[index] }),
      answered: (index, answer) => (current[index] = /"refresh_token":"([^"]+)"/.exec(answer)[1]),
    });
  return compare('refreshes, to one compare-and-set and one signature', 0.5, bare, ours);
}

/** Megabytes of the node once each of these users has a login, has called and has been seen. */
async function memory(client, users, pid, tokens) {
  await client.query(
    `INSERT INTO users (id, username, username_key) SELECT id, id::text, id::text FROM unnest($1::uuid[]) id`,
    [users.map(({ sub }) => sub)],
  );
  await client.query(
    `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, expires_at, absolute_expires_at)
     SELECT sid, sub, $3, $4, 'body', now() + interval '1 day', now() + interval '1 day'
     FROM unnest($1::uuid[], $2::uuid[]) AS t (sid, sub)`,
    [
      users.map(({ sid }) => sid),
      users.map(({ sub }) => sub),
      randomBytes(32),
      createHash('md5').digest('hex'),
    ],
  );
  let turn = 0;
  await load({ next: () => get('/api/users/me', tokens[turn++ % tokens.length]), seconds: 5 });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024);
}

await main();
