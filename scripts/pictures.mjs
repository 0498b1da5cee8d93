// Makes the pictures in docs/admin/console.md: starts a node with an embedded database, fills it and photographs the console in Chromium.
//   node scripts/pictures.mjs [folder]     default: docs/admin/pictures
// Debian's package "chromium" is needed; CHROMIUM names another one.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { chromium } from 'playwright-core';
import { buildIfStale } from './build-if-stale.mjs';
import { seed, seedNodes, seedReport } from './pictures/seed.mjs';

const root = resolve(fileURLToPath(import.meta.url), '..', '..');
const target = resolve(process.argv[2] ?? join(root, 'docs/admin/pictures'));
const ROOT = { username: 'root', password: 'a long enough pass phrase' };
const USERS = Number(process.env.PICTURE_USERS ?? 200_000);

/** The file, the place, the colours, the size, and what happens before the picture. */
const PICTURES = [
  // First, because the other nodes count as silent soon.
  {
    name: 'nodes',
    place: '#/nodes',
    size: [1200, 900],
    act: (page) => page.getByRole('button', { name: 'Release' }).first().waitFor(),
  },
  { name: 'logins', place: '#/logins', size: [1200, 760] },
  { name: 'logins-phone', place: '#/logins?state=active', colorScheme: 'dark', size: [390, 760] },
  { name: 'rollout', place: '#/rollout', size: [1200, 760] },
  { name: 'who-is-left', place: '#/left', size: [1200, 560] },
  {
    name: 'revoke',
    place: '#/logins?state=active&user_agent=curl',
    colorScheme: 'dark',
    size: [1200, 560],
    act: async (page) => {
      await page.getByRole('button', { name: 'Revoke all that match' }).click();
      await page.getByRole('button', { name: /Revoke [\d,]+ logins/ }).waitFor();
    },
  },
];

await buildIfStale(root, (line) => console.error(line));
const folder = fs.mkdtempSync(join(tmpdir(), 'tandem-pictures-'));
// The embedded server runs as another user, who needs to reach its folder.
fs.chmodSync(folder, 0o755);
const url = `http://127.0.0.1:${await freePort()}`;
const node = spawn(process.execPath, [join(root, 'dist/src/main.js')], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    ...process.env,
    PORT: new URL(url).port,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
    ADMIN_USERNAME: ROOT.username,
    ADMIN_PASSWORD: ROOT.password,
    LOG_LEVEL: 'warn',
  },
});
try {
  await ready();
  await fill();
  await photograph();
} finally {
  const gone = new Promise((done) => node.once('exit', done));
  node.kill('SIGTERM');
  await gone;
  fs.rmSync(folder, { recursive: true, force: true });
}

async function ready() {
  for (;;) {
    if (node.exitCode !== null) throw new Error('the node has ended');
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await delay(200);
  }
}

async function fill() {
  const of = (name) => fs.readFileSync(join(folder, 'data', name), 'utf8').trim();
  const client = new pg.Client({
    host: '127.0.0.1',
    port: Number(of('postgres.port')),
    user: 'tandem',
    password: of('postgres.password'),
    database: 'tandem',
  });
  // The server may end before the connection does.
  client.on('error', () => undefined);
  await client.connect();
  await seed(client, { users: USERS, families: USERS * 1.5 });
  await seedReport(client);
  const token = (await call('POST', '/auth/login', ROOT)).access_token;
  const changes = [
    { phase: 'internal_beta', percentage: 0, roles: ['staff'] },
    { phase: 'gradual_rollout', percentage: 5 },
    { percentage: 10 },
    { percentage: 25 },
  ];
  for (const change of changes) await call('PATCH', '/admin/rollout', change, token);
  const steps = [5, 10, 25, 50, 100].map((percentage) => ({ percentage, soak_seconds: 86_400 }));
  await call('PUT', '/admin/rollout/plan', { enabled: true, steps, min_requests: 2_000 }, token);
  await seedNodes(client);
  await client.end();
}

async function call(method, path, body, token) {
  const options = {
    method,
    headers: {
      'Content-Type': 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  };
  const response = await fetch(url + path, options);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function photograph() {
  fs.mkdirSync(target, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
  for (const { name, place, colorScheme = 'light', size, act } of PICTURES) {
    const [width, height] = size;
    const page = await browser.newPage({ colorScheme, viewport: { width, height }, reducedMotion: 'reduce' });
    page.setDefaultTimeout(60_000);
    await page.goto(`${url}/console/${place}`);
    await page.getByLabel('Username').fill(ROOT.username);
    await page.getByLabel('Password').fill(ROOT.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('table').first().waitFor();
    await act?.(page);
    await page.screenshot({ path: join(target, `${name}.png`) });
    await page.close();
  }
  await browser.close();
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
