import { Injectable } from '@nestjs/common';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { refuse } from '../common/common.errors.js';
import { countLive } from '../tokens/families/refresh-token.store.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { AccountStore } from '../users/account.store.js';
import { AdminRole } from '../users/admin-role.js';
import { refuseUser } from '../users/users.errors.js';
import { WebhookOutbox } from '../webhooks/webhook-outbox.service.js';

/** Deletes users. */
@Injectable()
export class UserDeletionService {
  constructor(
    private readonly accounts: AccountStore,
    private readonly adminRole: AdminRole,
    private readonly revocations: RevocationService,
    private readonly audit: AuditStore,
    private readonly outbox: WebhookOutbox,
  ) {}

  /**
   * Revokes all families and sessions of the user and deletes the user, in one transaction. The revocations outlive the user: every node
   * refuses the access tokens until they expire, even one that was down, and a session that the product writes back stays revoked. The audit
   * trail keeps the id. Throws 404 `not_found`, or 409 `last_admin` if no active administrator would be left.
   */
  async delete(id: string, origin: Origin, actorId?: string): Promise<void> {
    await this.revocations.transaction(async (revocation) => {
      const { sql } = revocation;
      await this.accounts.lockAdmins(sql);
      const user = await this.accounts.hold(sql, id);
      if (user === undefined) throw refuse('not_found');
      const isActiveAdmin = this.adminRole.isHeldBy(user) && user.disabledAt === null;
      if (isActiveAdmin && !(await this.accounts.anotherAdmin(sql, user.id))) throw refuseUser('last_admin');
      const families = await revocation.revokeUser(user.id, 'delete');
      await this.accounts.remove(sql, user.id);
      const detail = {
        ended: countLive(families) + revocation.revokedSessions,
        external_id: user.externalId,
      };
      await this.audit.add(
        { event: 'user', cause: 'deleted', userId: user.id, actorId, detail },
        origin,
        sql,
      );
      const { id: userId, externalId } = user;
      await this.outbox.add(sql, { type: 'user.deleted', userId, externalId, state: 'deleted' });
    });
  }
}
