import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { CONFIG } from '../../../config/config.js';
import { tryLockForSession } from '../../../database/advisory-locks.js';
import { Database } from '../../../database/database.js';
import type { VerifiedClient } from '../../../database/trust/verified-client.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { userKey, userOfRow } from '../stores/session-table.sql.js';
import { SessionTable } from './session-table.js';
import { shownName } from './table-name.js';

const LOCK = tryLockForSession('sessionUserIndex');

const TRIGGER = 'tandem_session_deleted';

/** Milliseconds. A large table takes long. */
const BUILD_TIMEOUT_MS = 3_600_000;

/** A statement that waits for a lock of the table makes later writes wait too. */
const SHORT_LOCK_TIMEOUT = `SET lock_timeout = '2s'`;

/** Making or dropping an index concurrently waits for the transactions of others, and nobody waits for it. */
const NO_LOCK_TIMEOUT = `SET lock_timeout = 0`;

/**
 * `$1`: the table, `$2`: the name of the index on users, `$3`: whether it calls the function. The indexes of earlier releases do not and
 * fail for some rows.
 */
const STATE = `
  WITH made AS (
    SELECT c.relname::text AS name, i.indisvalid AS valid, format('%I.%I', n.nspname, c.relname) AS reference,
      $3::boolean AND strpos(pg_get_indexdef(c.oid), 'tandem_session_user(') = 0 AS outdated
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indrelid = to_regclass($1) AND starts_with(c.relname, 'tandem_session_user_')
  )
  SELECT c.relkind = 'r' AS indexable, quote_ident(o.rolname) AS owner,
    NOT has_schema_privilege(o.oid, f.pronamespace, 'USAGE') OR NOT has_function_privilege(o.oid, f.oid, 'EXECUTE') AS "needsGrants",
    EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = c.oid AND tgfoid = f.oid) AS "hasTrigger",
    EXISTS (SELECT 1 FROM made WHERE name = $2 AND valid AND NOT outdated) AS "hasIndex",
    ARRAY (SELECT reference FROM made WHERE outdated OR (name = $2 AND NOT valid)) AS useless
  FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
    JOIN pg_proc f ON f.oid = '${TRIGGER}()'::regprocedure
  WHERE c.oid = to_regclass($1)`;

/** All triggers and indexes on tables of others: on the table of the sessions, and on those that were used before. */
const REMOVALS = `
  SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass) AS statement, false AS concurrent
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE t.tgfoid = '${TRIGGER}()'::regprocedure AND t.tgparentid = 0 AND c.relnamespace <> current_schema()::regnamespace
  UNION ALL
  SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %s', i.indexrelid::regclass), true
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE c.relnamespace <> current_schema()::regnamespace AND (
    EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.refclassid = 'pg_proc'::regclass AND d.refobjid = 'tandem_session_user(text, text[])'::regprocedure)
    OR (i.indrelid = to_regclass($1) AND starts_with(c.relname, 'tandem_session_user_')))`;

interface Removal {
  readonly statement: string;
  readonly concurrent: boolean;
}

/** Manages the index and the trigger that Tandem has created on the session table. */
export interface AttachmentState {
  readonly hasTrigger: boolean;
  /** The index for SESSION_USER_KEY, and it is complete. */
  readonly hasIndex: boolean;
  /** Only on an ordinary table can an index be made without blocking writers. */
  readonly indexable: boolean;
  /** Indexes to drop: those of earlier releases, and one that was not completed. */
  readonly useless: readonly string[];
  /** The owner of the table, as SQL names it. */
  readonly owner: string;
  /** The owner cannot create the trigger without further privileges. */
  readonly needsGrants: boolean;
}

/**
 * An index on the users of sessions, and a trigger that reports deletions. Tandem's own table has both. On a product's table an operator
 * attaches them. The trigger is only for the table of connect-pg-simple. The index's name depends on SESSION_USER_KEY, so that a change of
 * the key makes another index.
 */
@Injectable()
export class SessionAttachmentStore {
  private readonly index: string;
  private readonly expression: string;
  private client: VerifiedClient | undefined;

  constructor(
    private readonly database: Database,
    private readonly table: SessionTable,
    @Inject(CONFIG) private readonly config: TransitionConfig,
  ) {
    this.expression = userKey(userOfRow(table, config.sessionUserKey));
    this.index = `tandem_session_user_${hash('sha256', this.expression, 'hex').slice(0, 12)}`;
  }

  /** Reads whether the index and the trigger exist; undefined if the table does not exist any more. */
  async state(): Promise<AttachmentState | undefined> {
    const values = [this.table.qualifiedName, this.index, this.table.layout.user === undefined];
    return (await this.database.query<AttachmentState & Record<string, unknown>>(STATE, values))[0];
  }

  /** The SQL that would attach what is missing: for the table's owner, on any connection. */
  missing(state: AttachmentState): string[] {
    const { databaseSchema, sessionUserKey } = this.config;
    const schema = shownName({ schema: undefined, name: databaseSchema });
    const user = userOfRow(this.table, sessionUserKey, `${schema}.`);
    const statements: string[] = [];
    if (!state.hasIndex && state.indexable)
      statements.push(`CREATE INDEX CONCURRENTLY ${this.index} ON ${this.table.shown} ((${userKey(user)}));`);
    if (state.hasTrigger || !this.table.layout.hasTrigger) return statements;
    if (state.needsGrants)
      statements.push(
        `GRANT USAGE ON SCHEMA ${schema} TO ${state.owner};`,
        `GRANT EXECUTE ON FUNCTION ${schema}.${TRIGGER}() TO ${state.owner};`,
      );
    statements.push(
      `CREATE TRIGGER ${TRIGGER} AFTER DELETE ON ${this.table.shown} FOR EACH ROW EXECUTE FUNCTION ${schema}.${TRIGGER}();`,
    );
    return statements;
  }

  /**
   * Makes the index if it is missing, on a connection of its own. Drops what a failed attempt left, and indexes of earlier versions. Does
   * nothing if the table is partitioned, or while another process does the same.
   */
  async ensureIndex(): Promise<void> {
    const state = await this.state();
    if (state === undefined || !state.indexable || isComplete(state)) return;
    await this.withLock((client) => this.makeIndex(client));
  }

  /** Makes the index and the trigger if they are missing. False, and nothing done, while another process does the same. */
  attach(): Promise<boolean> {
    return this.withLock(async (client) => {
      await this.makeIndex(client);
      if (!this.table.layout.hasTrigger || (await this.state())?.hasTrigger !== false) return;
      await client.query(SHORT_LOCK_TIMEOUT);
      await client.query(
        `CREATE TRIGGER ${TRIGGER} AFTER DELETE ON ${this.table.qualifiedName} FOR EACH ROW EXECUTE FUNCTION ${TRIGGER}()`,
      );
    });
  }

  /** Drops all triggers and indexes from tables of others. False, and nothing done, while another process makes the index. */
  detach(): Promise<boolean> {
    return this.withLock(async (client) => {
      const { rows } = await client.query<Removal>(REMOVALS, [this.table.qualifiedName]);
      for (const { statement, concurrent } of rows) {
        await client.query(concurrent ? NO_LOCK_TIMEOUT : SHORT_LOCK_TIMEOUT);
        await client.query(statement);
      }
    });
  }

  /** Cancels an index that is being made. */
  async stop(): Promise<void> {
    await this.client?.end();
  }

  private async makeIndex(client: ClientBase): Promise<void> {
    const state = await this.state();
    for (const reference of state?.useless ?? [])
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${reference}`);
    if (state === undefined || state.hasIndex || !state.indexable) return;
    await client.query(
      `CREATE INDEX CONCURRENTLY ${this.index} ON ${this.table.qualifiedName} ((${this.expression}))`,
    );
  }

  /** Returns whether this process got the lock. */
  private async withLock(work: (client: ClientBase) => Promise<void>): Promise<boolean> {
    const client = (this.client = this.database.ownClient({
      statement_timeout: BUILD_TIMEOUT_MS,
      keepAlive: true,
    }));
    await client.connect();
    try {
      const { rows } = await client.query<{ acquired: boolean }>(LOCK);
      if (rows[0]?.acquired !== true) return false;
      await work(client);
      return true;
    } finally {
      await client.end();
    }
  }
}

function isComplete({ hasIndex, useless }: AttachmentState): boolean {
  return hasIndex && useless.length === 0;
}
