import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { unavailable } from '../../common/common.errors.js';
import type { TokenDelivery } from '../../tokens/families/refresh-token.entity.js';
import { RefreshTokenService } from '../../tokens/families/refresh-token.service.js';
import type { OpenedFamily } from '../../tokens/families/refresh-token.service.js';
import type { User } from '../../users/user.entity.js';
import { refuseAuth } from '../auth.errors.js';
import { CredentialCheckService } from './credential-check.service.js';
import type { Credentials } from './credential-check.service.js';
import { TokenEligibilityService } from '../refresh/token-eligibility.service.js';

/** Logs users in: opens a token family for each login. */
@Injectable()
export class LoginService {
  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly credentials: CredentialCheckService,
    private readonly eligibility: TokenEligibilityService,
  ) {}

  /**
   * Opens a token family for a user whose credentials the local guard has verified. If the account has changed since then (revoked,
   * disabled, another password), checks them again: a login that started before a revocation must not survive it.
   *
   * Throws 403 `jwt_not_enabled` if the user is not eligible for tokens, 401 `invalid_credentials` if the second check fails, and 503 if
   * the account changes again or the database is unavailable.
   */
  async open(user: User, given: Credentials, delivery: TokenDelivery, origin: Origin): Promise<OpenedFamily> {
    if (!(await this.eligibility.isEligible(user))) throw refuseAuth('jwt_not_enabled');
    const opened = await this.tokens.open(user, delivery, origin);
    if (opened !== undefined) return opened;
    const reopened = await this.tokens.open(await this.credentials.recheck(given, origin), delivery, origin);
    if (reopened === undefined) throw unavailable(new Error('the account keeps changing'));
    return reopened;
  }
}
