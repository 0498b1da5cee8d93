import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { globalGuards } from '../auth/global-guards.js';
import { JwtAuthGuard } from '../auth/jwt-auth.guard.js';
import { ReportModule } from './report/report.module.js';
import { RolloutModule } from './rollout/rollout.module.js';

/**
 * What opens closed routes until v3.0: the root of the transition. To remove sessions delete this folder and import the module
 * of the same name from `auth` in `app.module.ts`.
 */
@Module({ imports: [AuthModule, ReportModule, RolloutModule], providers: globalGuards(JwtAuthGuard) })
export class CredentialsModule {}
