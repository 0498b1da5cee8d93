import { Inject, Injectable } from '@nestjs/common';
import { makeJti } from '@tandem-auth/verifier/token';
import type { AccessClaims } from '@tandem-auth/verifier/token';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ISSUER } from './issuer.js';
import { KeyRingService } from '../keys/key-ring.service.js';
import { DatabaseClock } from '../feed/database-clock.js';
import type { LiveFamily } from '../families/token-family.js';

/**
 * Mints access tokens (RFC 9068). `iat` is the database's time when the family was read. A node that is suspended between reading and
 * signing therefore mints a token that is as old as its knowledge.
 */
@Injectable()
export class AccessTokenService {
  constructor(
    private readonly keys: KeyRingService,
    private readonly clock: DatabaseClock,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Signed off the event loop with the current key. Never with a key that was distrusted before the family was read: another node would
   * refuse the new token.
   */
  async mint(family: LiveFamily): Promise<string> {
    await this.keys.catchUp(family.keysVersion);
    const iat = Math.floor(family.now / 1000);
    const claims: AccessClaims = {
      iss: this.issuer,
      aud: this.config.jwtAudience,
      sub: family.userId,
      role: family.role,
      sid: family.sid,
      jti: makeJti(family),
      iat,
      exp: iat + this.config.tokenExpiry,
      ...(family.externalId !== null && { external_id: family.externalId }),
    };
    return this.keys.sign(claims, this.clock.now());
  }
}
