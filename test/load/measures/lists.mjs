// The first page and the count of the logins that administrators look through, with as many families as the measure of growth stores.
import { figure } from '../lib/compare.mjs';
import { MAX_LOGINS, PASSWORD, ROUNDS } from '../lib/settings.mjs';

const group = 'Administration';

/** The address and the user agent of one login, long ago. */
const RARE = { ip: '192.0.2.77', user_agent: 'Rare' };

const PAGES = [
  ['first page of logins', {}],
  ['first page of the logins of a user', { username: 'lists1' }],
  ['first page by an address that is used once', { ip: RARE.ip }],
  ['first page by a wide network', { ip: '10.0.0.0/8' }],
  ['first page by a rare user agent', { user_agent: RARE.user_agent }],
  ['first page by state, role and last use', { state: 'revoked', role: 'user', used_since: '2020-01-01' }],
];

const COUNTS = [
  ['count of all logins, up to 10,000', {}],
  ['count of the logins of a rare user agent', { user_agent: RARE.user_agent }],
  ['exact count of the logins of a common user agent', { user_agent: 'Firefox', exact: 'true' }],
];

export async function run({ database, service }) {
  await store(database.client);
  const token = await logIn(service.port);
  const ask = async (path, query) => {
    const url = `http://127.0.0.1:${service.port}/admin/${path}?${new URLSearchParams(query)}`;
    const began = performance.now();
    const reply = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await reply.json();
    if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
    return performance.now() - began;
  };
  const rows = [];
  const measure = async (path, [what, query], more) => {
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) times.push(await ask(path, query));
    rows.push(figure({ group, what, unit: 'ms', ...more }, times));
  };
  for (const page of PAGES) await measure('tokens', page, { atMost: 150 });
  for (const count of COUNTS) await measure('tokens/count', count, {});
  return rows;
}

async function logIn(port) {
  const reply = await fetch(`http://127.0.0.1:${port}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'root', password: PASSWORD }),
  });
  return (await reply.json()).access_token;
}

/** A family every two seconds, of a fifth as many users. */
async function store(client) {
  const users = Math.max(1, Math.floor(MAX_LOGINS / 5));
  await client.query('DELETE FROM refresh_tokens');
  await client.query(
    `INSERT INTO users (id, username, username_key) SELECT md5('lists' || n)::uuid, 'lists' || n, 'lists' || n
     FROM generate_series(1, $1::integer) AS n ON CONFLICT DO NOTHING`,
    [users],
  );
  await client.query(
    `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, alone, created_at, last_used_at, expires_at,
       absolute_expires_at, revoked_at, revoke_reason, ip, user_agent)
     SELECT gen_random_uuid(), md5('lists' || n % $2::integer + 1)::uuid, sha256(n::text::bytea), 'bench', 'body', true,
       now() - n * interval '2 seconds', now() - n * interval '1 second', now() + interval '1 day', now() + interval '1 day',
       CASE WHEN n % 10 = 0 THEN now() END, CASE WHEN n % 10 = 0 THEN 'logout' END,
       CASE WHEN n = $1::integer - 1 THEN $3 ELSE '10.' || n % 200 || '.' || n / 200 % 250 || '.' || n % 250 END,
       CASE WHEN n = $1::integer - 1 THEN $4 ELSE 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/' || n % 50 END
     FROM generate_series(1, $1::integer) AS n`,
    [MAX_LOGINS, users, RARE.ip, `${RARE.user_agent}/1.0`],
  );
  await client.query('VACUUM ANALYZE users');
  await client.query('VACUUM ANALYZE refresh_tokens');
}
