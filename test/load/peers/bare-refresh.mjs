// The yardstick of refreshes: a Fastify route with one in-place compare-and-set through pg and one RS256 signature.
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import Fastify from 'fastify';
import pg from 'pg';

const { DATABASE_URL, KEY_FILE, JWT_SECRET, PORT } = process.env;
const signAsync = promisify(sign);
const key = createPrivateKey({ key: readFileSync(KEY_FILE), passphrase: JWT_SECRET });
const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: 20,
  options: '-c search_path=tandem,public',
});
await pool.query(
  'CREATE TABLE IF NOT EXISTS bare (id integer PRIMARY KEY, generation integer) WITH (fillfactor = 70)',
);
await pool.query(
  'INSERT INTO bare SELECT i, 0 FROM generate_series(0, 63) i ON CONFLICT (id) DO UPDATE SET generation = 0',
);

const app = Fastify();
app.post('/refresh', async (request) => {
  const { id, generation } = request.body;
  const { rowCount } = await pool.query({
    name: 'cas',
    text: 'UPDATE bare SET generation = generation + 1 WHERE id = $1 AND generation = $2',
    values: [id, generation],
  });
  const payload = Buffer.from(
    JSON.stringify({ id, rowCount, iat: Date.now(), exp: Date.now() + 900 }),
  ).toString('base64url');
  const input = `eyJhbGciOiJSUzI1NiJ9.${payload}`;
  const signature = await signAsync('sha256', Buffer.from(input), key);
  return { access_token: `${input}.${signature.toString('base64url')}`, generation: generation + 1 };
});
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
