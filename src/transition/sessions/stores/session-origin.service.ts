import { Inject, Injectable } from '@nestjs/common';
import { RowMacs } from '../../../common/crypto/row-macs.js';
import type { Macs } from '../../../common/crypto/row-macs.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { ProductAuthorityService } from '../../../users/product-authority.service.js';

/** A session and its user, with the MACs that prove that this service began it for this user; null if nothing proves it. */
export interface ProvableSession {
  readonly sid: string;
  readonly userId: string;
  readonly role: string;
  readonly begunMacs: unknown;
}

/**
 * Proves which sessions this service began. The product can write any row into its session table, and so can an SQL injection in the
 * product, so a row there proves nothing. The MACs are in Tandem's own table, over the session and its user.
 */
@Injectable()
export class SessionOriginService {
  private readonly macs: RowMacs;

  constructor(
    private readonly authority: ProductAuthorityService,
    @Inject(CONFIG) config: Config,
  ) {
    this.macs = new RowMacs('session_fates', config);
  }

  /** The proof that this service begins the session for the user. */
  prove(sid: string, userId: string): Macs {
    return this.macs.make([sid, userId]);
  }

  /** Whether the session may sign in its user: an administrator needs a session that this service began, unless the product may make one. */
  signsIn({ sid, userId, role, begunMacs }: ProvableSession): boolean {
    if (this.authority.acceptsSession({ role }, false)) return true;
    return this.macs.verify([sid, userId], begunMacs) === 'right';
  }
}
