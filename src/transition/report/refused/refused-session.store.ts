import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../../../database/database.js';
import { SessionOriginService } from '../../sessions/stores/session-origin.service.js';
import type { ProvableSession } from '../../sessions/stores/session-origin.service.js';
import { IS_LIVE, userIn, userNamed } from '../../sessions/stores/session-table.sql.js';
import { SessionTable } from '../../sessions/table/session-table.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import type { SessionFacts } from './setting-cause.js';

interface Row extends Omit<SessionFacts, 'signsIn'>, Omit<ProvableSession, 'userId' | 'role'> {
  readonly [column: string]: unknown;
  readonly role: string | null;
}

const factsBy = (table: string, user: string) => `
  SELECT asked.sid, s.sid IS NOT NULL AS stored, f.sid IS NOT NULL AS known, coalesce(${IS_LIVE}, false) AS live, named.name,
    u.id AS "userId", u.role, u.disabled_at IS NOT NULL AS disabled, f.begun_macs AS "begunMacs"
  FROM unnest($1::text[]) AS asked (sid)
  LEFT JOIN ${table} s ON s.sid = asked.sid
  LEFT JOIN session_fates f ON f.sid = asked.sid
  LEFT JOIN LATERAL (SELECT ${user} AS name OFFSET 0) named ON s.sid IS NOT NULL
  LEFT JOIN users u ON u.id = ${userNamed('named.name')}`;

/** Reads what the database holds about refused sessions. Changes nothing. */
@Injectable()
export class RefusedSessionStore {
  private readonly factsText: string;

  constructor(
    private readonly database: Database,
    table: SessionTable,
    private readonly origins: SessionOriginService,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.factsText = factsBy(table.rows, userIn(table, config.sessionUserKey));
  }

  /** One statement for all sessions. */
  async facts(sids: readonly string[]): Promise<ReadonlyMap<string, SessionFacts>> {
    if (sids.length === 0) return new Map();
    const rows = await this.database.query<Row>(this.factsText, [sids]);
    return new Map(rows.map((row) => [row.sid, { ...row, signsIn: this.signsIn(row) }]));
  }

  private signsIn({ sid, userId, role, begunMacs }: Row): boolean {
    return userId !== null && role !== null && this.origins.signsIn({ sid, userId, role, begunMacs });
  }
}
