import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { refuse } from '../common/common.errors.js';
import { FamilyListStore } from '../tokens/families/family-list.store.js';
import type { Revoker } from '../tokens/families/refresh-token.store.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { SessionDirectoryService } from '../tokens/families/session-directory.service.js';

/** Revokes one login by the id that lists contain: a token family or a session. */
@Injectable()
export class LoginRevocationService {
  constructor(
    private readonly families: FamilyListStore,
    private readonly revocations: RevocationService,
    private readonly directory: SessionDirectoryService,
  ) {}

  /** Idempotent. Throws 404 if there was no such family, and no list has shown such a session. */
  async revoke(id: string, origin: Origin, by: Revoker): Promise<void> {
    if (await this.families.exists(id)) {
      await this.revocations.revokeFamilies([id], 'revoke', 'revoke', origin, by);
    } else if (!(await this.directory.sessions.revoke(id, origin, by))) {
      throw refuse('not_found');
    }
  }
}
