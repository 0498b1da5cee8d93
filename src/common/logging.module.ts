import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { Config } from '../config/config.js';

/** Wherever they stand in what is logged. */
const SECRETS = [
  'authorization',
  'cookie',
  'set-cookie',
  'password',
  'current_password',
  'new_password',
  'access_token',
  'refresh_token',
  'secret',
];

/** Logs as JSON in production and readable elsewhere. Mounts no middleware: request lines come from a hook. */
@Module({})
export class LoggingModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: LoggingModule,
      imports: [
        LoggerModule.forRoot({
          forRoutes: [],
          pinoHttp: {
            level: config.logLevel,
            redact: {
              paths: SECRETS.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`]),
              censor: '[gone]',
            },
            ...(config.production
              ? {}
              : {
                  transport: { target: 'pino-pretty', options: { singleLine: true, ignore: 'pid,hostname' } },
                }),
          },
        }),
      ],
    };
  }
}
