import { Injectable } from '@nestjs/common';
import { UserService } from '../../users/user.service.js';
import type { Principal } from '../principal.js';

/** Stands for the external id of a user who has none. */
const NONE = '-';

/** Characters that no proxy and no parser of headers changes. */
const PLAIN = /^[A-Za-z0-9._~@:|+=-]+$/;

/** The ids by which the product knows its users, as response headers carry them. */
@Injectable()
export class ExternalIds {
  /** By principal: an access token has one as long as this node remembers the token. */
  private readonly found = new WeakMap<Principal, string>();

  constructor(private readonly users: UserService) {}

  /** The value of the header if no I/O is needed to know it. */
  known(principal: Principal): string | undefined {
    return principal.externalId === undefined ? this.found.get(principal) : encoded(principal.externalId);
  }

  /** The same, after asking the database. Throws 503 if that is impossible. */
  async find(principal: Principal): Promise<string> {
    const user = await this.users.find(principal.userId);
    const value = encoded(user?.externalId ?? null);
    this.found.set(principal, value);
    return value;
  }
}

/** Percent-encodes what is not safe in a header, and the one id that stands for none. */
function encoded(externalId: string | null): string {
  if (externalId === null) return NONE;
  if (PLAIN.test(externalId) && externalId !== NONE) return externalId;
  return [...Buffer.from(externalId)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return PLAIN.test(character) && externalId !== NONE
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}
