import { hash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { tryLockForSession } from '../../database/advisory-locks.js';
import { Database } from '../../database/database.js';
import type { ProvenClient } from '../../database/trust/proven-client.js';
import { userAt } from './session-user.sql.js';

const LOCK = tryLockForSession('sessionUserIndex');

const STATE = `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass($1)`;

/** What a large table may take, in milliseconds. */
const PATIENCE = 3_600_000;

/** The index on what SESSION_USER_KEY names in sessions: one for each value of that, so that a change of it makes another. */
@Injectable()
export class SessionIndexStore {
  private readonly name: string;
  private readonly expression: string;
  private client: ProvenClient | undefined;

  constructor(
    private readonly database: Database,
    @Inject(CONFIG) config: Config,
  ) {
    this.expression = userAt(config.sessionUserKey);
    this.name = `tandem_session_user_${hash('sha256', this.expression, 'hex').slice(0, 12)}`;
  }

  /** Makes it if it is not there, on a connection of its own. What was left of an attempt that failed is made anew. */
  async ensure(): Promise<void> {
    if (await this.isThere()) return;
    const client = (this.client = this.database.ownClient({
      statement_timeout: PATIENCE,
      keepAlive: true,
    }));
    await client.connect();
    try {
      const { rows } = await client.query<{ mine: boolean }>(LOCK);
      if (rows[0]?.mine !== true || (await this.isThere())) return;
      await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${this.name}`);
      await client.query(`CREATE INDEX CONCURRENTLY ${this.name} ON session ((${this.expression}))`);
    } finally {
      await client.end();
    }
  }

  /** An index that is being made is given up. */
  async stop(): Promise<void> {
    await this.client?.end();
  }

  private async isThere(): Promise<boolean> {
    const [row] = await this.database.query<{ valid: boolean }>(STATE, [this.name]);
    return row?.valid === true;
  }
}
