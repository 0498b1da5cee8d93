import { Inject, Injectable, Optional } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import { SessionTable } from '../table/session-table.js';
import { RemoteSessions } from './remote/remote-sessions.js';
import { userAt, userIn, userNamed } from './session-table.sql.js';

/** A live session, and whether its row names a user. */
export interface SampledSession {
  /** The session as JSON; null if it is too large for a sample. */
  readonly sess: string | null;
  /** Whether it has text or a number at SESSION_USER_KEY. */
  readonly named: boolean;
  /** Whether that names an existing user. */
  readonly found: boolean;
}

/** The largest session in a sample, in bytes. */
const LARGEST = 65_536;

const newest = (table: string, user: string) => `
  SELECT CASE WHEN octet_length(s.sess) <= ${LARGEST} THEN s.sess END AS sess, name IS NOT NULL AS named,
    ${userNamed('name')} IS NOT NULL AS found
  FROM (
    SELECT sess::text AS sess, ${user} AS name FROM ${table} s
    WHERE expire > clock_timestamp() ORDER BY expire DESC LIMIT $1
  ) s`;

/** Reads the same columns as {@link newest}, from sessions that are passed as a parameter, because they are not in the database. */
const given = (path: string) => `
  SELECT CASE WHEN octet_length(s.sess) <= ${LARGEST} THEN s.sess END AS sess, name IS NOT NULL AS named,
    ${userNamed('name')} IS NOT NULL AS found
  FROM (SELECT s.sess, ${userAt(path)} AS name FROM unnest($1::text[]) AS s (sess)) s`;

const EXISTING = `
  SELECT count(DISTINCT ${userNamed('name')})::int AS users FROM unnest($1::text[]) AS held (name)
  WHERE length(name) <= 256`;

/** Reads some sessions for the doctor. */
@Injectable()
export class SessionSampleStore {
  private readonly newestSessions: string;
  private readonly givenSessions: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
    @Optional() @Inject(RemoteSessions) private readonly remote?: RemoteSessions,
  ) {
    this.newestSessions = newest(table.rows, userIn(table, sessionUserKey));
    this.givenSessions = given(sessionUserKey);
  }

  /** The live sessions that expire last, or any of a store that does not sort them. */
  async newest(limit: number): Promise<SampledSession[]> {
    if (this.remote !== undefined) {
      const texts = (await this.remote.sample(limit)).filter((text) => !text.includes('\0'));
      return this.database.query<SampledSession & Record<string, unknown>>(this.givenSessions, [texts]);
    }
    return this.database.query<SampledSession & Record<string, unknown>>(this.newestSessions, [limit]);
  }

  /** How many users the names would identify if sessions held them. */
  async existing(names: readonly string[]): Promise<number> {
    const valid = names.filter((name) => !name.includes('\0'));
    return (await this.database.query<{ users: number }>(EXISTING, [valid]))[0]!.users;
  }
}
