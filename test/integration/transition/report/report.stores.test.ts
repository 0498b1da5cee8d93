import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ReportAgeingStore } from '../../../../src/transition/report/report-ageing.store.js';
import { ReportStore, totalOf } from '../../../../src/transition/report/report.store.js';
import type { Window } from '../../../../src/transition/report/report-window.js';
import { ReportWriterStore } from '../../../../src/transition/report/report-writer.store.js';
import type { CountRow } from '../../../../src/transition/report/request-tally.js';
import type { UseRow } from '../../../../src/transition/report/use-tally.js';
import { createTestDatabase } from '../../../helpers/database.js';
import type { TestDatabase } from '../../../helpers/database.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('the stores of the report', () => {
  let db: TestDatabase;
  let writer: ReportWriterStore;
  let store: ReportStore;
  let ageing: ReportAgeingStore;
  let now: number;
  beforeAll(async () => {
    db = await createTestDatabase();
    writer = new ReportWriterStore(db.database);
    store = new ReportStore(db.database);
    ageing = new ReportAgeingStore(db.database);
  });
  afterAll(() => db.drop());
  beforeEach(async () => {
    await db.dataSource.query('TRUNCATE report_buckets, scheme_uses, unexpected_logouts, report_nodes');
    const [row] = await db.database.query<{ now: number }>(
      'SELECT extract(epoch FROM now())::float8 * 1000 AS now',
    );
    now = row!.now;
  });

  const latency = (at: number, n: number, bin = 10): CountRow => ({
    at: Math.floor(at / SECOND),
    scheme: 'bearer',
    kind: 'latency',
    key: String(bin),
    n,
  });
  const error = (at: number, n: number, key = 'rate_limited'): CountRow => ({
    ...latency(at, n),
    kind: 'error',
    key,
  });
  const use = (at: number, userId: string, last = at, more: Partial<UseRow> = {}): UseRow => ({
    at: Math.floor(at / HOUR) * 3600,
    scheme: 'session',
    userId,
    userAgent: 'A',
    requests: 1,
    first: at,
    last,
    unlinked: more.scheme === 'bearer' ? null : last,
    ...more,
  });
  const write = (counts: CountRow[], uses: UseRow[] = [], node: string = randomUUID(), seq = 1) =>
    writer.write({ node, seq, counts, uses });
  const figures = (since: number, until = now + SECOND) => store.figures({ since, until });

  /** Until nothing is left to do. */
  async function age(batch: number): Promise<void> {
    for (const step of ageing.steps) while ((await step(batch)) >= batch);
  }

  const spans = async (table: string) =>
    (await db.dataSource.query<{ span: number }[]>(`SELECT DISTINCT span FROM ${table} ORDER BY 1`)).map(
      ({ span }) => span,
    );

  it('sums refused sessions by cause, with the first and the last time, and keeps the sums when it merges', async () => {
    const refused = (at: number, n: number, key: string): CountRow => ({
      ...latency(at, n),
      scheme: 'session',
      kind: 'refused',
      key,
    });
    const old = now - 4 * HOUR;
    await write([refused(old, 2, 'other_secret'), refused(now - MINUTE, 3, 'other_secret')]);
    await write([refused(now - MINUTE, 4, 'no_user'), refused(now - DAY, 9, 'no_user')]);
    const window = { since: now - 5 * HOUR, until: now + SECOND };
    const read = async () => (await store.refused(window)).toSorted((a, b) => (a.cause < b.cause ? -1 : 1));
    const second = (at: number) => new Date(Math.floor(at / SECOND) * SECOND);
    const [nobody, secret] = await read();
    expect(nobody).toMatchObject({ cause: 'no_user', requests: 4, firstSeen: second(now - MINUTE) });
    expect(secret).toEqual({
      cause: 'other_secret',
      requests: 5,
      firstSeen: second(old),
      lastSeen: second(now - MINUTE + SECOND),
    });
    await age(100);
    expect((await read()).map(({ requests }) => requests)).toEqual([4, 5]);
    expect((await figures(window.since)).session.requests).toBe(0);
  });

  it('stores evidence separately from the counts of all requests', async () => {
    const proved = { ...latency(now, 3), kind: 'proved', key: '' } as const;
    const wrong = { ...latency(now, 2), kind: 'proved_error', key: 'internal_error' } as const;
    await writer.write({ node: randomUUID(), seq: 1, uses: [], counts: [latency(now, 7), proved, wrong] });
    await db.dataSource.query(
      `INSERT INTO unexpected_logouts (scheme, subject, cause, user_id, at)
       VALUES ('bearer', 'a', 'unexplained', $1, now()), ('bearer', 'b', 'session_user_unknown', NULL, now())`,
      [randomUUID()],
    );
    const { bearer } = await figures(now - MINUTE);
    expect(bearer).toMatchObject({ requests: 7, errors: new Map() });
    expect(bearer.evidence).toEqual({
      requests: 3,
      errors: new Map([['internal_error', 2]]),
      unexpectedLogouts: 1,
    });
  });

  it('adds the batches of concurrent nodes, and ignores a repeated batch', async () => {
    const users = Array.from({ length: 50 }, () => randomUUID());
    const nodes = Array.from({ length: 8 }, () => randomUUID());
    for (let seq = 1; seq <= 5; seq++) {
      await Promise.all(
        nodes.flatMap((node, index) => {
          const counts = [latency(now, 1, index), latency(now, 1, 99), error(now, 2)];
          const uses = users.map((user) => use(now, user));
          const rows = [counts, uses] as const;
          const batch = {
            node,
            seq,
            // In another order at each node.
            counts: index % 2 === 0 ? rows[0] : rows[0].toReversed(),
            uses: index % 2 === 0 ? rows[1] : rows[1].toReversed(),
          };
          return [writer.write(batch), writer.write(batch)];
        }),
      );
    }
    const { bearer, session } = await figures(now - MINUTE);
    expect(bearer.requests).toBe(8 * 5 * 2);
    expect(bearer.errors).toEqual(new Map([['rate_limited', 8 * 5 * 2]]));
    expect(bearer.latency.get(99)).toBe(8 * 5);
    expect(session.users).toBe(50);
    expect(await store.sessionAgents({ since: now - MINUTE, until: now + SECOND })).toMatchObject([
      { userAgent: 'A', users: 50, requests: 50 * 8 * 5 },
    ]);
  });

  it('writes a whole batch or nothing', async () => {
    const bad = { ...error(now, 1), scheme: 'neither' as 'bearer' };
    const node = randomUUID();
    await expect(write([latency(now, 1), bad], [], node)).rejects.toThrow('report_buckets_scheme_check');
    expect((await figures(now - MINUTE)).bearer.requests).toBe(0);
    await write([latency(now, 1)], [], node);
    expect((await figures(now - MINUTE)).bearer.requests).toBe(1);
  });

  it('counts requests by second, and users by their first and last use', async () => {
    const [early, late] = [randomUUID(), randomUUID()];
    const at = Math.floor(now / MINUTE) * MINUTE - 5 * MINUTE;
    await write(
      [latency(at + 10 * SECOND, 3), latency(at + 20 * SECOND, 4), error(at + 20 * SECOND, 1)],
      [use(at + 10 * SECOND, early), use(at + 10 * SECOND, late, at + 20 * SECOND)],
    );
    const of = async (since: number, until: number) => {
      const { bearer, session } = await figures(at + since * SECOND, at + until * SECOND);
      return [bearer.requests, bearer.errors.get('rate_limited') ?? 0, session.users];
    };
    expect(await of(0, 60)).toEqual([7, 1, 2]);
    expect(await of(15, 60)).toEqual([4, 1, 1]);
    expect(await of(0, 15)).toEqual([3, 0, 2]);
    expect(await of(30, 60)).toEqual([0, 0, 0]);
    expect(await of(-60, 10)).toEqual([0, 0, 0]);
  });

  it('merges old intervals without changing a sum, in batches of any size', async () => {
    const users = Array.from({ length: 7 }, () => randomUUID());
    const counts: CountRow[] = [];
    const uses = new Map<string, UseRow>();
    for (let i = 0; i < 400; i++) {
      // From now back to a month ago, ever further apart.
      const at = now - SECOND - (i / 400) ** 4 * 30 * DAY;
      // Each a few times, so that there is something to add up.
      for (const before of [0, 1, 20]) {
        counts.push(latency(at - before * SECOND, 1, i), error(at - before * SECOND, 1, `code_${i % 3}`));
      }
      const one = use(at, users[i % 7]!, at, { userAgent: `agent ${i % 2}` });
      uses.set(`${one.at} ${one.userId} ${one.userAgent}`, one);
    }
    const merged = new Map<string, CountRow>();
    for (const row of counts) {
      const key = `${row.at} ${row.kind} ${row.key}`;
      merged.set(key, { ...row, n: row.n + (merged.get(key)?.n ?? 0) });
    }
    await write([...merged.values()], [...uses.values()]);
    const window = { since: now - 40 * DAY, until: now };
    const before = [await figures(window.since), await store.sessionAgents(window)];
    expect((before[0] as Awaited<ReturnType<typeof figures>>).bearer.requests).toBe(1_200);
    await age(17);
    expect([await figures(window.since), await store.sessionAgents(window)]).toEqual(before);
    expect(await spans('report_buckets')).toEqual([1, 60, 3600]);
    expect(await spans('scheme_uses')).toEqual([3600, 86400]);
    const young = await db.dataSource.query<{ n: number }[]>(
      `SELECT count(*)::int AS n FROM report_buckets WHERE span > 1 AND at > now() - interval '10 minutes'`,
    );
    expect(young[0]!.n).toBe(0);
  });

  it('adds late counts to intervals that are already merged', async () => {
    const at = now - 5 * HOUR;
    await write([latency(at, 1)], [use(at, randomUUID())]);
    await age(100);
    await write([latency(at, 1)], [use(at, randomUUID())]);
    await age(100);
    const { bearer, session } = await figures(now - DAY);
    expect([bearer.requests, session.users]).toEqual([2, 2]);
    expect(await spans('report_buckets')).toEqual([60]);
  });

  it('merges each interval once when two nodes merge at the same time', async () => {
    const at = now - 5 * HOUR;
    await write(Array.from({ length: 500 }, (_, bin) => latency(at, 1, bin)));
    await Promise.all([age(50), age(50), age(50)]);
    expect((await figures(now - DAY)).bearer.requests).toBe(500);
  });

  it('deletes everything after three months', async () => {
    await write([latency(now - 94 * DAY, 1)], [use(now - 94 * DAY, randomUUID())]);
    await write([latency(now - 91 * DAY, 1)], [use(now - 91 * DAY, randomUUID())]);
    await db.dataSource.query(
      `INSERT INTO unexpected_logouts VALUES ('bearer', 'a', 'x', NULL, now() - interval '94 days')`,
    );
    await db.dataSource.query(`UPDATE report_nodes SET at = now() - interval '8 days'`);
    await age(100);
    for (const [table, left] of [
      ['report_buckets', 1],
      ['scheme_uses', 1],
      ['unexpected_logouts', 0],
      ['report_nodes', 0],
    ] as const) {
      expect(await db.dataSource.query(`SELECT 1 FROM ${table}`)).toHaveLength(left);
    }
  });

  it('returns figures by bucket that add up to the total', async () => {
    const begin = Math.floor(now / HOUR) * HOUR - 3 * HOUR;
    const user = randomUUID();
    for (let hour = 0; hour < 3; hour++) {
      const at = begin + hour * HOUR + 10 * MINUTE;
      await write([latency(at, hour + 1), error(at, 1)], [use(at, user)]);
    }
    const buckets = await store.buckets({ since: begin, until: now }, 3600);
    expect([...buckets].map(([slot, { bearer, session }]) => [slot, bearer.requests, session.users])).toEqual(
      [0, 1, 2].map((hour) => [(begin + hour * HOUR) / SECOND, hour + 1, 1]),
    );
    const whole = await figures(begin);
    expect(whole.session.users).toBe(1);
    expect(totalOf([...buckets.values()], await store.users({ since: begin, until: now }))).toEqual(whole);
  });

  it('counts distinct users by bucket, for any stored intervals and window edges', async () => {
    const users = Array.from({ length: 6 }, () => randomUUID());
    const uses = new Map<string, UseRow>();
    for (let i = 0; i < 1_500; i++) {
      const at = now - SECOND - ((i * 7_919 * SECOND) % (10 * DAY));
      const scheme = i % 5 === 0 ? 'bearer' : 'session';
      const one = use(at, users[i % 6]!, at, { scheme, userAgent: `agent ${i % 4}` });
      uses.set(`${one.at} ${scheme} ${one.userId} ${one.userAgent}`, one);
    }
    await write([], [...uses.values()]);
    const windows = [
      { since: now - 12 * DAY, until: now },
      { since: now - 8 * DAY - 5 * HOUR, until: now - 3 * DAY - 7 * MINUTE },
      { since: now - 4 * DAY - 90 * MINUTE, until: now - 20 * MINUTE },
      { since: now - 3 * HOUR - 10 * MINUTE, until: now - 40 * MINUTE },
      { since: now - 30 * MINUTE, until: now },
    ];
    const seen = async (window: Window, seconds: number) =>
      [...(await store.buckets(window, seconds))]
        .flatMap(([slot, { bearer, session }]) => [
          [slot, 'bearer', bearer.users],
          [slot, 'session', session.users],
        ])
        .filter(([, , n]) => n !== 0);
    const right = async ({ since, until }: Window, seconds: number) =>
      (
        await db.database.query<{ slot: number; scheme: string; n: number }>(
          `SELECT extract(epoch FROM date_bin(make_interval(secs => $3::integer), at, 'epoch'::timestamptz))::float8 AS slot,
            scheme, count(DISTINCT user_id)::integer AS n
           FROM scheme_uses WHERE last_at >= to_timestamp($1::float8 / 1000) AND first_at < to_timestamp($2::float8 / 1000)
           GROUP BY 1, 2`,
          [since, until, seconds],
        )
      ).map(({ slot, scheme, n }) => [slot, scheme, n]);
    const inOrder = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).toSorted();
    const check = async () => {
      for (const window of windows) {
        for (const seconds of [3_600, 86_400]) {
          const wanted = await right(window, seconds);
          expect(wanted.length).toBeGreaterThan(0);
          expect(inOrder(await seen(window, seconds))).toEqual(inOrder(wanted));
        }
        const { bearer, session } = await figures(window.since, window.until);
        expect(await store.users(window)).toEqual({ bearer: bearer.users, session: session.users });
      }
    };
    await check();
    // In the middle of the work a day is kept by both lengths.
    for (const step of ageing.steps) await step(40);
    expect(await spans('scheme_uses')).toEqual([3600, 86400]);
    await check();
    await age(100);
    await check();
  });

  it('lists the hundred user agents with the most users, and the rest as one', async () => {
    const uses = Array.from({ length: 130 }, (_, i) =>
      use(now, randomUUID(), now, { userAgent: `agent ${i}`, requests: 2 }),
    );
    uses.push(use(now, randomUUID(), now, { userAgent: 'agent 7' }));
    await write([], uses);
    const agents = await store.sessionAgents({ since: now - MINUTE, until: now + SECOND });
    expect(agents).toHaveLength(101);
    expect(agents.find(({ userAgent }) => userAgent === 'agent 7')).toMatchObject({ users: 2, requests: 3 });
    expect(agents.find(({ userAgent }) => userAgent === 'other')).toMatchObject({ users: 30, requests: 60 });
  });

  it('returns the latest use of a session once for each user, page by page', async () => {
    const sessions = new ReportStore(db.database);
    const users = Array.from({ length: 5 }, () => randomUUID()).toSorted();
    await write(
      [],
      users.flatMap((user) => [
        use(now - 2 * DAY, user, now - 2 * DAY, { userAgent: 'old' }),
        use(now - DAY, user, now - DAY, { userAgent: 'new' }),
      ]),
    );
    const exchanged = use(now, randomUUID(), now, { unlinked: null });
    const bearer = use(now, randomUUID(), now, { scheme: 'bearer' });
    await write([], [use(now - 40 * DAY, randomUUID()), exchanged, bearer]);
    const first = await sessions.sessionUses(30, 3);
    const rest = await sessions.sessionUses(30, 3, first.at(-1)!.userId);
    expect([...first, ...rest].map(({ userId }) => userId)).toEqual(users);
    for (const { userAgent, lastSeen } of first) {
      expect(userAgent).toBe('new');
      expect(Math.abs(lastSeen.getTime() - (now - DAY))).toBeLessThan(2);
    }
  });

  it('knows the last use before the exchange of a session, also after merges and on rows of an earlier release', async () => {
    const [moved, unknown] = [randomUUID(), randomUUID()];
    const at = now - 4 * DAY;
    await write([], [use(at, moved, at + 2, { unlinked: at })]);
    await write([], [use(at + 10, moved, at + 10, { unlinked: null })]);
    await write([], [use(at, unknown)]);
    await db.dataSource.query(`UPDATE scheme_uses SET unlinked_at = NULL WHERE user_id = $1`, [unknown]);
    const lastUses = async () => {
      const uses = await store.sessionUses(30, 10);
      return new Map(uses.map(({ userId, lastSeen }) => [userId, lastSeen.getTime() - Math.floor(at)]));
    };
    const expected = new Map([
      [moved, 0],
      [unknown, 0],
    ]);
    expect(await lastUses()).toEqual(expected);
    await age(100);
    expect(await spans('scheme_uses')).toEqual([86_400]);
    expect(await lastUses()).toEqual(expected);
    await write([], [use(now, moved, now, { unlinked: null })]);
    expect(await lastUses()).toEqual(expected);
  });
});
