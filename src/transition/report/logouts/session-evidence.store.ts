import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { Database } from '../../../database/database.js';
import { userAt, userNamed } from '../../sessions/stores/session-table.sql.js';

/** A session that has a row, has not expired and was not ended. */
export interface SessionEvidence {
  readonly sid: string;
  /** Whom it names; null if nobody has logged in with it. */
  readonly name: string | null;
  /** Null if nobody is known by that name. */
  readonly userId: string | null;
  readonly disabled: boolean;
}

const open = (path: string) => `
  SELECT s.sid, named.name, u.id AS "userId", u.disabled_at IS NOT NULL AS disabled
  FROM session s
  CROSS JOIN LATERAL (SELECT ${userAt(path)} AS name) named
  LEFT JOIN users u ON u.id = ${userNamed('named.name')}
  LEFT JOIN session_fates f ON f.sid = s.sid
  WHERE s.sid = ANY ($1::text[]) AND s.expire > clock_timestamp() AND f.ended_at IS NULL
    AND (f.ends_at IS NULL OR f.ends_at > clock_timestamp())`;

/** Looks at sessions after their cookie was refused, to tell whether that was right. Changes nothing. */
@Injectable()
export class SessionEvidenceStore {
  private readonly open: string;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.open = open(config.sessionUserKey);
  }

  /** By the session's id. */
  async sessions(sids: readonly string[]): Promise<ReadonlyMap<string, SessionEvidence>> {
    const rows = await this.database.query<SessionEvidence & Record<string, unknown>>(this.open, [sids]);
    return new Map(rows.map((row) => [row.sid, row]));
  }
}
