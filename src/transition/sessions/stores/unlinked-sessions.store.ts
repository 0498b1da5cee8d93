import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import { Database } from '../../../database/database.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { SessionTable } from '../table/session-table.js';
import { onSessionTable, userIn, userNamed } from './session-table.sql.js';

/** Sessions of one statement: it stays far below the statement timeout. */
const BATCH = 10_000;

const pageBy = (table: string, user: string) => `
  WITH part AS (
    SELECT s.sid, s.expire > clock_timestamp() AS live, ${user} AS name FROM ${table} s
    WHERE s.sid > $1 ORDER BY s.sid LIMIT ${BATCH})
  SELECT max(part.sid) AS last, count(*)::integer AS count,
    coalesce(array_agg(DISTINCT ${userNamed('part.name')})
      FILTER (WHERE live AND f.family_id IS NULL AND f.ended_at IS NULL AND name IS NOT NULL), '{}') AS users
  FROM part LEFT JOIN session_fates f ON f.sid = part.sid`;

interface Page {
  readonly last: string | null;
  readonly count: number;
  readonly users: readonly (string | null)[];
}

/** Finds the users who are signed in by session on a device that has no tokens yet. */
@Injectable()
export class UnlinkedSessionsStore {
  private readonly page: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    this.page = pageBy(table.rows, userIn(table, sessionUserKey));
  }

  /** The ids of all users with a live session that was not exchanged for tokens. Reads the whole table, in small statements. */
  async users(): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    let after: string | null = '';
    while (after !== null) {
      const [page]: (Page & Record<string, unknown>)[] = await onSessionTable(() =>
        this.database.query<Page & Record<string, unknown>>(this.page, [after]),
      );
      for (const user of page!.users) if (user !== null) found.add(user);
      after = page!.count < BATCH ? null : page!.last;
    }
    return found;
  }
}
