// What a refresh and a request cost as logins and revocations pile up.
import { compare, round } from '../lib/compare.mjs';
import { get } from '../lib/closed-loop.mjs';
import { inTurn, load, refreshing } from '../lib/load.mjs';
import { makeUsers } from '../lib/service.mjs';
import { CONNECTIONS, MAX_LOGINS, MAX_REVOCATIONS } from '../lib/settings.mjs';

const group = 'Growth';

export async function run({ database, tokens }) {
  const { client } = database;
  const users = await makeUsers(database, CONNECTIONS, 'growth');
  const refresh = refreshing(users.map((user) => user.refreshToken));
  await refresh();
  const open = () => load({ next: () => get('/health/live'), awake: true });
  const rows = [];
  for (let stored = 1_000; stored <= MAX_LOGINS; stored *= 10) {
    await storeLogins(client, users[0].sub, stored);
    rows.push(
      await compare({
        group,
        what: `refreshes with ${stored.toExponential(0).replace('e+', '·10^')} stored families`,
        to: 'open route',
        yardstick: open,
        measured: refresh,
      }),
    );
  }
  const [first, last] = [rows[0], rows.at(-1)];
  const times = {
    ratio: round(first.ratio / last.ratio),
    low: round(first.low / last.high),
    high: round(first.high / last.low),
  };
  rows.push({
    group,
    what: 'cost of a refresh with the most families',
    to: 'with the fewest',
    unit: '',
    measured: times.ratio,
    ...times,
    atMost: 1.2,
  });
  const bearer = tokens.map((token) => get('/auth/verify', token));
  const verify = () => load({ next: inTurn(bearer), awake: true });
  const what = (count) => `Bearer requests with ${count} live revocations`;
  rows.push(await compare({ group, what: what('no'), to: 'open route', yardstick: open, measured: verify }));
  await client.query(
    `INSERT INTO revocations (xid, kind, subject, expires_at)
     SELECT pg_current_xact_id()::text::bigint, 'sid', gen_random_uuid(), now() + interval '10 minutes'
     FROM generate_series(1, $1::integer)`,
    [MAX_REVOCATIONS],
  );
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  rows.push(
    await compare({
      group,
      what: what(MAX_REVOCATIONS),
      to: 'open route',
      yardstick: open,
      measured: verify,
    }),
  );
  return rows;
}

/** Fills the table up to `count` logins. */
async function storeLogins(client, userId, count) {
  await client.query(
    `INSERT INTO refresh_tokens (id, user_id, secret, mac_key, delivery, alone, expires_at, absolute_expires_at)
     SELECT gen_random_uuid(), $1, sha256(i::text::bytea), 'bench', 'body', true, now() + interval '1 day', now() + interval '1 day'
     FROM generate_series(1, $2::integer - (SELECT count(*)::integer FROM refresh_tokens)) i`,
    [userId, count],
  );
  await client.query('VACUUM ANALYZE refresh_tokens');
}
