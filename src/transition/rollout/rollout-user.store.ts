import { Injectable } from '@nestjs/common';
import type { Role } from '../../common/role.js';
import { Database } from '../../database/database.js';

/** A user who is not disabled, as the rollout sees them. */
export interface RolloutUser {
  readonly id: string;
  readonly role: Role;
  /** Whether the user has a live token family. */
  readonly onTokens: boolean;
}

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

const AFTER = `
  SELECT u.id, u.role, EXISTS (
    SELECT 1 FROM refresh_tokens t WHERE t.user_id = u.id AND t.revoked_at IS NULL AND t.expires_at > now()
  ) AS "onTokens"
  FROM users u WHERE u.id > $1 AND u.disabled_at IS NULL ORDER BY u.id LIMIT $2`;

const COUNT = `SELECT count(*)::float8 AS count FROM users WHERE disabled_at IS NULL`;

/** Reads all users, page by page, with what the rollout needs to know. */
@Injectable()
export class RolloutUserStore {
  constructor(private readonly database: Database) {}

  /** The next users in the order of ids, at most `limit`. */
  async after(id: string | undefined, limit: number): Promise<RolloutUser[]> {
    return this.database.query<RolloutUser & Record<string, unknown>>(AFTER, [id ?? FIRST_ID, limit]);
  }

  async count(): Promise<number> {
    return (await this.database.query<{ count: number }>(COUNT))[0]!.count;
  }
}
