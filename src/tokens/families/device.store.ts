import { Injectable } from '@nestjs/common';
import { Database } from '../../database/database.js';

/** A live token family as its owner sees it. */
export interface Device {
  readonly id: string;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly ip: string | null;
  readonly user_agent: string | null;
}

/** No one has more devices. */
const MAX_LISTED = 200;

const LIST = `
  SELECT id, created_at, last_used_at, expires_at, ip, user_agent
  FROM refresh_tokens
  WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
  ORDER BY last_used_at DESC, id LIMIT ${MAX_LISTED}`;

const OWNED = `SELECT id FROM refresh_tokens WHERE id = $1 AND user_id = $2`;

/** Reads the token families of one user. */
@Injectable()
export class DeviceStore {
  constructor(private readonly database: Database) {}

  /** The live families, the last used first, at most 200. */
  async list(userId: string): Promise<Device[]> {
    return this.database.query<Device & Record<string, unknown>>(LIST, [userId]);
  }

  /** Whether the family belongs to the user, even if it is revoked: revoking it again is not an error. */
  async isOwned(sid: string, userId: string): Promise<boolean> {
    return (await this.database.query(OWNED, [sid, userId])).length > 0;
  }
}
