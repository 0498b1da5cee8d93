import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { globalGuards } from '../auth/credentials.module.js';
import { AutopilotModule } from './autopilot/autopilot.module.js';
import { NoticesModule } from './notices/notices.module.js';
import { ReportModule } from './report/report.module.js';
import { CredentialGuard } from './rollout/credential.guard.js';
import { RolloutModule } from './rollout/rollout.module.js';
import { SessionsModule } from './sessions/sessions.module.js';

/**
 * What opens closed routes until v3.0: the root of the transition. To remove sessions delete this folder and import the module
 * of the same name from `auth` in `app.module.ts`.
 */
@Module({
  imports: [AuthModule, AutopilotModule, NoticesModule, ReportModule, RolloutModule, SessionsModule],
  providers: [CredentialGuard, ...globalGuards(CredentialGuard)],
})
export class CredentialsModule {}
