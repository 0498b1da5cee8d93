import { Module } from '@nestjs/common';
import { AuthModule } from './auth.module.js';
import { globalGuards } from './guards/global-guards.js';
import { JwtAuthGuard } from './guards/jwt-auth.guard.js';

/** What opens closed routes: access tokens alone. The transition has a module of the same name that takes sessions too. */
@Module({ imports: [AuthModule], providers: globalGuards(JwtAuthGuard) })
export class CredentialsModule {}
