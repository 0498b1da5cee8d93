import { Injectable } from '@nestjs/common';
import type { User } from '../../users/user.entity.js';
import { UserStore } from '../../users/user.store.js';
import { normaliseUsername } from '../../users/username.js';
import { CommandFailed, isUuid } from './options.js';

/** Finds the user that an operator named. */
@Injectable()
export class FindUser {
  constructor(private readonly users: UserStore) {}

  /** By id or name. Throws {@link CommandFailed} if there is no such user. */
  async named(text: string): Promise<User> {
    const byId = isUuid(text) ? await this.users.findById(text) : undefined;
    const key = normaliseUsername(text)?.key;
    const user = byId ?? (key === undefined ? undefined : await this.users.findByKey(key));
    if (user === undefined) throw new CommandFailed(`There is no user ${text}`);
    return user;
  }
}
