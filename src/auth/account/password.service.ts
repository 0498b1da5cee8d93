import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { RevocationService } from '../../tokens/families/revocation.service.js';
import { refuseToken } from '../../tokens/tokens.errors.js';
import { UserService } from '../../users/user.service.js';
import { refuseUser } from '../../users/users.errors.js';
import { WebhookOutbox } from '../../webhooks/webhook-outbox.service.js';
import { CredentialCheckService } from '../login/credential-check.service.js';
import { deviceOf } from '../login/known-devices.service.js';
import type { Principal } from '../principal.js';
import { FreshPasswordService } from './fresh-password.service.js';

@Injectable()
export class PasswordService {
  constructor(
    private readonly users: UserService,
    private readonly credentials: CredentialCheckService,
    private readonly revocations: RevocationService,
    private readonly outbox: WebhookOutbox,
    private readonly passwords: FreshPasswordService,
  ) {}

  /**
   * Sets a new password and revokes the user's other families and sessions in one transaction. Throws 401 `invalid_credentials`, 400
   * `password_too_weak`, 409 `password_managed_elsewhere` if a product owns the password.
   */
  async change(principal: Principal, current: string, next: string, origin: Origin): Promise<void> {
    const user = await this.users.find(principal.userId);
    if (user === undefined) throw refuseToken('token_revoked');
    if (this.users.isPasswordManaged(user)) throw refuseUser('password_managed_elsewhere');
    await this.credentials.confirm(user, current, deviceOf(principal), origin);
    const hash = await this.users.hashNew(next, user.username);
    await this.revocations.revokeUser(
      user.id,
      {
        reason: 'password',
        event: 'user',
        exceptSid: principal.sid,
        exceptSession: principal.sessionId,
        // Fails, and rolls everything back, if the password has changed since it was confirmed.
        alongside: async (sql) => {
          await this.users.setHash(sql, user, hash);
          const { id: userId, externalId } = user;
          await this.outbox.add(sql, { type: 'user.password_changed', userId, externalId, state: 'active' });
        },
      },
      origin,
    );
    await this.passwords.record(principal);
  }
}
