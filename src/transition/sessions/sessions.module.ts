import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../../audit/audit.module.js';
import { AuthModule } from '../../auth/auth.module.js';
import { DEVICE_SESSIONS } from '../../auth/login/known-devices.service.js';
import { extendOpenApi } from '../../common/openapi-extension.js';
import { LimitsModule } from '../../limits/limits.module.js';
import { LOGIN_ENDING } from '../../tokens/families/revocation-hook.js';
import { TokensModule } from '../../tokens/tokens.module.js';
import { UsersModule } from '../../users/users.module.js';
import { Conversions } from './link/conversions.service.js';
import { Downgrade } from './link/downgrade.service.js';
import { ExchangeController } from './http/exchange.controller.js';
import { Exchange } from './link/exchange.service.js';
import { SessionCaller } from './http/session-caller.service.js';
import { SessionCookie } from './http/session-cookie.service.js';
import { SessionDevices } from './link/session-devices.js';
import { SessionEnding } from './link/session-revocation.hook.js';
import { SessionFate } from './link/session-link.entity.js';
import { SessionFateStore } from './link/linked-revocation.store.js';
import { SessionIndexStore } from './stores/session-index.store.js';
import { SessionKeeper } from './link/session-watcher.service.js';
import { SessionLinkStore } from './link/session-link.store.js';
import { SessionRowStore } from './stores/session-row.store.js';
import { SessionLogin } from './session-login.service.js';
import { SessionUserIndex } from './stores/session-user-index.js';
import { Session } from './stores/session.entity.js';
import { SessionGuard } from './http/session.guard.js';
import { SessionStore } from './stores/session.store.js';
import { SessionSampleStore } from './stores/session-sample.store.js';
import { SessionTableCheck } from './stores/session-table.check.js';
import { SessionTableStore } from './stores/session-table.store.js';
import { SessionUsersCheck } from './stores/session-users.check.js';
import { SessionsController } from './http/sessions.controller.js';
import { describeSessions } from './http/sessions.openapi.js';
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
