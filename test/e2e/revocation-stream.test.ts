import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp } from '../helpers/app.js';
import type { TestApp } from '../helpers/app.js';
import { aUser, bearer, codeOf, get, login, post, sidOf, sql } from '../helpers/client.js';
import { EventStream, basic } from '../helpers/event-stream.js';
import type { Revocation } from '../helpers/event-stream.js';

interface Client {
  readonly client_id: string;
  readonly client_secret: string;
}

const PATH = '/oauth/revocations';

let one: TestApp;
let two: TestApp;
let root: ReturnType<typeof bearer>;
const opened: EventStream[] = [];

beforeAll(async () => {
  one = await createTestApp({ listen: true });
  two = await createTestApp({ listen: true, db: one.db });
  root = bearer((await login(one)).access_token);
});
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close();
});
afterAll(async () => {
  await two.close();
  await one.close();
});

async function aClient(scopes: readonly string[] = ['revocations']): Promise<Client> {
  return (await post(one, '/admin/clients', { name: 'billing', scopes }, root)).json<Client>();
}

async function follow(node: TestApp, client?: Client, lastEventId?: string): Promise<EventStream> {
  const stream = await EventStream.open(node.url, client ?? (await aClient()), { lastEventId });
  opened.push(stream);
  return stream;
}

const revocationOf = (stream: EventStream, wanted: Partial<Revocation>) =>
  stream.until(() =>
    stream.revocations.find((each) =>
      Object.entries(wanted).every(([name, value]) => each[name as 'sid'] === value),
    ),
  );

const logout = async (node: TestApp, { access_token }: { readonly access_token: string }) =>
  expect((await post(node, '/auth/logout', undefined, bearer(access_token))).statusCode).toBe(204);

/** A family that is revoked on a node. */
async function aRevokedFamily(node: TestApp): Promise<string> {
  const tokens = await login(node, await aUser(one));
  await logout(node, tokens);
  return sidOf(tokens);
}

const secondsUntil = ({ exp }: Revocation) => exp - Date.now() / 1000;

describe('GET /oauth/revocations', () => {
  it('begins with hello, then sends what is revoked, the trusted keys and fresh with a position', async () => {
    const sid = await aRevokedFamily(one);
    const stream = await follow(one);
    await stream.fresh();
    const [hello, ...rest] = stream.events;
    expect(hello).toEqual({ event: 'hello', id: undefined, data: { now: expect.any(Number) } });
    const first = rest.findIndex(({ event }) => event === 'fresh');
    const snapshot = rest.slice(0, first);
    expect(new Set(snapshot.map(({ event }) => event))).toEqual(new Set(['revoked', 'keys']));
    expect(snapshot.map(({ id }) => id)).toEqual(snapshot.map(() => undefined));
    expect(stream.revocations.find((each) => each.sid === sid)).toEqual({ sid, exp: expect.any(Number) });
    const jwks = (await get(one, '/.well-known/jwks.json')).json<{ keys: { kid: string }[] }>();
    const keys = snapshot.find(({ event }) => event === 'keys');
    expect(keys?.data).toEqual({ version: expect.any(Number), keys: jwks.keys.map(({ kid }) => kid) });
    expect(rest[first]).toEqual({
      event: 'fresh',
      id: expect.stringMatching(/^[\w-]{16}\.\d+$/),
      data: { as_of: expect.any(Number), db_time: expect.any(Number) },
    });
  });

  it('is not stored, compressed or buffered on its way', async () => {
    const { headers } = (await follow(one)).response;
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(headers.get('cache-control')).toBe('no-store, no-transform');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect([headers.get('content-encoding'), headers.get('content-length')]).toEqual([null, null]);
  });

  it('uses one clock for hello and fresh, and the seconds of the database for db_time', async () => {
    const stream = await follow(one);
    await stream.fresh(stream.events.indexOf(await stream.fresh()) + 1);
    const [{ data: hello }, fresh] = [
      stream.events[0]!,
      stream.events
        .filter(({ event }) => event === 'fresh')
        .map(({ data }) => data as Record<string, number>),
    ];
    expect(Math.abs((hello['now'] as number) - fresh[0]!['as_of']!)).toBeLessThan(30_000);
    expect(fresh[1]!['as_of']).toBeGreaterThanOrEqual(fresh[0]!['as_of']!);
    const [row] = await sql<{ now: number }>(
      one,
      'SELECT extract(epoch FROM clock_timestamp())::float8 AS now',
    );
    expect(Math.abs(row!.now - fresh[1]!['db_time']!)).toBeLessThan(30);
  });

  it('sends a revocation from another node, and fresh only after it', async () => {
    const stream = await follow(two);
    await stream.fresh();
    const sid = await aRevokedFamily(one);
    const revocation = await revocationOf(stream, { sid });
    expect(secondsUntil(revocation)).toBeGreaterThan(900);
    expect(secondsUntil(revocation)).toBeLessThan(1_000);
    const at = stream.events.findIndex(
      ({ event, data }) =>
        event === 'revoked' && (data['revocations'] as Revocation[]).some((each) => each.sid === sid),
    );
    const before = stream.events.slice(0, at).findLast(({ event }) => event === 'fresh')!;
    expect((await stream.fresh(at)).data['as_of']).toBeGreaterThan(before.data['as_of'] as number);
    // The position moves when no older transaction of the server is running, of another database either.
    await stream.until((events) =>
      events.slice(at).find(({ event, id }) => event === 'fresh' && id !== before.id),
    );
  });

  it('sends a revocation of a user with the first epoch that is valid', async () => {
    const [user, stream] = [await aUser(one), await follow(two)];
    const { access_token } = await login(one, user);
    expect((await post(one, `/admin/users/${user.id}/revoke`, undefined, root)).statusCode).toBeLessThan(300);
    const revocation = await revocationOf(stream, { sub: user.id });
    const claims = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString()) as {
      jti: string;
    };
    expect(revocation).toEqual({ sub: user.id, epoch: expect.any(Number), exp: expect.any(Number) });
    expect(revocation.epoch).toBeGreaterThan(parseInt(claims.jti.slice(-8), 16));
  });

  it('sends a distrusted key as a revocation, to streams that are open and to later ones', async () => {
    const stream = await follow(two);
    await stream.fresh();
    const rotated = await post(one, '/admin/keys/rotate', undefined, root);
    const keys = rotated.json<{ keys: { kid: string; state: string }[] }>().keys;
    const { kid } = keys.find(({ state }) => state === 'next')!;
    await stream.until((events) =>
      events.find(({ event, data }) => event === 'keys' && (data['keys'] as string[]).includes(kid)),
    );
    const url = `/admin/keys/${kid}`;
    expect((await one.app.inject({ method: 'DELETE', url, ...root })).statusCode).toBeLessThan(300);
    const revocation = await revocationOf(stream, { kid });
    expect(revocation).toEqual({ kid, exp: expect.any(Number) });
    expect(secondsUntil(revocation)).toBeGreaterThan(900);
    const versions = await stream.until((events) => {
      const sent = events.filter(({ event }) => event === 'keys').map(({ data }) => data);
      return (sent.at(-1)!['keys'] as string[]).includes(kid)
        ? undefined
        : sent.map(({ version }) => version);
    });
    expect(versions).toEqual((versions as number[]).toSorted((a, b) => a - b));
    const later = await follow(one);
    await later.fresh();
    expect(later.revocations).toContainEqual(revocation);
    const trusted = later.events.filter(({ event }) => event === 'keys');
    expect(trusted.map(({ data }) => (data['keys'] as string[]).includes(kid))).toEqual(
      trusted.map(() => false),
    );
  });
});

describe('a position', () => {
  /** The position after the first `fresh`. */
  const positionOf = async (stream: EventStream) => (await stream.fresh()).id!;
  const sids = async (stream: EventStream) => {
    await stream.fresh();
    return stream.revocations.map(({ sid }) => sid);
  };

  it('resumes a stream on another node with what the consumer lacks, and little else', async () => {
    const old = await aRevokedFamily(one);
    const stream = await follow(one);
    await revocationOf(stream, { sid: old });
    const position = (await stream.fresh(stream.events.length)).id!;
    stream.close();
    const missed = await aRevokedFamily(one);
    await revocationOf(await follow(two), { sid: missed });
    const resumed = await sids(await follow(two, undefined, position));
    expect(resumed).toContain(missed);
    expect(resumed).not.toContain(old);
  });

  it('covers a transaction that commits later than ones that were begun after it', async () => {
    const [late, early] = [randomUUID(), randomUUID()];
    const runner = one.db.dataSource.createQueryRunner();
    const insert = (sid: string) =>
      `INSERT INTO tandem.revocations (xid, kind, subject, expires_at)
       VALUES (pg_current_xact_id()::text::bigint, 'sid', '${sid}', now() + interval '900 s')`;
    try {
      await runner.startTransaction();
      await runner.query(insert(late));
      await sql(one, insert(early));
      const stream = await follow(one);
      await revocationOf(stream, { sid: early });
      const position = (await stream.fresh(stream.events.length)).id!;
      expect(stream.revocations.map(({ sid }) => sid)).not.toContain(late);
      await runner.commitTransaction();
      await revocationOf(stream, { sid: late });
      await revocationOf(await follow(two), { sid: late });
      expect(await sids(await follow(two, undefined, position))).toContain(late);
    } finally {
      await runner.release();
    }
  });

  it.each([
    ['nothing', () => ''],
    ['no position', () => 'nonsense'],
    ['the position of another database', (own: string) => `${'x'.repeat(16)}${own.slice(16)}`],
    ['a position that the node has not reached', (own: string) => `${own}000000`],
    ['a position with a number that is too long', (own: string) => `${own}${'0'.repeat(40)}`],
    ['a negative number', (own: string) => own.replace('.', '.-')],
    ['a very long text', () => 'x'.repeat(8_000)],
  ])('is of no use if it is %s: the stream begins with a snapshot', async (_what, change) => {
    const sid = await aRevokedFamily(one);
    const stream = await follow(one);
    await revocationOf(stream, { sid });
    const own = (await stream.fresh(stream.events.length)).id!;
    expect(await sids(await follow(one, undefined, change(own)))).toContain(sid);
  });

  it('comes with each fresh and never goes back', async () => {
    const stream = await follow(one);
    await positionOf(stream);
    await aRevokedFamily(one);
    await stream.fresh(stream.events.length);
    const ids = stream.events
      .filter(({ event }) => event === 'fresh')
      .map(({ id }) => Number(id!.split('.')[1]));
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  });
});

describe('who may follow', () => {
  const ask = (headers: Record<string, string>, method: 'GET' | 'HEAD' | 'POST' = 'GET') =>
    one.app.inject({ method, url: PATH, headers });

  it('refuses a client without credentials, with a wrong secret, or without the scope', async () => {
    const client = await aClient();
    const wrong = { ...client, client_secret: 'wrong' };
    for (const headers of [{}, { authorization: basic(wrong) }, root.headers]) {
      const refused = await ask(headers as Record<string, string>);
      expect([refused.statusCode, codeOf(refused)]).toEqual([401, 'invalid_client']);
    }
    const other = await ask({ authorization: basic(await aClient(['introspect', 'revoke'])) });
    expect([other.statusCode, codeOf(other)]).toEqual([403, 'insufficient_scope']);
    expect(other.headers['www-authenticate']).toContain('scope="revocations"');
  });

  it('answers HEAD like GET, without a stream, and refuses other methods', async () => {
    const authorization = basic(await aClient());
    const head = await ask({ authorization }, 'HEAD');
    expect([head.statusCode, head.headers['content-type'], head.body]).toEqual([
      200,
      'text/event-stream',
      '',
    ]);
    expect((await ask({}, 'HEAD')).statusCode).toBe(401);
    const posted = await ask({ authorization }, 'POST');
    expect([posted.statusCode, posted.headers['allow']]).toEqual([405, 'GET, HEAD']);
  });

  const ends: Record<string, (client: Client) => Promise<unknown>> = {
    'its secret is renewed': ({ client_id }) =>
      post(one, `/admin/clients/${client_id}/secret`, undefined, root),
    'it is disabled': ({ client_id }) =>
      one.app.inject({ method: 'DELETE', url: `/admin/clients/${client_id}`, ...root }),
    'it loses the scope': ({ client_id }) =>
      one.app.inject({
        method: 'PATCH',
        url: `/admin/clients/${client_id}`,
        payload: { scopes: ['introspect'] },
        ...root,
      }),
  };
  it.each(Object.entries(ends))(
    'ends the streams of a client on every node when %s',
    async (_when, change) => {
      const [client, other] = [await aClient(), await follow(two)];
      const streams = [await follow(one, client), await follow(two, client)];
      for (const stream of streams) await stream.fresh();
      await change(client);
      for (const stream of streams) {
        await stream.end();
        expect(stream.ended).toBe(true);
      }
      await expect(follow(one, client)).rejects.toThrow(/no stream: 40[13]/);
      await other.fresh(other.events.length);
    },
  );

  it('keeps the streams of a client that gets another scope', async () => {
    const client = await aClient();
    const stream = await follow(two, client);
    await stream.fresh();
    const url = `/admin/clients/${client.client_id}`;
    await one.app.inject({ method: 'PATCH', url, payload: { scopes: ['revocations', 'revoke'] }, ...root });
    const sid = await aRevokedFamily(one);
    await revocationOf(stream, { sid });
  });

  it('is named by the metadata', async () => {
    const metadata = (await get(one, '/.well-known/oauth-authorization-server')).json<object>();
    expect(metadata).toMatchObject({ revocations_endpoint: 'http://tandem.test/oauth/revocations' });
  });
});

describe('the bounds of streams', () => {
  const value = async (metric: string) => {
    const text = (await get(two, '/metrics')).body.split('\n').find((line) => line.startsWith(`${metric} `));
    return Number(text?.split(' ')[1]);
  };

  it('let a client have a hundred streams at a node, and another client still has room', async () => {
    const client = await aClient();
    await Promise.all(Array.from({ length: 100 }, () => follow(two, client)));
    const authorization = basic(client);
    const refused = await two.app.inject({ url: PATH, headers: { authorization } });
    expect([refused.statusCode, codeOf(refused)]).toEqual([429, 'rate_limited']);
    expect(refused.json()).toMatchObject({ error: 'temporarily_unavailable' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await (await follow(two)).fresh();
    await (await follow(one, client)).fresh();
  });

  it('are seen in the metrics, with how streams ended', async () => {
    const [open, closed] = [
      'tandem_revocation_streams',
      'tandem_revocation_streams_ended_total{reason="closed"}',
    ];
    await expect.poll(() => value(open), { timeout: 20_000 }).toBe(0);
    const before = [await value(closed), await value('tandem_revocation_stream_bytes_total')];
    const stream = await follow(two);
    await stream.fresh();
    expect(await value(open)).toBe(1);
    expect(await value('tandem_revocation_stream_bytes_total')).toBeGreaterThan(before[1]!);
    stream.close();
    await expect.poll(() => value(open), { timeout: 20_000 }).toBe(0);
    expect(await value(closed)).toBe(before[0]! + 1);
  });

  it('keep the audit trail small: it says once a day who follows, and how a stream ended unusually', async () => {
    const client = await aClient();
    for (let round = 0; round < 3; round += 1) {
      const stream = await follow(round === 0 ? one : two, client);
      await stream.fresh();
      await expect.poll(() => eventsOf(client), { timeout: 20_000 }).toHaveLength(round === 0 ? 1 : 2);
      stream.close();
      await expect.poll(() => eventsOf(client), { timeout: 20_000 }).toHaveLength(2);
    }
    expect(await eventsOf(client)).toMatchObject([
      { cause: 'began', ip: '127.0.0.1', detail: { client_id: client.client_id, name: 'billing' } },
      { cause: 'ended', detail: { client_id: client.client_id, reason: 'closed' } },
    ]);
  });

  const eventsOf = ({ client_id }: Client) =>
    sql<{ cause: string; detail: object; ip: string }>(
      one,
      `SELECT cause, detail, ip FROM audit_events
       WHERE event = 'revocation_stream' AND detail ->> 'client_id' = $1 ORDER BY id`,
      [client_id],
    );
});

describe('a node that stops', () => {
  it('ends its streams and does not wait for them', async () => {
    const node = await createTestApp({ listen: true, db: one.db });
    const stream = await follow(node);
    await stream.fresh();
    await node.close();
    await stream.end();
    expect(stream.ended).toBe(true);
  });
});

describe('a large number of revocations', () => {
  const many = (count: number) => `
    INSERT INTO revocations (xid, kind, subject, expires_at)
    SELECT pg_current_xact_id()::text::bigint, 'sid', gen_random_uuid(), now() + interval '900 s'
    FROM generate_series(1, ${count})`;

  it('arrives in events of at most 1,000, at open streams and at new ones', async () => {
    const family = randomUUID();
    await sql(one, many(20_000));
    await sql(
      one,
      `INSERT INTO revocations (xid, kind, subject, expires_at)
       VALUES (pg_current_xact_id()::text::bigint, 'sid', '${family}', now() + interval '900 s')`,
    );
    const live = await follow(one);
    await revocationOf(live, { sid: family });
    const late = await follow(one);
    for (const stream of [live, late]) {
      await stream.fresh(stream.events.length);
      expect(new Set(stream.revocations.map(({ sid }) => sid)).size).toBeGreaterThan(20_000);
      const sizes = stream.events.flatMap(({ event, data }) =>
        event === 'revoked' ? (data['revocations'] as Revocation[]).length : [],
      );
      expect(Math.max(...sizes)).toBe(1_000);
    }
  });

  it('costs a consumer that does not read its stream', { timeout: 150_000 }, async () => {
    const { port, hostname } = new URL(one.url);
    const client = await aClient();
    const socket = connect(Number(port), hostname);
    const authorization = basic(client);
    socket.pause();
    socket.write(`GET ${PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n\r\n`);
    const audited = (cause: string) =>
      sql<{ reason: string | null }>(
        one,
        `SELECT detail ->> 'reason' AS reason FROM audit_events
         WHERE event = 'revocation_stream' AND cause = $2 AND detail ->> 'client_id' = $1`,
        [client.client_id, cause],
      );
    try {
      // A node that is busy with the revocations would refuse the stream.
      await expect.poll(() => audited('began')).toHaveLength(1);
      // More than the buffers of the system hold.
      for (let round = 0; round < 4; round += 1) await sql(one, many(60_000));
      await expect.poll(() => audited('ended'), { timeout: 120_000 }).toEqual([{ reason: 'slow' }]);
    } finally {
      socket.destroy();
    }
  });
});
