import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';

/** When a user last used a session, and with what. */
export interface SessionUse {
  readonly userId: string;
  /** At most 256 characters; `none` of a client that does not name itself, `other` of one that has very many names. */
  readonly userAgent: string;
  readonly lastSeen: Date;
}

const LATEST = `
  SELECT DISTINCT ON (user_id) user_id AS "userId", user_agent AS "userAgent", last_at AS "lastSeen"
  FROM scheme_uses
  WHERE scheme = 'session' AND last_at >= now() - make_interval(days => $1::integer)
    AND at >= now() - make_interval(days => $1::integer + 1) AND user_id > $2::uuid
  ORDER BY user_id, last_at DESC LIMIT $3`;

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Who used a session when. Kept for 90 days; at most five seconds behind. */
@Injectable()
export class SessionUseStore {
  constructor(private readonly database: Database) {}

  /**
   * The users who used a session in the last `days`, each once with the latest use, ordered by id: at most `limit` of those
   * after `afterUserId`. Users who are gone since may be among them.
   */
  async latest(days: number, limit: number, afterUserId: string = NOBODY): Promise<SessionUse[]> {
    return this.database.query<SessionUse & Record<string, unknown>>(LATEST, [days, afterUserId, limit]);
  }
}
