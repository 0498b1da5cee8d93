import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ADMIN_ERRORS } from './admin/admin.errors.js';
import { AdminModule } from './admin/admin.module.js';
import { CommandLineModule } from './admin/cli/command-line.module.js';
import { ApiModule } from './api/api.module.js';
import { AUTH_ERRORS } from './auth/auth.errors.js';
import { AuthModule } from './auth/auth.module.js';
import { COMMON_ERRORS } from './common/common.errors.js';
import { CommonModule } from './common/common.module.js';
import { LoggingModule } from './common/logging/logging.module.js';
import type { FeatureErrors } from './common/http/problem.js';
import type { Config } from './config/config.js';
import { ConfigModule } from './config/config.module.js';
import { poolSizeOf } from './database/data-source-options.js';
import { DatabaseModule } from './database/database.module.js';
import { CLIENT_ERRORS, OAUTH_ERRORS } from './oauth/oauth.errors.js';
import { OAuthModule } from './oauth/oauth.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { TOKEN_ERRORS } from './tokens/tokens.errors.js';
import { USER_ERRORS } from './users/users.errors.js';
import { CredentialsModule } from './transition/credentials.module.js';

/** The features of the service; the other modules are infrastructure. */
export const FEATURES = [
  AuthModule,
  CredentialsModule,
  ApiModule,
  AdminModule,
  CommandLineModule,
  OAuthModule,
  OperationsModule,
];

/** The class of the variables that the features read. */
export const VARIABLES = CredentialsModule.variables;

/** The error tables of all features, for the generated documents. */
export const ERRORS: readonly FeatureErrors[] = [
  { feature: 'common', table: COMMON_ERRORS },
  { feature: 'users', table: USER_ERRORS },
  { feature: 'tokens', table: TOKEN_ERRORS },
  { feature: 'auth', table: AUTH_ERRORS },
  { feature: 'admin', table: ADMIN_ERRORS },
  { feature: 'oauth', table: OAUTH_ERRORS },
  { feature: 'oauth', table: CLIENT_ERRORS },
  ...CredentialsModule.errors,
];

/** The check for what the features would collide with in the database. */
export const conflictsOf = CredentialsModule.conflicts;

/** Adds the credentials to the OpenAPI description that no decorator of a route can state. */
export const describeCredentials = CredentialsModule.describe;

/** The composition root. */
@Module({})
export class AppModule {
  /** A node. */
  static forRoot(config: Config, databaseUrl: string): DynamicModule {
    return compose(config, databaseUrl, CommonModule, true);
  }

  /** Builds the module for the command line, without the background work that nodes do. */
  static forCommands(config: Config, databaseUrl: string): DynamicModule {
    return compose(config, databaseUrl, CommonModule.withoutBackground(), false);
  }
}

function compose(
  config: Config,
  databaseUrl: string,
  common: typeof CommonModule | DynamicModule,
  fillsPool: boolean,
): DynamicModule {
  const { databaseSchema: schema, databasePoolSize, workers } = config;
  return {
    module: AppModule,
    imports: [
      ConfigModule.forRoot(config),
      common,
      LoggingModule.forRoot(config),
      DatabaseModule.forRoot(databaseUrl, {
        schema,
        poolSize: poolSizeOf(workers, databasePoolSize),
        fillsPool,
        conflicts: conflictsOf(config),
      }),
      ...FEATURES,
    ],
  };
}
