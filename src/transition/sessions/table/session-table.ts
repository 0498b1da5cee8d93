import { CONNECT_PG_SIMPLE } from './session-layout.js';
import type { SessionLayout } from './session-layout.js';
import { qualifiedName, shownName } from './table-name.js';

/** The table that holds the sessions: Tandem's own or one of a product. It is found once, at the start. */
export class SessionTable {
  /** The name of the table for SQL: quoted, and with the schema. */
  readonly qualifiedName: string;
  /** The name of the table for messages. */
  readonly shown: string;
  /** A relation for SQL that reads. It has the columns `sid`, `sess` and `expire`, whatever the table calls them. */
  readonly rows: string;

  /**
   * `isOwn`: Tandem has made it. Tandem creates nothing on any other table by itself. `isRecord`: the sessions are in a store outside of
   * the database, and the table holds what Tandem has seen of them.
   */
  constructor(
    schema: string,
    name: string,
    readonly isOwn: boolean,
    readonly isRecord = false,
    readonly layout: SessionLayout = CONNECT_PG_SIMPLE,
  ) {
    this.qualifiedName = qualifiedName(schema, name);
    this.shown = shownName({ schema, name });
    this.rows = layout === CONNECT_PG_SIMPLE ? this.qualifiedName : this.renamed();
  }

  /** SQL that compares: the expiry of a row `alias`. */
  expiryOf(alias: string): string {
    const { expire, utc } = this.layout;
    return utc ? `(${alias}.${expire} AT TIME ZONE 'UTC')` : `${alias}.${expire}`;
  }

  /** SQL for a time as the table stores it. */
  stored(time: string): string {
    return this.layout.utc ? `(${time}) AT TIME ZONE 'UTC'` : time;
  }

  /** PostgreSQL merges this query into the one around it, so indexes on the columns are used. */
  private renamed(): string {
    const { sid, sess, expire, user, utc } = this.layout;
    const expiry = utc ? `${expire} AT TIME ZONE 'UTC'` : expire;
    const held = user === undefined ? '' : `, ${user} AS ${HELD_USER}`;
    return `(SELECT ${sid} AS sid, ${sess} AS sess, ${expiry} AS expire${held} FROM ${this.qualifiedName})`;
  }
}

/** The name of the user's column in {@link SessionTable.rows}. */
export const HELD_USER = 'held_user';
