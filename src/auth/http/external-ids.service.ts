import { Injectable } from '@nestjs/common';
import { UserService } from '../../users/user.service.js';
import { KnownTokensService } from '../guards/known-tokens.service.js';
import type { AuthenticatedRequest } from '../principal.js';
import { bearerIn } from './presented-credentials.js';

/** The header value for a user without an external id. */
const NONE = '-';

/** Characters that no proxy and no header parser changes. */
const PLAIN = /^[A-Za-z0-9._~@:|+=-]+$/;

/** The product's id of a user, as the header `X-Auth-External-Id` carries it. */
@Injectable()
export class ExternalIdsService {
  constructor(
    private readonly users: UserService,
    private readonly tokens: KnownTokensService,
  ) {}

  /**
   * The header value for the caller, from the access token or the session. Asks the database only for a token that an earlier release may
   * have minted, once for each; throws 503 if that fails.
   */
  async headerOf(request: AuthenticatedRequest): Promise<string> {
    const { userId, externalId } = request.user!;
    if (externalId !== undefined) return encoded(externalId);
    const user = await this.users.find(userId);
    const found = user?.externalId ?? null;
    this.tokens.rememberExternalId(bearerIn(request.headers.authorization) ?? '', found);
    return encoded(found);
  }
}

/** Percent-encodes characters that are not safe in a header, and an id that equals {@link NONE}. */
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
