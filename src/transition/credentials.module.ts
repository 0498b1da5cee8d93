import { Inject, Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { globalGuards } from '../auth/credentials.module.js';
import { FreshPasswordService } from '../auth/account/fresh-password.service.js';
import { KnownDevicesService } from '../auth/login/known-devices.service.js';
import { CredentialCheckService } from '../auth/login/credential-check.service.js';
import { RefreshService } from '../auth/refresh/refresh.service.js';
import { TokenEligibilityService } from '../auth/refresh/token-eligibility.service.js';
import { SessionDirectoryService } from '../tokens/families/session-directory.service.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { ConflictCheck } from '../database/schema/conflicts.js';
import { AdminRole } from '../users/admin-role.js';
import { UserService } from '../users/user.service.js';
import { UsersModule } from '../users/users.module.js';
import type { FeatureErrors } from '../common/http/problem.js';
import { AccountsModule } from './accounts/accounts.module.js';
import { UsersSourceService } from './accounts/users-source.service.js';
import { AutopilotModule } from './autopilot/autopilot.module.js';
import { NoticesModule } from './notices/notices.module.js';
import { ReportModule } from './report/report.module.js';
import { ROLLOUT_ERRORS } from './rollout/rollout.errors.js';
import { RolloutModule } from './rollout/rollout.module.js';
import { RolloutService } from './rollout/rollout.service.js';
import { CredentialGuard } from './sessions/http/credential.guard.js';
import { SessionAuthenticationService } from './sessions/http/session-authentication.service.js';
import { describeSessions } from './sessions/http/sessions.openapi.js';
import { SESSION_ERRORS, SESSION_LOGIN_ERRORS } from './sessions/sessions.errors.js';
import { PublicSessionDirectory } from './sessions/listing/session-directory.js';
import { SessionRevocationHook } from './sessions/link/session-revocation.hook.js';
import { SessionPasswordProofStore } from './sessions/stores/session-password-proof.store.js';
import { sessionTableConflicts } from './sessions/table/session-table.provider.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { TransitionEnvironment } from './transition.settings.js';
import type { TransitionConfig } from './transition.settings.js';
import { TransitionSettingsCheck } from './transition-settings.check.js';

/**
 * The root module of the transition. Until v3.0 its guards accept access tokens and sessions on every route that is not public. To remove sessions, delete this folder
 * and import the module of the same name from `auth` in `app.module.ts`.
 */
@Module({
  imports: [
    AccountsModule,
    AuthModule,
    AutopilotModule,
    NoticesModule,
    ReportModule,
    RolloutModule,
    SessionsModule,
    TokensModule,
    UsersModule,
  ],
  providers: [CredentialGuard, TransitionSettingsCheck, ...globalGuards(CredentialGuard)],
})
export class CredentialsModule {
  /** The environment variables of the service and of the transition. */
  static readonly variables = TransitionEnvironment;

  /** The error tables that the transition adds. */
  static readonly errors: readonly FeatureErrors[] = [
    { feature: 'rollout', table: ROLLOUT_ERRORS },
    { feature: 'sessions', table: SESSION_ERRORS },
    { feature: 'sessions', table: SESSION_LOGIN_ERRORS },
  ];

  /** Reports conflicts between the session table and the configuration. */
  static readonly conflicts =
    (config: Config): ConflictCheck =>
    (client) =>
      sessionTableConflicts(client, config);

  /** Adds session cookies to the OpenAPI description. */
  static readonly describe = describeSessions;

  /** Plugs the transition into the services of `auth`, `tokens` and `users`. */
  constructor(
    eligibility: TokenEligibilityService,
    revocations: RevocationService,
    devices: KnownDevicesService,
    rollout: RolloutService,
    hook: SessionRevocationHook,
    sessions: SessionAuthenticationService,
    passwords: FreshPasswordService,
    proofs: SessionPasswordProofStore,
    lists: SessionDirectoryService,
    directory: PublicSessionDirectory,
    users: UserService,
    refreshes: RefreshService,
    credentials: CredentialCheckService,
    source: UsersSourceService,
    adminRole: AdminRole,
    @Inject(CONFIG) config: TransitionConfig,
  ) {
    // The rollout decides who is eligible for tokens.
    eligibility.use(rollout);
    // A linked session is revoked together with its family.
    revocations.use(hook);
    // A live session identifies a known device.
    devices.use(sessions);
    // A session, too, has a time at which its user last entered the password.
    passwords.use(proofs);
    // Lists of devices and logins contain sessions.
    lists.use(directory);
    // The product owns its users: logins, look-ups and refreshes ask its tables.
    if (source.isSet) {
      users.use(source);
      refreshes.use(source);
    }
    if (!config.passwordLogin) credentials.admitOnlyAdministrators(adminRole);
  }
}
