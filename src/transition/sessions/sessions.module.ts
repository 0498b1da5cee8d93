import { Inject, Module, Optional } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { LimitsModule } from '../../limits/limits.module.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { RolloutModule } from '../rollout/rollout.module.js';
import { CleanUpJob } from '../../operations/clean-up.job.js';
import { Metrics } from '../../operations/metrics.js';
import { OperationsModule } from '../../operations/operations.module.js';
import { UsersModule } from '../../users/users.module.js';
import { ExchangeLimitsService } from './link/exchange-limits.service.js';
import { DowngradeService } from './link/downgrade.service.js';
import { ExchangeController } from './http/exchange.controller.js';
import { ExchangeService } from './link/exchange.service.js';
import { ExchangeStore } from './link/exchange.store.js';
import { SessionAuthenticationService } from './http/session-authentication.service.js';
import { SessionCookieService } from './http/session-cookie.service.js';
import { DowngradeStore } from './link/downgrade.store.js';
import { SessionRevocationHook } from './link/session-revocation.hook.js';
import { PublicSessionDirectory } from './listing/session-directory.js';
import { SessionHandle } from './listing/session-handle.entity.js';
import { SessionIds } from './listing/session-ids.js';
import { SessionListStore } from './listing/session-list.store.js';
import { SessionLink } from './link/session-link.entity.js';
import { LinkedRevocationStore } from './link/linked-revocation.store.js';
import { SessionWatcherService } from './link/session-watcher.service.js';
import { SessionLinkStore } from './link/session-link.store.js';
import { SessionOriginService } from './stores/session-origin.service.js';
import { SessionRowStore } from './stores/session-row.store.js';
import { SessionLoginService } from './session-login.service.js';
import { SessionAttachmentStore } from './table/session-attachment.store.js';
import { SessionAttachmentsCheck } from './table/session-attachments.check.js';
import { SessionsCommand } from './table/sessions.command.js';
import { SessionTableChoice } from './table/session-table-choice.entity.js';
import { SessionTable } from './table/session-table.js';
import { SESSION_TABLE_PROVIDER } from './table/session-table.provider.js';
import { ForeignTablesStore } from './recognition/foreign-tables.store.js';
import { SessionStoreCheck } from './recognition/session-store.check.js';
import { SessionIndexService } from './stores/session-index.service.js';
import { Session } from './stores/session.entity.js';
import { SessionGuard } from './http/session.guard.js';
import { SessionPasswordProof } from './stores/session-password-proof.entity.js';
import { SessionPasswordProofStore } from './stores/session-password-proof.store.js';
import { PostgresSessionStore } from './stores/postgres-session.store.js';
import { RedisSessionsCheck } from './stores/redis/redis-sessions.check.js';
import { RemoteSessions } from './stores/remote/remote-sessions.js';
import { RemoteSessionsWatcher } from './stores/remote/remote-sessions.watcher.js';
import {
  REMOTE_SESSIONS_PROVIDER,
  SESSION_STORE_PROVIDER,
} from './stores/remote/remote-sessions.provider.js';
import { SessionRecord, SessionSearch } from './stores/remote/session-record.entity.js';
import { SessionRecordStore } from './stores/remote/session-record.store.js';
import { SessionSearchStore } from './stores/remote/session-search.store.js';
import { UnseenSessionsService } from './stores/remote/unseen-sessions.service.js';
import { SessionStore } from './stores/session.store.js';
import { CallbackCheck } from './callback/callback.check.js';
import { SessionCredential } from './callback/session-credential.entity.js';
import { SessionCredentialStore } from './callback/session-credential.store.js';
import { SessionEndsController } from './callback/session-ends.controller.js';
import { SessionEndsService } from './callback/session-ends.service.js';
import { PresentedSessionsService } from './http/presented-sessions.service.js';
import { SessionSampleStore } from './stores/session-sample.store.js';
import { SessionTableCheck } from './stores/session-table.check.js';
import { SessionTableStore } from './stores/session-table.store.js';
import { SessionUsersCheck } from './stores/session-users.check.js';
import { UnlinkedSessionsStore } from './stores/unlinked-sessions.store.js';
import { SessionsController } from './http/sessions.controller.js';
import { SessionService } from './session.service.js';

/** Sessions as credentials beside tokens, and the link between the two. */
@Module({
  imports: [
    AccountsModule,
    AuditModule,
    AuthModule,
    LimitsModule,
    OperationsModule,
    RolloutModule,
    TokensModule,
    TypeOrmModule.forFeature([
      Session,
      SessionCredential,
      SessionHandle,
      SessionLink,
      SessionPasswordProof,
      SessionRecord,
      SessionSearch,
      SessionTableChoice,
    ]),
    UsersModule,
  ],
  controllers: [SessionsController, ExchangeController, SessionEndsController],
  providers: [
    CallbackCheck,
    PresentedSessionsService,
    SessionCredentialStore,
    SessionEndsService,
    SESSION_TABLE_PROVIDER,
    DowngradeService,
    ExchangeService,
    ExchangeStore,
    LinkedRevocationStore,
    PublicSessionDirectory,
    SessionIds,
    SessionListStore,
    SessionCookieService,
    DowngradeStore,
    SessionLinkStore,
    SessionOriginService,
    SessionRevocationHook,
    SessionRowStore,
    PostgresSessionStore,
    REMOTE_SESSIONS_PROVIDER,
    RedisSessionsCheck,
    ForeignTablesStore,
    SessionStoreCheck,
    RemoteSessionsWatcher,
    SESSION_STORE_PROVIDER,
    SessionRecordStore,
    SessionSearchStore,
    UnseenSessionsService,
    SessionWatcherService,
    SessionAttachmentStore,
    SessionAttachmentsCheck,
    SessionsCommand,
    SessionIndexService,
    ExchangeLimitsService,
    SessionAuthenticationService,
    SessionGuard,
    SessionLoginService,
    SessionPasswordProofStore,
    SessionSampleStore,
    SessionTableCheck,
    SessionTableStore,
    SessionUsersCheck,
    SessionService,
    UnlinkedSessionsStore,
  ],
  exports: [
    PublicSessionDirectory,
    SessionAuthenticationService,
    SessionCookieService,
    SessionGuard,
    SessionOriginService,
    SessionPasswordProofStore,
    SessionRevocationHook,
    SessionService,
    SessionStore,
    SessionTable,
    UnlinkedSessionsStore,
  ],
})
export class SessionsModule {
  constructor(
    metrics: Metrics,
    @Optional() @Inject(RemoteSessions) remote: RemoteSessions | undefined,
    cleanUp: CleanUpJob,
    proofs: SessionPasswordProofStore,
    list: SessionListStore,
    credentials: SessionCredentialStore,
  ) {
    metrics.total(
      'tandem_session_store_failures_total',
      'Calls that the session store outside of the database did not answer as it has to',
      () => remote?.failures ?? 0,
    );
    cleanUp.add((batch) => proofs.removeOld(batch));
    cleanUp.add((batch) => list.removeOld(batch));
    cleanUp.add((batch) => credentials.removeOld(batch));
  }
}
