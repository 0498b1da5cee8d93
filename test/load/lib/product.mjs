// A product with its users and sessions in the schema `product`, the same users at Tandem, and the programs that serve them.
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, startOnServerCore, until } from './processes.mjs';
import { makeUsers, mintTokens, signingKey, startService } from './service.mjs';
import { PORT, SECRET } from './settings.mjs';

/** How Tandem is told where the sessions of the product are. */
const SETTINGS = {
  SESSION_TABLE: 'product.session',
  SESSION_USER_KEY: 'passport.user',
};

const TABLES = `
  CREATE SCHEMA product;
  CREATE TABLE product.users (id serial PRIMARY KEY, username text NOT NULL UNIQUE, role text NOT NULL DEFAULT 'user',
    external_id text, password_hash text, disabled boolean NOT NULL DEFAULT false, created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE product.session (sid varchar NOT NULL COLLATE "default" PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL);
  CREATE INDEX ON product.session (expire)`;

/** The tables of the product, then Tandem's beside them, then users with a session and a token family each. */
export async function makeProduct(database, count) {
  const { client } = database;
  await client.query(TABLES);
  const first = await startService(database, PORT, SETTINGS);
  await first.end();
  const users = await makeUsers(database, count, 'user');
  users.forEach((user, index) => (user.externalId = String(index + 1)));
  await client.query(`
    INSERT INTO product.users (id, username, external_id, password_hash)
      SELECT substr(username, 5)::integer, username, substr(username, 5), password_hash FROM users WHERE username LIKE 'user%';
    UPDATE users SET external_id = substr(username, 5) WHERE username LIKE 'user%'`);
  const sessions = users.map((_user, index) => {
    const sid = randomBytes(24).toString('base64url');
    const cookie = { originalMaxAge: 86_400_000, expires: new Date(Date.now() + 86_400_000), httpOnly: true };
    return [sid, JSON.stringify({ cookie: { ...cookie, path: '/' }, passport: { user: index + 1 } })];
  });
  await client.query(
    `INSERT INTO product.session (sid, sess, expire)
     SELECT sid, sess::json, now() + interval '1 day' FROM unnest($1::text[], $2::text[]) AS t (sid, sess)`,
    [sessions.map(([sid]) => sid), sessions.map(([, sess]) => sess)],
  );
  await client.query('VACUUM (ANALYZE)');
  return { database, users, sessions, signing: signingKey(database), minted: [], refreshed: 0 };
}

/** What is compared. `start` resolves to `{ pid, end }`; `credentials` makes what so many users present. */
export const CONTESTANTS = {
  express: { start: (product, port) => startPeer(product, port, 'product'), credentials: cookies },
  memory: { start: startWithMemoryStore, credentials: cookies },
  token: { start: startTandem, credentials: tokens },
  session: { start: startTandem, credentials: cookies },
  plain: { start: (product, port) => startPeer(product, port, 'floor'), credentials: nobody },
  query: { start: (product, port) => startPeer(product, port, 'floor', { QUERY: '1' }), credentials: nobody },
};

function startTandem({ database }, port) {
  return startService(database, port, { ...SETTINGS, KEYS_DIR: join(database.folder, `keys-${port}`) });
}

async function startPeer({ database, users }, port, name, more = {}) {
  const peer = startOnServerCore(`test/load/peers/${name}.mjs`, {
    NODE_ENV: 'production',
    DATABASE_URL: database.url,
    SECRET,
    PORT: String(port),
    USERS: String(users.length),
    ...more,
  });
  await until(() => fetch(`http://127.0.0.1:${port}/open`).then(({ ok }) => ok), 'the product answers');
  return { pid: peer.pid, end: () => end(peer) };
}

function startWithMemoryStore(product, port) {
  const file = join(product.database.folder, 'sessions.json');
  writeFileSync(file, JSON.stringify(product.sessions.map(([sid, sess]) => [sid, JSON.parse(sess)])));
  return startPeer(product, port, 'product', { SESSIONS_FILE: file });
}

function cookies({ sessions }, count) {
  return sessions.slice(0, count).map(([sid]) => {
    const mac = createHmac('sha256', SECRET).update(sid).digest('base64').replace(/=+$/, '');
    return { cookie: encodeURIComponent(`s:${sid}.${mac}`) };
  });
}

/** Seconds that a token of this run lives, and that one lives by default. */
const LIFETIME = 3_600;
const DEFAULT_LIFETIME = 900;

/**
 * As many tokens expire during the window as would with the default lifetime: their users refresh. They are other users each time, because a refresh token is used
 * once.
 */
function tokens(product, count, seconds) {
  const { users, minted, signing } = product;
  minted.push(...mintTokens(signing, users.slice(minted.length, count), LIFETIME));
  const all = minted.slice(0, count).map((token) => ({ token }));
  const expiring = Math.ceil((count * seconds) / DEFAULT_LIFETIME);
  for (let turn = 0; turn < expiring; turn += 1, product.refreshed += 1) {
    const at = product.refreshed % count;
    const { refreshToken } = users[at];
    users[at].refreshToken = undefined;
    // The generator refreshes five to ten seconds before the end.
    all[at] = { ...all[at], refreshToken, expires: Date.now() + Math.random() * seconds * 1000 + 5_000 };
  }
  return all;
}

function nobody(_product, count) {
  return Array.from({ length: count }, () => ({}));
}
