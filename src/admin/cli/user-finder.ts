import { Injectable } from '@nestjs/common';
import type { User } from '../../users/user.entity.js';
import { UserStore } from '../../users/user.store.js';
import { normaliseUsername } from '../../users/username.js';
import { CommandError, isUuid } from './options.js';

/** Finds a user by the name, id or external id that an operator typed. */
@Injectable()
export class UserFinder {
  constructor(private readonly users: UserStore) {}

  /** Finds a user. Throws {@link CommandError} if there is none. `remedy`: a sentence for the message of that error. */
  async find(text: string, remedy?: string): Promise<User> {
    const byId = isUuid(text) ? await this.users.findById(text) : undefined;
    const key = normaliseUsername(text)?.key;
    const byName = byId ?? (key === undefined ? undefined : await this.users.findByKey(key));
    const user = byName ?? (await this.users.findByExternalId(text));
    if (user === undefined)
      throw new CommandError(`There is no user ${text}${remedy === undefined ? '' : `. ${remedy}`}`);
    return user;
  }
}
