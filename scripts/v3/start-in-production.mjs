// Starts the built service of the working directory in production, on a database of its own, and uses it as a client would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = join(process.cwd(), 'dist', 'src');
const { ensureEmbeddedPostgres } = await import(
  pathToFileURL(join(dist, 'database', 'embedded', 'embedded-postgres.js')).href
);

const ADMIN = { username: 'root', password: randomBytes(24).toString('base64') };

/** Milliseconds. */
const READY_WITHIN = 60_000;

const server = await ensureEmbeddedPostgres(join(process.cwd(), '.v3'), () => {});
try {
  const node = spawn(process.execPath, [join(dist, 'main.js')], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      DATABASE_URL: server.url,
      JWT_SECRET: randomBytes(48).toString('base64'),
      JWT_ISSUER: 'https://tandem.test',
      RSA_MODULUS_BITS: '2048',
      PORT: '0',
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(node, 'exit');
  try {
    await useTokens(await addressOf(node));
    node.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
  } finally {
    node.kill('SIGKILL');
  }
} finally {
  await server.release();
}

/** Where the node says that it is ready. */
function addressOf(node) {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = () => reject(new Error(`the service did not start:\n${output}`));
    const timer = setTimeout(fail, READY_WITHIN);
    node.once('exit', fail);
    node.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const port = /ready at http:\/\/localhost:(\d+)/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(`http://127.0.0.1:${port}`);
    });
  });
}

async function useTokens(url) {
  const post = (path, body) =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  const login = await post('/auth/login', ADMIN);
  assert.equal(login.status, 200, await login.clone().text());
  const { refresh_token } = await login.json();
  const refresh = await post('/auth/refresh', { refresh_token });
  assert.equal(refresh.status, 200, await refresh.clone().text());
  const { access_token } = await refresh.json();
  const verified = await fetch(`${url}/auth/verify`, {
    headers: { Authorization: `Bearer ${access_token}` },
  });
  assert.equal(verified.status, 204);
  assert.equal((await post('/api/login', ADMIN)).status, 404);
  console.log('v3: a login, a refresh and GET /auth/verify work in production');
}
