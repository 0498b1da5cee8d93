import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';

export interface IssuedTokens {
  readonly tokens: number;
  readonly users: number;
}

/**
 * Each login, refresh and exchange issues an access token. There is no index on the time, but events are sealed after they happened, so
 * those in seals from before `$1` are older. The index of events finds the rest.
 */
const BETWEEN = `
  SELECT count(*)::float8 AS tokens, count(DISTINCT user_id)::float8 AS users FROM (
    SELECT user_id FROM audit_events
    WHERE event = ANY ('{login,refresh,exchange}') AND cause IS DISTINCT FROM 'session' AND sid IS NOT NULL
      AND id > coalesce((SELECT last_id FROM audit_seals WHERE sealed_at < to_timestamp($1::float8 / 1000) ORDER BY id DESC LIMIT 1), 0)
      AND at >= to_timestamp($1::float8 / 1000) AND at < to_timestamp($2::float8 / 1000)
    LIMIT $3
  ) AS issued`;

/** Counts the access tokens that were issued, by the audit trail. */
@Injectable()
export class IssuedTokenStore {
  constructor(private readonly database: Database) {}

  /** Counts the tokens issued from `since` to `until`, in ms on the database's clock. Stops at `most` tokens. */
  async between(since: number, until: number, most: number): Promise<IssuedTokens> {
    const rows = await this.database.query<IssuedTokens & Record<string, unknown>>(BETWEEN, [
      since,
      until,
      most,
    ]);
    return rows[0]!;
  }
}
