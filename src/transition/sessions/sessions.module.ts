import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { DEVICE_SESSIONS } from '../../auth/known-devices.service.js';
import { extendOpenApi } from '../../common/openapi-extension.js';
import { LimitsModule } from '../../limits/limits.module.js';
import { LOGIN_ENDING } from '../../tokens/login-ending.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { Conversions } from './conversions.service.js';
import { Downgrade } from './downgrade.service.js';
import { ExchangeController } from './exchange.controller.js';
import { Exchange } from './exchange.service.js';
import { SessionCaller } from './session-caller.service.js';
import { SessionCookie } from './session-cookie.service.js';
import { SessionDevices } from './session-devices.js';
import { SessionEnding } from './session-ending.js';
import { SessionFate } from './session-fate.entity.js';
import { SessionFateStore } from './session-fate.store.js';
import { SessionIndexStore } from './session-index.store.js';
import { SessionKeeper } from './session-keeper.js';
import { SessionLinkStore } from './session-link.store.js';
import { SessionRowStore } from './session-row.store.js';
import { SessionLogin } from './session-login.service.js';
import { SessionUserIndex } from './session-user-index.js';
import { Session } from './session.entity.js';
import { SessionGuard } from './session.guard.js';
import { SessionStore } from './session.store.js';
import { SessionSampleStore } from './session-sample.store.js';
import { SessionTableCheck } from './session-table.check.js';
import { SessionTableStore } from './session-table.store.js';
import { SessionUsersCheck } from './session-users.check.js';
import { SessionsController } from './sessions.controller.js';
import { describeSessions } from './sessions.openapi.js';
import { Sessions } from './sessions.service.js';

extendOpenApi(describeSessions);

/** Global, so that `tokens` and `auth` find what they ask of sessions without knowing of them. */
@Global()
@Module({
  imports: [TypeOrmModule.forFeature([Session, SessionFate])],
  providers: [
    SessionCookie,
    SessionFateStore,
    SessionLinkStore,
    SessionRowStore,
    SessionStore,
    { provide: DEVICE_SESSIONS, useClass: SessionDevices },
    { provide: LOGIN_ENDING, useClass: SessionEnding },
  ],
  exports: [
    SessionCookie,
    SessionFateStore,
    SessionLinkStore,
    SessionRowStore,
    SessionStore,
    DEVICE_SESSIONS,
    LOGIN_ENDING,
  ],
})
export class SessionFatesModule {}

/** Sessions as ways in, beside tokens. */
@Module({
  imports: [AuditModule, AuthModule, LimitsModule, SessionFatesModule, TokensModule, UsersModule],
  controllers: [SessionsController, ExchangeController],
  providers: [
    Downgrade,
    Exchange,
    SessionKeeper,
    SessionIndexStore,
    SessionUserIndex,
    Conversions,
    SessionCaller,
    SessionGuard,
    SessionLogin,
    SessionSampleStore,
    SessionTableCheck,
    SessionTableStore,
    SessionUsersCheck,
    Sessions,
  ],
  exports: [SessionCaller, SessionGuard, Sessions],
})
export class SessionsModule {}
