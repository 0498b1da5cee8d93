import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import { SessionTable } from '../table/session-table.js';
import { userAt, userNamed } from './session-table.sql.js';

/** A live session, and whether its row names a user. */
export interface SampledSession {
  /** As JSON; null if it is too large for a sample. */
  readonly sess: string | null;
  /** It has a text or a number at SESSION_USER_KEY. */
  readonly named: boolean;
  /** That names an existing user. */
  readonly found: boolean;
}

/** Bytes. */
const LARGEST = 65_536;

const newest = (table: string, path: string) => `
  SELECT CASE WHEN octet_length(s.sess) <= ${LARGEST} THEN s.sess END AS sess, name IS NOT NULL AS named,
    ${userNamed('name')} IS NOT NULL AS found
  FROM (
    SELECT sess::text AS sess, ${userAt(path)} AS name FROM ${table}
    WHERE expire > clock_timestamp() ORDER BY expire DESC LIMIT $1
  ) s`;

const EXISTING = `
  SELECT count(DISTINCT ${userNamed('name')})::int AS users FROM unnest($1::text[]) AS held (name)
  WHERE length(name) <= 256`;

/** Reads some sessions for the doctor. */
@Injectable()
export class SessionSampleStore {
  private readonly newestSessions: string;

  constructor(
    private readonly database: Database,
    { qualifiedName }: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    this.newestSessions = newest(qualifiedName, sessionUserKey);
  }

  /** The live sessions that expire last. */
  newest(limit: number): Promise<SampledSession[]> {
    return this.database.query<SampledSession & Record<string, unknown>>(this.newestSessions, [limit]);
  }

  /** How many users the names would identify if sessions held them. */
  async existing(names: readonly string[]): Promise<number> {
    const valid = names.filter((name) => !name.includes('\0'));
    return (await this.database.query<{ users: number }>(EXISTING, [valid]))[0]!.users;
  }
}
