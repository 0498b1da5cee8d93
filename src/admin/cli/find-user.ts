import { Injectable } from '@nestjs/common';
import type { User } from '../../users/user.entity.js';
import { UserStore } from '../../users/user.store.js';
import { normaliseUsername } from '../../users/username.js';
import { CommandFailed } from './command-failed.js';
import { isUuid } from './options.js';

/** Finds the user that was meant. */
@Injectable()
export class FindUser {
  constructor(private readonly users: UserStore) {}

  /** By id or by name. Throws {@link CommandFailed} if there is none. */
  async named(text: string): Promise<User> {
    const byId = isUuid(text) ? await this.users.findById(text) : undefined;
    const key = normaliseUsername(text)?.key;
    const user = byId ?? (key === undefined ? undefined : await this.users.findByKey(key));
    if (user === undefined) throw new CommandFailed(`There is no user ${text}`);
    return user;
  }
}
