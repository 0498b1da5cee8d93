import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';

const SINCE = `
  SELECT extract(epoch FROM min(at))::float8 * 1000 AS since FROM rollout_versions
  WHERE phase IN ('deprecation_notice', 'sessions_removed') AND version > coalesce((
    SELECT max(version) FROM rollout_versions WHERE phase NOT IN ('deprecation_notice', 'sessions_removed')), 0)`;

/** Since when sessions are deprecated, from the history of the rollout. */
@Injectable()
export class DeprecationStore {
  constructor(private readonly database: Database) {}

  /** Milliseconds since the epoch; undefined if they are not. */
  async since(): Promise<number | undefined> {
    const [row] = await this.database.query<{ since: number | null }>(SINCE);
    return row?.since ?? undefined;
  }
}
