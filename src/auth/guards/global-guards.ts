import type { CanActivate, Provider, Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RolesGuard } from './roles.guard.js';

/** What every route is behind: first the guard that says who is calling, then the one that asks for their role. */
export function globalGuards(authentication: Type<CanActivate>): Provider[] {
  return [
    { provide: APP_GUARD, useExisting: authentication },
    { provide: APP_GUARD, useClass: RolesGuard },
  ];
}
