import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { refuse } from '../../../common/common.errors.js';
import { SessionListStore } from '../listing/session-list.store.js';
import { SessionService } from '../session.service.js';
import { RemoteSessions } from '../stores/remote/remote-sessions.js';
import { sidOf } from './callback-cookies.js';
import { CallbackSessions } from './callback-sessions.js';
import { SessionCredentialStore } from './session-credential.store.js';

/** Ends what belongs to a session that the product has ended. */
@Injectable()
export class SessionEndsService {
  constructor(
    @Optional() @Inject(RemoteSessions) private readonly remote: RemoteSessions | undefined,
    private readonly list: SessionListStore,
    private readonly credentials: SessionCredentialStore,
    private readonly sessions: SessionService,
  ) {}

  /**
   * After it returns, the session and its linked family are refused: here at once, on other nodes within a second. Does nothing for a
   * session that is not known or has ended. `session`: the product's own id. Throws 404 unless SESSION_STORE is `callback`.
   */
  async end(session: string, origin: Origin): Promise<void> {
    if (!(this.remote instanceof CallbackSessions)) throw refuse('not_found');
    const sid = sidOf(session);
    const userId = (await this.list.ownerOf(sid)) ?? (await this.credentials.linkedUserOf(sid));
    // The product needs not hear of it again. A report about each such call would never end.
    await this.remote.forget([sid]);
    if (userId !== undefined) await this.sessions.revoke({ sid, userId }, 'logout', origin);
  }
}
