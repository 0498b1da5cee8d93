import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { tryLockForSession } from '../../../database/advisory-locks.js';
import { Database } from '../../../database/database.js';
import type { VerifiedClient } from '../../../database/trust/verified-client.js';
import { userKeyAt } from './session-table.sql.js';

const LOCK = tryLockForSession('sessionUserIndex');

/** Only on an ordinary table can an index be made without blocking writers. */
const IS_TABLE = `SELECT 1 FROM pg_class WHERE oid = to_regclass('session') AND relkind = 'r'`;

/** The indexes that nodes have made. Those of earlier versions are outdated: their expression fails for some rows, even on a write. */
const MADE = `
  SELECT c.relname AS name, i.indisvalid AS valid, c.oid::regclass::text AS reference,
    strpos(pg_get_indexdef(c.oid), 'tandem_session_user(') = 0 AS outdated
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = to_regclass('session') AND starts_with(c.relname, 'tandem_session_user_')`;

interface SessionIndex {
  readonly name: string;
  readonly valid: boolean;
  /** As SQL names it. */
  readonly reference: string;
  readonly outdated: boolean;
}

/** Milliseconds. A large table takes long. */
const BUILD_TIMEOUT_MS = 3_600_000;

/** The index on the users of sessions. Its name depends on SESSION_USER_KEY, so that a change of the key makes another index. */
@Injectable()
export class SessionIndexStore {
  private readonly name: string;
  private readonly expression: string;
  private client: VerifiedClient | undefined;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    this.expression = userKeyAt(config.sessionUserKey);
    this.name = `tandem_session_user_${hash('sha256', this.expression, 'hex').slice(0, 12)}`;
  }

  /**
   * Makes the index if it is missing, on a connection of its own. Drops what a failed attempt left, and indexes of earlier versions. Does
   * nothing if `session` is a view or partitioned.
   */
  async ensure(): Promise<void> {
    const made = await this.made();
    if (
      made.some(({ name, valid }) => name === this.name && valid) &&
      made.every(({ outdated }) => !outdated)
    )
      return;
    if ((await this.database.query(IS_TABLE)).length === 0) return;
    const client = (this.client = this.database.ownClient({
      statement_timeout: BUILD_TIMEOUT_MS,
      keepAlive: true,
    }));
    await client.connect();
    try {
      const { rows } = await client.query<{ mine: boolean }>(LOCK);
      if (rows[0]?.mine !== true) return;
      const there = await this.made();
      const kept = there.some(({ name, valid }) => name === this.name && valid);
      for (const { name, reference, outdated } of there)
        if (outdated || (name === this.name && !kept))
          await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${reference}`);
      if (!kept)
        await client.query(`CREATE INDEX CONCURRENTLY ${this.name} ON session ((${this.expression}))`);
    } finally {
      await client.end();
    }
  }

  /** Cancels an index that is being made. */
  async stop(): Promise<void> {
    await this.client?.end();
  }

  private made(): Promise<SessionIndex[]> {
    return this.database.query<SessionIndex & Record<string, unknown>>(MADE);
  }
}
