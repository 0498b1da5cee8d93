/** The window, $1 to $2, in milliseconds since the epoch. */
const SINCE = `to_timestamp($1::float8 / 1000)`;
const UNTIL = `to_timestamp($2::float8 / 1000)`;

/** An interval of counts belongs to a window if they overlap. */
const COUNTED = `span = ANY ('{1,60,3600}') AND at > ${SINCE} - interval '1 hour' AND at < ${UNTIL}
    AND at + make_interval(secs => span) > ${SINCE}`;

/** At the edges of a window only the first and the last use in an interval are known. */
const INSIDE = `last_at >= ${SINCE} AND first_at < ${UNTIL}`;

const USED = `span = ANY ('{3600,86400}') AND at > ${SINCE} - interval '1 day' AND at < ${UNTIL} AND ${INSIDE}`;

const LOGGED_OUT = `at >= ${SINCE} AND at < ${UNTIL}`;

/** The distinct users of each scheme. */
export const USERS = `
  SELECT scheme, count(*)::float8 AS n FROM (SELECT DISTINCT scheme, user_id FROM scheme_uses WHERE ${USED}) AS used
  GROUP BY scheme`;

/** The sums of the whole window. Users are counted distinctly, not added up. */
export const WHOLE = `
  SELECT 0::float8 AS slot, scheme, kind, key, sum(n)::float8 AS n FROM report_buckets WHERE ${COUNTED}
  GROUP BY scheme, kind, key
  UNION ALL
  SELECT 0, scheme, 'users', '', n FROM (${USERS}) AS users
  UNION ALL
  SELECT 0, scheme, 'logout', cause, count(*) FROM unexpected_logouts WHERE ${LOGGED_OUT} GROUP BY scheme, cause
  UNION ALL
  SELECT 0, scheme, 'proved_logout', '', count(*) FROM unexpected_logouts
  WHERE ${LOGGED_OUT} AND user_id IS NOT NULL GROUP BY scheme`;

/** Requests by session that were refused because of a setting, by cause, with the first and the last time as far as they are known. */
export const REFUSED = `
  SELECT key AS cause, sum(n)::float8 AS requests, min(at) AS "firstSeen",
    least(max(at + make_interval(secs => span)), now()) AS "lastSeen"
  FROM report_buckets WHERE kind = 'refused' AND scheme = 'session' AND ${COUNTED} GROUP BY key`;

const LENGTH = `make_interval(secs => $3::integer)`;

/** The start of the bucket that contains a time. */
const binOf = (time: string) => `date_bin(${LENGTH}, ${time}, timestamptz 'epoch')`;

/**
 * OFFSET 0 makes PostgreSQL compute the bucket starts before it groups by them. Without it the planner overestimates their number and
 * sorts on disk.
 */
const COUNTS_BY_BUCKET = `
  SELECT bin, scheme, kind, key, sum(n)::float8 AS n
  FROM (SELECT ${binOf('at')} AS bin, scheme, kind, key, n FROM report_buckets WHERE ${COUNTED} OFFSET 0) AS counted
  GROUP BY bin, scheme, kind, key`;

/**
 * Users by buckets of $3 seconds, from intervals of $3 and of $4 seconds. If a bucket is one interval that lies entirely in the window,
 * the key holds each of its users once, in order, and they are simply counted. All other rows are made distinct first: intervals of the
 * other length, which start at `tail` or later, rows that share a bucket with them, and intervals at the edges of the window.
 */
const USERS_BY_BUCKET = `
  SELECT bin, scheme, count(*)::float8 AS n FROM (
    SELECT DISTINCT bin, scheme, user_id FROM (
      SELECT ${binOf('at')} AS bin, scheme, user_id FROM scheme_uses
      WHERE span = $4::integer AND at > ${SINCE} - make_interval(secs => $4::integer) AND at < ${UNTIL} AND ${INSIDE}
      UNION ALL
      SELECT at, scheme, user_id FROM scheme_uses
      WHERE span = $3::integer AND at > ${SINCE} - ${LENGTH} AND at < ${SINCE} AND ${INSIDE}
      UNION ALL
      SELECT at, scheme, user_id FROM scheme_uses
      WHERE span = $3::integer AND at >= greatest(${SINCE}, (SELECT at FROM tail)) AND at < ${UNTIL} AND ${INSIDE}
      OFFSET 0
    ) AS used
  ) AS users GROUP BY bin, scheme
  UNION ALL
  SELECT at, scheme, count(DISTINCT user_id)::float8 FROM scheme_uses
  WHERE span = $3::integer AND at >= ${SINCE} AND at < (SELECT at FROM tail) GROUP BY at, scheme`;

/** Everything except users, by buckets of $3 seconds. */
export const COUNT_BUCKETS = `
  SELECT extract(epoch FROM bin)::float8 AS slot, scheme, kind, key, n FROM (
    ${COUNTS_BY_BUCKET}
    UNION ALL
    SELECT ${binOf('at')}, scheme, 'logout', cause, count(*)::float8 FROM unexpected_logouts
    WHERE ${LOGGED_OUT} GROUP BY 1, scheme, cause
  ) AS sums`;

/** Users by buckets. $3 and $4 are the two lengths of their intervals in seconds; $3 is the length of a bucket. */
export const USER_BUCKETS = `
  WITH tail AS MATERIALIZED (
    SELECT least(${binOf('min(at)')}, ${UNTIL} - ${LENGTH}) AS at FROM scheme_uses
    WHERE span = $4::integer AND at > ${SINCE} - make_interval(secs => $4::integer) AND at < ${UNTIL}
  )
  SELECT extract(epoch FROM bin)::float8 AS slot, scheme, 'users' AS kind, '' AS key, n FROM (${USERS_BY_BUCKET}) AS sums`;

/** User agents of sessions. Those after the hundredth are summed as `other`. */
export const AGENTS = `
  WITH used AS (
    SELECT user_agent, user_id, sum(requests) AS requests, max(last_at) AS last_at
    FROM (SELECT user_agent, user_id, requests, last_at FROM scheme_uses WHERE scheme = 'session' AND ${USED} OFFSET 0) AS uses
    GROUP BY user_agent, user_id
  ), ranked AS (
    SELECT user_agent, row_number() OVER (ORDER BY count(*) DESC, user_agent) AS place FROM used GROUP BY user_agent
  ), named AS (
    SELECT CASE WHEN place <= 100 THEN user_agent ELSE 'other' END AS user_agent, user_id, sum(requests) AS requests,
      max(last_at) AS last_at
    FROM used JOIN ranked USING (user_agent) GROUP BY 1, user_id
  )
  SELECT user_agent AS "userAgent", count(*)::float8 AS users, sum(requests)::float8 AS requests,
    max(last_at) AS "lastSeen"
  FROM named GROUP BY user_agent ORDER BY users DESC, requests DESC, user_agent`;

/** The last use of a session that had not been exchanged, in a row of `session`. */
export const UNLINKED = `coalesce(scheme_uses.unlinked_at, scheme_uses.last_at)`;

/** Each user's latest use of a session that had not been exchanged, in the last $1 days, by user id. */
export const SESSION_USES = `
  SELECT DISTINCT ON (user_id) user_id AS "userId", user_agent AS "userAgent", ${UNLINKED} AS "lastSeen"
  FROM scheme_uses
  WHERE scheme = 'session' AND ${UNLINKED} >= now() - make_interval(days => $1::integer)
    AND at >= now() - make_interval(days => $1::integer + 1) AND user_id > $2::uuid
  ORDER BY user_id, ${UNLINKED} DESC LIMIT $3`;
