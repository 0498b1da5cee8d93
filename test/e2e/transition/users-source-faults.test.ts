import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SourceStateStore } from '../../../src/transition/accounts/source-state.store.js';
import type { TestApp } from '../../helpers/app.js';
import { login, refresh, sql, tryLogin, tryRefresh, verify } from '../../helpers/client.js';
import type { Tokens } from '../../helpers/client.js';
import { SOURCE, productNode, productSession, signUp, stored } from './product-users.js';
import type { ProductUser } from './product-users.js';
import { statusOf, verifySession } from './session-client.js';

const ROW = `SELECT id AS external_id, login AS username, hash AS password_hash FROM product.accounts`;

/** What goes wrong with the query by id, and how the doctor names it. */
const FAULTS: readonly (readonly [string, string])[] = [
  [`${ROW} WHERE id = $1 UNION ALL ${ROW} WHERE id = $1`, 'the query returned two rows'],
  [`SELECT 7 AS external_id WHERE $1 <> ''`, 'the row has another external_id than the one asked for'],
  [`SELECT NULL AS external_id WHERE $1 <> ''`, 'the row has no external_id, or one that is not valid'],
  [`SELECT $1 AS "External_Id"`, 'a column has its name in capitals'],
  [`SELECT $1 AS external_id, 1 AS disabled`, 'disabled is not true or false'],
  [`SELECT $1 AS external_id, repeat('x', 70000) AS username`, 'the row has more than 64 KiB'],
  [`SELECT $1 AS external_id FROM generate_series(1, 100000)`, 'the query returned two rows'],
  [`SELECT $1 AS external_id, pg_sleep(20)::text AS username`, 'no answer in time'],
  [`SELECT $1 AS external_id, (1 / 0)::text AS username`, 'the query failed'],
  [`SELECT $1 AS external_id FROM product.nothing`, 'the query failed'],
  [`SELECT $1 AS external_id, nextval('product.accounts_id_seq')::text AS username`, 'the query failed'],
  [
    `SELECT $1 AS external_id, set_config('a.b', $1, false) AS role FROM pg_sleep(0)`,
    'role is not the name of a role',
  ],
];

describe('a users source that gives no usable answer', () => {
  let node: TestApp;
  let user: ProductUser;
  let tokens: Tokens;
  let cookie: string;
  beforeAll(async () => {
    node = await productNode();
    user = await signUp(node);
    tokens = await login(node, { ...user, id: '' });
    cookie = await productSession(node, user.id);
  });
  afterAll(() => node.close());

  it.each(FAULTS)('ends nothing, gets 503 and is shown to the doctor: %s', async (byId, fault) => {
    const faulty = await productNode({ db: node.db, env: { USERS_SOURCE_BY_ID: byId } });
    try {
      await sql(node, `UPDATE source_state SET faults = '{}'`);
      for (const reply of [await tryRefresh(faulty, tokens.refresh_token)]) {
        expect(statusOf(reply)).toBe('503 service_unavailable');
        expect(reply.headers['retry-after']).toBe('1');
      }
      expect(await verifySession(faulty, cookie)).toBe('503 service_unavailable');
      const shown = await faulty.app.get(SourceStateStore).faults();
      expect(shown.map((row) => row.fault)).toEqual([fault]);
      expect(await stored(node, user.id)).toMatchObject({ disabled: false });
      tokens = await refresh(node, tokens.refresh_token);
    } finally {
      await faulty.close();
    }
  });

  it('gets 503 at once if it cannot be reached, and local users log in as before', async () => {
    const url = 'postgresql://nobody@127.0.0.1:1/nowhere';
    const away = await productNode({ db: node.db, env: { USERS_SOURCE_URL: url } });
    try {
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => tryLogin(away, { ...user, id: '' })),
      );
      expect(new Set(replies.map(statusOf))).toEqual(new Set(['503 service_unavailable']));
      await login(away);
    } finally {
      await away.close();
    }
    await refresh(node, tokens.refresh_token).then((next) => (tokens = next));
  });

  it('gets 503 for all its users if it hangs, and holds up neither local users nor requests with a token', async () => {
    const query = SOURCE.USERS_SOURCE_BY_NAME.replace(
      'login = $1',
      `login = $1 AND pg_sleep(20) IS NOT NULL`,
    );
    const hung = await productNode({ db: node.db, env: { USERS_SOURCE_BY_NAME: query } });
    try {
      const waiting = Array.from({ length: 20 }, () => tryLogin(hung, { ...user, id: '' }));
      expect(await verify(hung, tokens.access_token)).toBe('204');
      await login(hung);
      const replies = await Promise.all(waiting);
      expect(new Set(replies.map(statusOf))).toEqual(new Set(['503 service_unavailable']));
      await login(hung);
    } finally {
      await hung.close();
    }
  });

  it('cannot write through the source’s connection', async () => {
    await sql(
      node,
      `CREATE FUNCTION product.touch(id text) RETURNS text LANGUAGE sql AS $$ UPDATE product.accounts SET mail = 'x' RETURNING $1 $$`,
    );
    const writing = await productNode({
      db: node.db,
      env: { USERS_SOURCE_BY_ID: `SELECT product.touch($1) AS external_id` },
    });
    try {
      expect(statusOf(await tryRefresh(writing, tokens.refresh_token))).toBe('503 service_unavailable');
      expect(await sql(node, `SELECT 1 FROM product.accounts WHERE mail = 'x'`)).toEqual([]);
    } finally {
      await writing.close();
    }
  });
});
