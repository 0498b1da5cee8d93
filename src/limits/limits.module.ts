import { Module } from '@nestjs/common';
import { ThrottlerStorage, getOptionsToken } from '@nestjs/throttler';
import type { ThrottlerModuleOptions } from '@nestjs/throttler';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ClientRateLimiter } from './client-limits.service.js';
import { RateLimitService } from './limits.service.js';
import { RateLimitStore } from './limits.store.js';
import { LoginFailureStore } from './login-failure.store.js';
import { LoginFailures } from './login-failures.service.js';
import { SharedThrottlerStorage } from './throttler.storage.js';
import { UntrustedProxies } from './untrusted-proxies.js';

/** For modules with `@RateLimited()` routes or limits of their own. Takes Config, Clock and the database's stores from global modules. */
@Module({
  providers: [
    RateLimitStore,
    RateLimitService,
    ClientRateLimiter,
    LoginFailureStore,
    LoginFailures,
    UntrustedProxies,
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
    RateLimitStore,
    RateLimitService,
    ClientRateLimiter,
    LoginFailureStore,
    LoginFailures,
    UntrustedProxies,
    getOptionsToken(),
    ThrottlerStorage,
  ],
})
export class LimitsModule {}
