import { Module } from '@nestjs/common';
import type { CanActivate, Provider, Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { FeatureErrors } from '../common/http/problem.js';
import type { Config } from '../config/config.js';
import { Environment } from '../config/environment.js';
import type { ConflictCheck } from '../database/schema/conflicts.js';
import { AuthModule } from './auth.module.js';
import { JwtAuthGuard } from './guards/jwt-auth.guard.js';
import { RolesGuard } from './guards/roles.guard.js';
import { ServiceClientGuard } from './guards/service-client.guard.js';

/** The guards of every route: the first one authenticates service clients, the second one all other callers, the third one checks roles. */
export function globalGuards(authentication: Type<CanActivate>): Provider[] {
  return [
    { provide: APP_GUARD, useExisting: ServiceClientGuard },
    { provide: APP_GUARD, useExisting: authentication },
    { provide: APP_GUARD, useClass: RolesGuard },
  ];
}

/**
 * The guards of a service without sessions: every route that is not public needs an access token. The transition has a module with the
 * same name that also accepts sessions.
 */
@Module({ imports: [AuthModule], providers: globalGuards(JwtAuthGuard) })
export class CredentialsModule {
  /** The variables that the credentials need: none beyond those of the service. */
  static readonly variables = Environment;

  /** The error tables that the credentials add: none beyond those of `auth` and `tokens`. */
  static readonly errors: readonly FeatureErrors[] = [];

  /** Finds nothing: tokens need no table of a product. */
  static readonly conflicts: (config: Config) => ConflictCheck = () => async () => [];

  /** Adds nothing: the decorators of the routes state access tokens. */
  static readonly describe: (document: OpenAPIObject) => void = () => undefined;
}
