// The database, the service on it, users, tokens and sessions.
import { createHmac, createPrivateKey, randomBytes, randomUUID, sign } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensureEmbeddedPostgres } from '../../../dist/src/database/embedded/embedded-postgres.js';
import { makeJti } from '@tandem-auth/verifier/token';
import { RefreshTokenCodec } from '../../../dist/src/tokens/families/refresh-token.codec.js';
import { post } from './closed-loop.mjs';
import { end, pinTree, startOnServerCore, until } from './processes.mjs';
import { PASSWORD, PORT, SECRET } from './settings.mjs';

/** The V8 flags of `npm start`. */
const START_FLAGS = ['--max-semi-space-size=8', '--heap-growing-percent=25'];

const codec = new RefreshTokenCodec({ jwtSecret: SECRET });

export async function startDatabase() {
  const folder = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
  // An embedded server does not run as root, and has to get at it.
  chmodSync(folder, 0o755);
  const server = await ensureEmbeddedPostgres(join(folder, 'data'), () => {});
  pinTree(readFileSync(join(folder, 'data', 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0], 1);
  const client = new pg.Client({ connectionString: server.url, options: '-c search_path=tandem,public' });
  await client.connect();
  return {
    folder,
    url: server.url,
    client,
    async end() {
      await client.end().catch(() => {});
      await server.release();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the service is started with; limits are out of the way, for it is not they that are measured. */
export function environmentOf({ folder, url }, port = PORT, more = {}) {
  return {
    NODE_ENV: 'production',
    DATABASE_URL: url,
    DATA_DIR: join(folder, 'data'),
    KEYS_DIR: join(folder, 'keys'),
    JWT_SECRET: SECRET,
    SESSION_SECRET: SECRET,
    JWT_ISSUER: 'http://tandem.test',
    PORT: String(port),
    // A run takes longer than the default lifetime. The service refuses tokens that outlive its own.
    TOKEN_EXPIRY: '3600',
    AUTH_RATE_LIMIT: '1000000000',
    TRUST_PROXY: '127.0.0.1',
    LOG_LEVEL: 'warn',
    ADMIN_USERNAME: 'root',
    ADMIN_PASSWORD: PASSWORD,
    ...more,
  };
}

export async function startService(database, port = PORT, more = {}) {
  const node = startOnServerCore('scripts/start.mjs', environmentOf(database, port, more), [], START_FLAGS);
  const ready = () => fetch(`http://127.0.0.1:${port}/health/ready`).then(({ ok }) => ok);
  await until(ready, 'the service is ready');
  return { pid: node.pid, port, end: () => end(node) };
}

/** The key that the service signs with. */
export function signingKey({ folder }) {
  const name = readdirSync(join(folder, 'keys')).find((file) => file.endsWith('.pem'));
  const file = join(folder, 'keys', name);
  return {
    file,
    kid: name.replace('.pem', ''),
    key: createPrivateKey({ key: readFileSync(file), passphrase: SECRET }),
  };
}

/** Access tokens as the service signs them. */
export function mintTokens({ key, kid }, users, lifetime = 900) {
  const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid })).toString('base64url');
  const iat = Math.floor(Date.now() / 1000);
  return users.map(({ sub, sid, externalId }) => {
    const jti = makeJti({ generation: 0, epoch: 0 });
    const claims = {
      iss: 'http://tandem.test',
      aud: 'api',
      sub,
      role: 'user',
      sid,
      jti,
      iat,
      exp: iat + lifetime,
      ...(externalId !== undefined && { external_id: externalId }),
    };
    const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  });
}

/** Users in the database, each with a login and its refresh token; `tag` keeps their names apart from others. */
export async function makeUsers({ client }, count, tag) {
  const secret = randomBytes(32);
  const users = Array.from({ length: count }, (_, index) => {
    const sid = randomUUID();
    const refreshToken = codec.mint({ sid, secret }, 0, codec.currentKey);
    return { sub: randomUUID(), sid, name: `${tag}${index + 1}`, refreshToken };
  });
  const column = (name) => users.map((user) => user[name]);
  await client.query(
    `INSERT INTO users (id, username, username_key, password_hash)
     SELECT id, name, name, (SELECT password_hash FROM users WHERE username = 'root')
     FROM unnest($1::uuid[], $2::text[]) AS t (id, name)`,
    [column('sub'), column('name')],
  );
  await client.query(
    `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, alone, expires_at, absolute_expires_at)
     SELECT sid, sub, $3, $4, 'body', true, now() + interval '1 day', now() + interval '1 day'
     FROM unnest($1::uuid[], $2::uuid[]) AS t (sid, sub)`,
    [column('sid'), column('sub'), secret, codec.currentKey],
  );
  return users;
}

/** Sessions as connect-pg-simple keeps them; returns the values of their cookies. */
export async function makeSessions({ client }, users) {
  const ids = users.map(() => randomBytes(24).toString('base64url'));
  const expires = new Date(Date.now() + 86_400_000);
  const sess = users.map(({ sub }) =>
    JSON.stringify({
      cookie: { originalMaxAge: 86_400_000, expires, httpOnly: true, path: '/' },
      userId: sub,
    }),
  );
  await client.query(
    `INSERT INTO session (sid, sess, expire) SELECT sid, sess::json, $3 FROM unnest($1::text[], $2::text[]) AS t (sid, sess)`,
    [ids, sess, expires],
  );
  return ids.map((id) => {
    const mac = createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '');
    return encodeURIComponent(`s:${id}.${mac}`);
  });
}

/** A login request, from an address of its own. */
export function loginRequest(user, index, path = '/auth/login') {
  const address = `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return post(path, { username: user.name, password: PASSWORD }).replace(
    'Host:',
    `X-Forwarded-For: ${address}\r\nHost:`,
  );
}
