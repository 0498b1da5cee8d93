import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { DestinationStream } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../config/config.js';
import { REDACTED, loggedError } from './log-redaction.js';

/**
 * Logs as JSON in production and as readable lines elsewhere, without secrets at any level. Mounts no middleware, which
 * every request would have to walk through: request lines come from a hook of the RequestObserver.
 */
@Module({})
export class LoggingModule {
  /** Writes to standard output unless a destination is given. The first logger made in a process serves all of it. */
  static forRoot(config: Config, destination: DestinationStream = logOutput(config)): DynamicModule {
    return {
      module: LoggingModule,
      imports: [
        LoggerModule.forRoot({
          forRoutes: [],
          pinoHttp: [
            {
              level: config.logLevel,
              redact: { paths: REDACTED, censor: '[gone]' },
              serializers: { err: (error: unknown) => loggedError(error) },
              wrapSerializers: false,
            },
            destination,
          ],
        }),
      ],
    };
  }
}

/** In this thread: what is logged last, before an exit, is logged too. */
export function logOutput(config: Config): DestinationStream {
  if (config.production) return process.stdout;
  return PinoPretty({ singleLine: true, ignore: 'pid,hostname', sync: true });
}
