import { Module } from '@nestjs/common';
import { ThrottlerStorage, getOptionsToken } from '@nestjs/throttler';
import type { ThrottlerModuleOptions } from '@nestjs/throttler';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { BlockedSubjectStore } from './blocked/blocked-subject.store.js';
import { BlockedSubjectWriter } from './blocked/blocked-subject.writer.js';
import { BlockedSubjects } from './blocked/blocked-subjects.js';
import { ClientRateLimitService } from './client-rate-limit.service.js';
import { RateLimitService } from './limits.service.js';
import { RateLimitStore } from './limits.store.js';
import { LoginFailureStore } from './login-failure.store.js';
import { LoginFailureService } from './login-failure.service.js';
import { SharedThrottlerStorage } from './rate-limit.guard.js';
import { UntrustedProxyService } from './untrusted-proxy.service.js';

/**
 * Provides the rate limits to modules with `@RateLimited()` routes or limits of their own. Config, Clock and the database's stores come
 * from global modules.
 */
@Module({
  providers: [
    BlockedSubjects,
    BlockedSubjectStore,
    BlockedSubjectWriter,
    RateLimitStore,
    RateLimitService,
    ClientRateLimitService,
    LoginFailureStore,
    LoginFailureService,
    UntrustedProxyService,
    {
      provide: getOptionsToken(),
      useFactory: (config: Config): ThrottlerModuleOptions => [
        { limit: config.authRateLimit, ttl: config.authRateWindow * 1000 },
      ],
      inject: [CONFIG],
    },
    { provide: ThrottlerStorage, useClass: SharedThrottlerStorage },
  ],
  exports: [
    BlockedSubjectStore,
    BlockedSubjectWriter,
    RateLimitStore,
    RateLimitService,
    ClientRateLimitService,
    LoginFailureStore,
    LoginFailureService,
    UntrustedProxyService,
    getOptionsToken(),
    ThrottlerStorage,
  ],
})
export class LimitsModule {}
