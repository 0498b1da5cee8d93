import { Injectable } from '@nestjs/common';
import type { Sql } from '../../database/database.js';
import type { Ended, LoginEnding } from '../../tokens/login-ending.js';
import { SessionFateStore } from './session-fate.store.js';

/** Sessions share the fate of the logins that they were exchanged for, and end with everything else of their user. */
@Injectable()
export class SessionEnding implements LoginEnding {
  constructor(private readonly fates: SessionFateStore) {}

  async onEnded(sql: Sql, ended: Ended): Promise<number> {
    if ('userIds' in ended) return this.fates.endOfUsers(sql, ended.userIds, ended.except ?? {});
    await this.fates.endOfFamilies(sql, ended.sids);
    return 0;
  }

  loginOf(sql: Sql, session: string): Promise<string | undefined> {
    return this.fates.loginOf(sql, session);
  }
}
