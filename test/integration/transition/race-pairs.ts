import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_ORIGIN } from '../../../src/audit/audit-context.js';
import type { OpenedFamily } from '../../../src/tokens/families/refresh-token.service.js';
import { createTestDatabase } from '../../helpers/database.js';
import type { TestDatabase } from '../../helpers/database.js';
import { tokenOf } from '../tokens/token-node.js';
import { aSessionNode, downgrade, exchange, usersWithSessions } from './session-node.js';
import type { SessionNode, SessionUser } from './session-node.js';

/** What is prepared for each round. */
interface Round extends SessionUser {
  /** The login that its session was exchanged for, if it was. */
  readonly login: OpenedFamily | undefined;
  /** Its refresh tokens, oldest first. */
  readonly spent: readonly string[];
}

type Racer = (node: SessionNode, round: Round) => Promise<unknown>;

interface Pair {
  readonly name: string;
  /** Whether the session has been exchanged before. */
  readonly exchanged?: boolean;
  readonly one: Racer;
  readonly other: Racer;
  /** What of the user's may be alive when both have answered: sessions and logins. */
  readonly alive: readonly (readonly [sessions: number, logins: number])[];
}

const PASSWORD = { reason: 'password', event: 'user' } as const;

/** Rounds that run at once: each waits for locks most of the time. */
const LANES = 12;

const exchanging: Racer = exchange;
const loggingOut: Racer = (node, { id, sid }) =>
  node.sessions.revoke({ sid, userId: id }, 'logout', NO_ORIGIN);
const loggingOutByToken: Racer = (node, { login }) =>
  node.revocations.revokeFamilies([login!.family.sid], 'logout', 'logout', NO_ORIGIN);
const revoking: Racer = (node, { id }) =>
  node.revocations.revokeUser(id, { reason: 'revoke', event: 'revoke' }, NO_ORIGIN);
const disabling: Racer = (node, { id }) =>
  node.revocations.revokeUser(
    id,
    {
      reason: 'disable',
      event: 'user',
      alongside: async (sql) =>
        void (await sql.query(`UPDATE users SET disabled_at = now() WHERE id = $1`, [id])),
    },
    NO_ORIGIN,
  );
const changingPasswordElsewhere: Racer = (node, { id }) =>
  node.revocations.revokeUser(id, PASSWORD, NO_ORIGIN);
const changingPasswordByIt: Racer = (node, { id, sid }) =>
  node.revocations.revokeUser(id, { ...PASSWORD, exceptSession: sid }, NO_ORIGIN);
const changingPasswordByItsToken: Racer = (node, { id, login }) =>
  node.revocations.revokeUser(id, { ...PASSWORD, exceptSid: login!.family.sid }, NO_ORIGIN);
const refreshing: Racer = (node, { login, spent }) =>
  node.refreshes.present(spent.at(-1) ?? login!.token, NO_ORIGIN);
const reusing: Racer = (node, { spent }) => node.refreshes.present(spent[0]!, NO_ORIGIN);
const downgrading: Racer = (node, { login, spent }) => downgrade(node, spent.at(-1) ?? login!.token);
const deletingTheRow: Racer = (node, { sid }) =>
  node.database.query(`DELETE FROM session WHERE sid = $1`, [sid]);

const NOTHING = [[0, 0]] as const;
const ONE_SESSION = [[1, 0]] as const;
const BOTH = [[1, 1]] as const;

const PAIRS: readonly Pair[] = [
  { name: 'exchange against exchange', one: exchanging, other: exchanging, alive: BOTH },
  { name: 'logout by session against exchange', one: loggingOut, other: exchanging, alive: NOTHING },
  { name: 'revoke of the user against exchange', one: revoking, other: exchanging, alive: NOTHING },
  { name: 'disable against exchange', one: disabling, other: exchanging, alive: NOTHING },
  {
    name: 'another’s password change against exchange',
    one: changingPasswordElsewhere,
    other: exchanging,
    alive: NOTHING,
  },
  {
    name: 'its own password change against exchange',
    one: changingPasswordByIt,
    other: exchanging,
    alive: BOTH,
  },
  {
    name: 'deletion by another application against exchange',
    one: deletingTheRow,
    other: exchanging,
    alive: NOTHING,
  },
  {
    name: 'logout by token against exchange',
    exchanged: true,
    one: loggingOutByToken,
    other: exchanging,
    alive: NOTHING,
  },
  { name: 'reuse against exchange', exchanged: true, one: reusing, other: exchanging, alive: NOTHING },
  {
    name: 'downgrade against exchange',
    exchanged: true,
    one: downgrading,
    other: exchanging,
    alive: ONE_SESSION,
  },
  {
    name: 'downgrade against refresh',
    exchanged: true,
    one: downgrading,
    other: refreshing,
    alive: ONE_SESSION,
  },
  {
    name: 'downgrade against downgrade',
    exchanged: true,
    one: downgrading,
    other: downgrading,
    alive: ONE_SESSION,
  },
  {
    name: 'downgrade against logout by token',
    exchanged: true,
    one: downgrading,
    other: loggingOutByToken,
    alive: NOTHING,
  },
  {
    name: 'downgrade against logout by session',
    exchanged: true,
    one: downgrading,
    other: loggingOut,
    alive: NOTHING,
  },
  {
    name: 'downgrade against revoke of the user',
    exchanged: true,
    one: downgrading,
    other: revoking,
    alive: NOTHING,
  },
  {
    name: 'downgrade against reuse',
    exchanged: true,
    one: downgrading,
    other: reusing,
    alive: NOTHING,
  },
  {
    name: 'logout by session against refresh',
    exchanged: true,
    one: loggingOut,
    other: refreshing,
    alive: NOTHING,
  },
  {
    name: 'logout by session against logout by token',
    exchanged: true,
    one: loggingOut,
    other: loggingOutByToken,
    alive: NOTHING,
  },
  {
    name: 'logout by session against reuse',
    exchanged: true,
    one: loggingOut,
    other: reusing,
    alive: NOTHING,
  },
  {
    name: 'revoke of the user against logout by session',
    exchanged: true,
    one: revoking,
    other: loggingOut,
    alive: NOTHING,
  },
  {
    name: 'revoke of the user against logout by token',
    exchanged: true,
    one: revoking,
    other: loggingOutByToken,
    alive: NOTHING,
  },
  {
    name: 'its token’s password change against logout by session',
    exchanged: true,
    one: changingPasswordByItsToken,
    other: loggingOut,
    alive: NOTHING,
  },
  {
    name: 'deletion by another application against refresh',
    exchanged: true,
    one: deletingTheRow,
    other: refreshing,
    alive: NOTHING,
  },
];

const ALIVE = `
  WITH living AS (
    SELECT s.sess ->> 'userId' AS id, count(*)::int AS sessions FROM session s LEFT JOIN session_fates f ON f.sid = s.sid
    WHERE s.expire > now() AND f.ended_at IS NULL GROUP BY 1
  ), going AS (
    SELECT user_id AS id, count(*)::int AS logins FROM refresh_tokens
    WHERE revoked_at IS NULL AND expires_at > now() GROUP BY 1
  )
  SELECT u.id, CASE WHEN u.disabled_at IS NULL THEN coalesce(sessions, 0) ELSE 0 END AS sessions, coalesce(logins, 0) AS logins
  FROM users u LEFT JOIN living ON living.id = u.id::text LEFT JOIN going ON going.id = u.id
  WHERE u.id = ANY ($1::uuid[])`;

/** The pairs of what may happen to a session and its login at once, each so many times on two nodes. */
export function racePairs(rounds: number): void {
  describe(`two operations that race for a session, ${rounds} times each`, () => {
    let db: TestDatabase;
    let nodes: readonly [SessionNode, SessionNode];
    beforeAll(async () => {
      db = await createTestDatabase();
      nodes = [await aSessionNode(db.url), await aSessionNode(db.url)];
      await Promise.all(nodes.map(({ feed }) => feed.start()));
    });
    afterAll(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await db.drop();
    });

    async function prepared(user: SessionUser, pair: Pair): Promise<Round> {
      if (pair.exchanged !== true) return { ...user, login: undefined, spent: [] };
      const login = (await exchange(nodes[0], user)) as OpenedFamily;
      // Twice, so that there is a token which was spent long ago.
      const spent = [login.token];
      for (let step = 0; step < 2; step++) {
        const next = await nodes[0].refreshes.present(spent.at(-1)!, NO_ORIGIN);
        if (next.outcome !== 'rotated') throw new Error(next.outcome);
        spent.push(next.token);
      }
      return { ...user, login, spent };
    }

    /** Who gets ahead is left to chance, nudged by turns; now and then one waits for the other's answer. */
    async function race(round: Round, pair: Pair, turn: number): Promise<unknown[]> {
      const [first, second] = turn % 2 === 0 ? [pair.one, pair.other] : [pair.other, pair.one];
      if (turn % 10 < 2) return [await first(nodes[0], round), await second(nodes[1], round)];
      const ahead = first(nodes[0], round);
      for (let step = 0; step < turn % 5; step++) await new Promise((resolve) => setImmediate(resolve));
      return Promise.all([ahead, second(nodes[1], round)]);
    }

    it.each(PAIRS)('leave no live session or family: $name', { timeout: 300_000 }, async (pair) => {
      const users = await usersWithSessions(db.database, rounds);
      const logins: OpenedFamily[] = [];
      let turn = 0;
      const lane = async () => {
        while (turn < rounds) {
          const mine = turn++;
          const round = await prepared(users[mine]!, pair);
          if (round.login !== undefined) logins.push(round.login);
          for (const came of await race(round, pair, mine)) if (isLogin(came)) logins.push(came);
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      // What another application deletes is found by looking.
      await nodes[0].watcher.poll();
      while ((await nodes[0].links.lostRows(1)).length > 0) await nodes[0].watcher.poll();

      const alive = await db.database.query<{ id: string; sessions: number; logins: number }>(ALIVE, [
        users.map(({ id }) => id),
      ]);
      expect(alive).toHaveLength(rounds);
      const allowed = pair.alive.map(String);
      for (const { sessions, logins: live } of alive) expect(allowed).toContain(String([sessions, live]));

      // No access token outlives its login, on either node.
      await Promise.all(nodes.map(({ feed }) => feed.catchUp()));
      const living = new Set(alive.filter((user) => user.logins > 0).map(({ id }) => id));
      for (const { family } of logins) {
        for (const { revoked } of nodes)
          expect(revoked.isRevoked(tokenOf(family))).toBe(!living.has(family.userId));
      }
      expect(logins.length).toBeGreaterThan(0);
    });
  });
}

function isLogin(value: unknown): value is OpenedFamily {
  return typeof value === 'object' && value !== null && 'family' in value && 'token' in value;
}
