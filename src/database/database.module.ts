import { Global, Logger, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { faultOf } from '../common/logging/process-output.js';
import { ConfigurationError } from '../config/config.js';
import { dataSourceOptions } from './data-source-options.js';
import type { DatabaseSettings } from './data-source-options.js';
import { Database } from './database.js';
import { migrate } from './migrate.js';
import { requireNoConflicts } from './schema/conflicts.js';
import type { ConflictCheck } from './schema/conflicts.js';
import type { DatabaseEndpoint } from './trust/database-endpoint.js';
import { ServiceState } from './service-state.entity.js';
import { ServiceStateStore } from './service-state.store.js';

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/** How a node or a command uses the database. */
export interface DatabaseModuleSettings extends Omit<DatabaseSettings, 'onPoolError'> {
  /** The process may need its whole pool, so the start fails if a pooler allows fewer connections. */
  readonly fillsPool: boolean;
  /** Finds what the features would collide with in the database. */
  readonly conflicts: ConflictCheck;
}

/** Throws ConfigurationError if the database has a conflict with this service. */
async function open(
  options: PostgresOptions,
  { fillsPool, conflicts }: Pick<DatabaseModuleSettings, 'fillsPool' | 'conflicts'>,
): Promise<DataSource> {
  const { endpoint } = options.extra as { endpoint: DatabaseEndpoint };
  const wanted = fillsPool ? options.poolSize! : undefined;
  await requireNoConflicts(endpoint, wanted, conflicts);
  const poolSize = wanted === undefined ? options.poolSize! : await endpoint.allowedPoolSize(wanted);
  await migrate(new DataSource(options));
  // Without the migrations, TypeORM does not load their files again.
  return new DataSource({ ...options, poolSize, migrations: [] }).initialize();
}

/** Opens the database and migrates its schema before any other provider is created. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(url: string, { fillsPool, conflicts, ...settings }: DatabaseModuleSettings): DynamicModule {
    const logger = new Logger(DatabaseModule.name);
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => ({
            ...dataSourceOptions(url, {
              ...settings,
              onPoolError: (error) => logger.warn({ err: error }, 'a database connection was lost'),
            }),
            autoLoadEntities: true,
            retryAttempts: 0,
          }),
          dataSourceFactory: async (options) => {
            try {
              return await open(options as PostgresOptions, { fillsPool, conflicts });
            } catch (cause) {
              if (cause instanceof ConfigurationError) throw cause;
              throw new Error(`The database cannot be used: ${faultOf(cause)}`, { cause });
            }
          },
        }),
        TypeOrmModule.forFeature([ServiceState]),
      ],
      providers: [Database, ServiceStateStore],
      exports: [Database, ServiceStateStore],
    };
  }
}
