/** Removes up to `$1` rows that have expired, and counts them. Leaves rows that somebody else has locked. */
export const removeExpiredFrom = (table: 'rate_limits' | 'login_failures' | 'blocked_subjects') => `
  WITH removed AS (
    DELETE FROM ${table} WHERE key IN (
      SELECT key FROM ${table} WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) RETURNING 1
  )
  SELECT count(*)::integer AS count FROM removed`;
