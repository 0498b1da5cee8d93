import { Global, Logger, Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { DataSourceOptions } from 'typeorm';
import { faultOf } from '../common/process-output.js';
import { dataSourceOptions } from './data-source-options.js';
import { Database } from './database.js';
import { migrate } from './migrate.js';
import { ServiceState } from './service-state.entity.js';
import { ServiceStateStore } from './service-state.store.js';

/** Opens the database and migrates its schema before any other provider is created. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(url: string, poolSize?: number): DynamicModule {
    const logger = new Logger(DatabaseModule.name);
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => ({
            ...dataSourceOptions(
              url,
              (error) => logger.warn({ err: error }, 'a database connection was lost'),
              poolSize,
            ),
            autoLoadEntities: true,
            retryAttempts: 0,
          }),
          dataSourceFactory: async (options) => {
            const dataSource = new DataSource(options as DataSourceOptions);
            try {
              await migrate(dataSource);
              return await dataSource.initialize();
            } catch (cause) {
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
