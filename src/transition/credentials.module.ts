import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { globalGuards } from '../auth/credentials.module.js';
import { AutopilotModule } from './autopilot/autopilot.module.js';
import { NoticesModule } from './notices/notices.module.js';
import { ReportModule } from './report/report.module.js';
import { CredentialGuard } from './rollout/credential.guard.js';
import { RolloutModule } from './rollout/rollout.module.js';
import { SessionsModule } from './sessions/sessions.module.js';
import { TransitionEnvironment } from './transition.settings.js';
import { TransitionSettingsCheck } from './transition-settings.check.js';

/**
 * Opens closed routes to access tokens and to sessions, until v3.0: the root of the transition. To remove sessions, delete this folder
 * and import the module of the same name from `auth` in `app.module.ts`.
 */
@Module({
  imports: [AuthModule, AutopilotModule, NoticesModule, ReportModule, RolloutModule, SessionsModule],
  providers: [CredentialGuard, TransitionSettingsCheck, ...globalGuards(CredentialGuard)],
})
export class CredentialsModule {
  /** The variables of the service with those that the transition adds. */
  static readonly variables = TransitionEnvironment;
}
