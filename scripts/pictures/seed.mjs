// Fills an empty database with what a product of a certain size has: for the pictures in docs/admin/console.md.
import { randomBytes } from 'node:crypto';

const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  'ShopApp/4.12.0 (iOS 19.1)',
  'ShopApp/4.9.3 (Android 15)',
  'curl/8.16.0',
];
const FIRST =
  'ada alan barbara carl donald edsger frances grace hedy ida jean john katherine leslie margaret niklaus radia robin sophie tim'.split(
    ' ',
  );
const LAST =
  'allen bartik dijkstra floyd goldberg hamilton holberton hopper johnson kay knuth lamport liskov lovelace milner perlman rhodes turing wilson wirth'.split(
    ' ',
  );

/** Users, their families and the audit events of these. `client`: a connection of pg to Tandem's database. */
export async function seed(client, { users, families }) {
  await client.query('SET search_path = tandem');
  await client.query('SELECT setseed(0.42)');
  await client.query(
    `INSERT INTO users (id, username, username_key, role, email, external_id, created_at)
     SELECT gen_random_uuid(), name, name, CASE WHEN i % 97 = 0 THEN 'staff' ELSE 'user' END,
       name || '@example.com', CASE WHEN i % 3 > 0 THEN 'shop-' || i END, now() - make_interval(secs => i * 37)
     FROM generate_series(1, $1::integer) i,
       LATERAL (SELECT ($2::text[])[1 + (i * 7) % 20] || '.' || ($3::text[])[1 + (i / 20 + i) % 20] || CASE WHEN i > 400 THEN i::text ELSE '' END AS name) n
     ON CONFLICT DO NOTHING`,
    [users, FIRST, LAST],
  );
  await client.query(
    `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, generation, confirmed_generation, delivery, alone, created_at, rotated_at,
       last_used_at, expires_at, absolute_expires_at, password_at, ip, user_agent, revoked_at, revoke_reason, revoked_by, revoke_note)
     SELECT gen_random_uuid(), u.id, $2, 'seed', 3, 3, CASE WHEN i % 3 = 0 THEN 'body' ELSE 'cookie' END, true, began, used, used,
       used + interval '7 days', began + interval '30 days', began, '203.0.113.' || (i * 13 % 250), ($3::text[])[1 + i % 8],
       CASE WHEN ended IS NOT NULL THEN used + interval '4 minutes' END, ended,
       CASE WHEN ended = 'revoke' THEN (SELECT id FROM users WHERE username = 'root') END,
       CASE WHEN ended = 'revoke' THEN 'Stolen phone, ticket 4711' END
     FROM generate_series(1, $1::integer) i
     JOIN (SELECT id, row_number() OVER (ORDER BY username_key) AS n FROM users WHERE username NOT IN ('root', 'test')) u
       ON u.n = 1 + (i::bigint * 7919) % $4
     CROSS JOIN LATERAL (SELECT now() - make_interval(secs => 40 + i * 11) AS began) b
     CROSS JOIN LATERAL (SELECT began + (now() - interval '9 seconds' - began) * (((i * 31) % 100) / 100.0) AS used) l
     CROSS JOIN LATERAL (SELECT CASE WHEN i % 9 = 4 THEN 'logout' WHEN i % 23 = 7 THEN 'revoke' WHEN i % 61 = 8 THEN 'reuse'
       WHEN i % 47 = 9 THEN 'password' END AS ended) e`,
    [families, randomBytes(32), AGENTS, users - 2],
  );
  await client.query('ANALYZE users, refresh_tokens');
}

/** A day of requests by both schemes, in the tables of the report, and who made them. */
export async function seedReport(client) {
  // Bins of the histogram of latencies grow by 10 %.
  await client.query(
    `INSERT INTO report_buckets (span, at, scheme, kind, key, n)
     SELECT 3600, h, scheme, 'latency', bin::text, round(2400 * weight * load * CASE scheme WHEN 'bearer' THEN 0.25 ELSE 0.75 END)::bigint
     FROM generate_series(date_trunc('hour', now()) - interval '24 hours', date_trunc('hour', now()) - interval '1 hour', '1 hour') h
     CROSS JOIN (VALUES ('bearer'), ('session')) s (scheme)
     CROSS JOIN LATERAL (SELECT 1 + 0.8 * sin((extract(hour FROM h) - 9) / 24 * 2 * pi()) + 0.1 * random() AS load) l
     CROSS JOIN (VALUES (0, 0.3), (4, 0.3), (8, 0.2), (12, 0.12), (17, 0.05), (23, 0.02), (30, 0.01)) b (offset_, weight)
     CROSS JOIN LATERAL (SELECT $1::integer + offset_ + CASE scheme WHEN 'session' THEN 5 ELSE 0 END AS bin) k`,
    [15],
  );
  await client.query(
    `INSERT INTO report_buckets (span, at, scheme, kind, key, n)
     SELECT span, at, scheme, 'error', code, ceil(sum(n) * CASE scheme WHEN 'bearer' THEN 0.0009 ELSE 0.0011 END * (0.5 + random()))::bigint
     FROM report_buckets CROSS JOIN (VALUES ('internal_error'), ('service_unavailable')) e (code) WHERE kind = 'latency' GROUP BY 1, 2, 3, 5`,
  );
  await client.query(
    `INSERT INTO scheme_uses (span, at, scheme, user_id, user_agent, requests, first_at, last_at, unlinked_at)
     SELECT 3600, h, CASE WHEN n % 4 = 0 THEN 'bearer' ELSE 'session' END, id, ($1::text[])[1 + n % 8], 3 + n % 9, h, h + interval '50 minutes',
       CASE WHEN n % 4 > 0 THEN h END
     FROM (SELECT id, row_number() OVER (ORDER BY username_key) AS n FROM users) u
     CROSS JOIN LATERAL (SELECT date_trunc('hour', now()) - make_interval(hours => (1 + n % 23)::integer) AS h) t WHERE n % 5 < 3`,
    [AGENTS],
  );
  await client.query(
    `INSERT INTO unexpected_logouts (scheme, subject, cause, user_id, at)
     SELECT CASE WHEN i % 3 = 0 THEN 'bearer' ELSE 'session' END, i::text, CASE WHEN i % 3 = 0 THEN 'refresh_forgotten' ELSE 'session_user_unknown' END,
       NULL, now() - make_interval(mins => i * 97) FROM generate_series(1, 14) i`,
  );
}

/** Two more hosts with workers, and an address and two accounts that are blocked for a while. */
export async function seedNodes(client) {
  await client.query(
    `INSERT INTO service_nodes (id, host, worker, workers, version, started_at, seen_at, failing, knowledge_age_ms, propagation_p50_ms,
       propagation_p99_ms, propagation_samples)
     SELECT gen_random_uuid(), 'auth-' || (1 + i / 2), 1 + i % 2, 2, '0.1.0', now() - interval '3 days', now(),
       CASE WHEN i = 3 THEN '{revocation_feed}' ELSE '{}' END::text[], CASE WHEN i = 3 THEN 2140 ELSE 90 + i * 37 END, 6 + i, 38 + i * 5, 412
     FROM generate_series(0, 3) i`,
  );
  await client.query(
    `WITH users AS (SELECT id, row_number() OVER (ORDER BY username_key) AS n FROM users LIMIT 2),
     blocks AS (
       SELECT sha256(id::text::bytea) AS key, 'account' AS scope, id::text AS owner, id AS user_id, '198.51.100.' || n AS address FROM users
       UNION ALL SELECT sha256('address'), 'login', md5('address'), NULL, '198.51.100.1'
     ),
     counters AS (
       INSERT INTO rate_limits (key, ends, hits, admitted, expires_at)
       SELECT key, ARRAY[(extract(epoch FROM now()) * 1000000)::bigint], ARRAY[10], 1, now() + interval '2 hours' FROM blocks
     )
     INSERT INTO blocked_subjects (key, scope, owner, user_id, address, quota, window_us, expires_at)
     SELECT key, scope, owner, user_id, address, 10, 3600000000, now() + interval '42 minutes' FROM blocks`,
  );
}
