import { Inject, Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { isConflict } from '../../../database/database.errors.js';
import { Database } from '../../../database/database.js';
import { admission } from '../../../limits/admission.sql.js';
import type { CountedCall, CountedResult } from '../../../limits/admission.sql.js';
import type { LimitLog } from '../../../limits/quota.js';
import {
  FAMILY_COLUMNS,
  FIRST_EXPIRY,
  newFamily,
  newFamilyValues,
} from '../../../tokens/families/new-family.sql.js';
import type { NewFamily, TokenFamily } from '../../../tokens/families/token-family.js';
import { onSessionTable, userOfRow } from '../stores/session-table.sql.js';
import type { LiveSession } from '../stores/session.store.js';
import { SessionTable } from '../table/session-table.js';

/** A counted exchange. No family: the session was revoked or exchanged in the meantime, and nothing was written. */
export interface CountedExchange {
  readonly family: TokenFamily | undefined;
}

type Row = { readonly [Column in keyof TokenFamily]: TokenFamily[Column] | null } & {
  readonly [Column in keyof LimitLog]: LimitLog[Column] | null;
} & { readonly admitted: boolean };

const TERMS = { key: '$18', wanted: '1', limit: '$19', window: '$20', slot: '$21' };

/** The link `f` allows an exchange in one statement: no family, no downgrade, no revocation. */
const isFree = (f: string, user: string) =>
  `${f}.family_id IS NULL AND ${f}.downgraded_id IS NULL AND ${f}.ends_at IS NULL AND ${f}.ended_at IS NULL AND ${f}.user_id = ${user}`;

/**
 * Locks the user, then the row of the session. A revocation or another exchange either waits for both, or comes first: then the epoch or the
 * row is another one, or the link is, which `linked` compares as it is now and not as it was when the statement began. Parts of a
 * statement run in the order in which they need each other, so nothing is written before the call is admitted and the session is linked.
 */
const exchangeIn = ({ qualifiedName: table, layout, ...own }: Expiring, user: string) => `
  WITH u AS (
    SELECT id, role, external_id, epoch FROM users WHERE id = $2 AND epoch = $3 AND disabled_at IS NULL FOR NO KEY UPDATE
  ), held AS (
    SELECT s.${layout.sid} AS sid FROM u
    JOIN ${table} s ON s.${layout.sid} = $17::text AND ${own.expiry} > clock_timestamp() AND ${user} = $22
    WHERE NOT EXISTS (SELECT 1 FROM session_fates f WHERE f.sid = $17::text AND NOT (${isFree('f', 'u.id')}))
    LIMIT 1 FOR NO KEY UPDATE OF s
  ), counted AS (${admission(TERMS, 'held')} RETURNING admitted, ends, hits),
  linked AS (
    INSERT INTO session_fates (sid, user_id, family_id) SELECT $17::text, $2, $1 FROM counted WHERE counted.admitted > 0
    ON CONFLICT (sid) DO UPDATE SET family_id = excluded.family_id WHERE ${isFree('session_fates', 'excluded.user_id')}
    RETURNING sid
  ), extended AS (
    UPDATE ${table} s SET ${layout.expire} = ${own.later}
    FROM linked WHERE s.${layout.sid} = linked.sid AND ${own.expiry} > clock_timestamp()
  ), ${newFamily('linked CROSS JOIN u', '(SELECT proved_at FROM session_password_proofs WHERE sid = $17::text)')},
  full_log AS (SELECT ends, hits FROM counted WHERE (SELECT sum(h) FROM unnest(hits) AS h) >= $19::bigint)
  SELECT ${FAMILY_COLUMNS}, counted.admitted > 0 AS admitted, full_log.ends::float8[] AS ends, full_log.hits
  FROM counted LEFT JOIN full_log ON true LEFT JOIN (t JOIN u ON u.id = t.user_id) ON true`;

/** A table, with SQL for the expiry of its row `s`, and for one that is no earlier than that of the family. */
interface Expiring extends Pick<SessionTable, 'qualifiedName' | 'layout'> {
  readonly expiry: string;
  readonly later: string;
}

/** Exchanges a session in one statement. */
@Injectable()
export class ExchangeStore {
  private readonly exchangeText: string;

  constructor(
    private readonly database: Database,
    private readonly table: SessionTable,
    @Inject(CONFIG) { sessionUserKey }: TransitionConfig,
  ) {
    const { qualifiedName, layout } = table;
    const expiry = table.expiryOf('s');
    const later = table.stored(`greatest(${expiry}::timestamptz, ${FIRST_EXPIRY})`);
    this.exchangeText = exchangeIn(
      { qualifiedName, layout, expiry, later },
      userOfRow(table, sessionUserKey),
    );
  }

  /**
   * Whether {@link exchange} can do it: the session is in this database, no family is linked to it and no downgrade has made it. Other
   * sessions need a transaction.
   */
  canExchange({ familyId, endsAt, unseen }: LiveSession): boolean {
    return !this.table.isRecord && familyId === null && endsAt === null && !unseen;
  }

  /**
   * Counts the call, opens the family, links it to the session and extends the session. If there is no room for the call, nothing is
   * written. Undefined, and nothing is counted, if the session or its user has changed since it was read.
   */
  async exchange(
    { sid, name }: LiveSession,
    family: NewFamily,
    { key, limit, window, slot }: CountedCall,
    origin: Origin,
  ): Promise<CountedResult<CountedExchange> | undefined> {
    const values = [...newFamilyValues(family, 'exchange', origin), sid, key, limit, window, slot, name];
    const [row] = await this.run(values);
    if (row === undefined) return undefined;
    const { admitted, ends, hits, ...opened } = row;
    return {
      done: admitted ? { family: opened.sid === null ? undefined : (opened as TokenFamily) } : undefined,
      full: ends === null || hits === null ? undefined : { ends, hits, now: row.now! * 1000 },
    };
  }

  /** A deadlock or a serialization failure has changed nothing: triggers of the product may cause one. */
  private async run(values: readonly unknown[]): Promise<Row[]> {
    try {
      return await onSessionTable(() => this.database.query<Row>(this.exchangeText, values));
    } catch (error) {
      if (isConflict(error)) return [];
      throw error;
    }
  }
}
