import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { DestinationStream, LoggerOptions } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../config/config.js';
import { redact } from './log-redaction.js';

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
              hooks: { logMethod },
              // Errors are redacted already: the usual serializer would look for its own fields.
              serializers: { err: (error: unknown) => error },
              wrapSerializers: false,
            },
            destination,
          ],
        }),
      ],
    };
  }
}

/** Before pino sees it: pino copies the message of an error that is logged without one. */
const logMethod: NonNullable<LoggerOptions['hooks']>['logMethod'] = function (args, method) {
  const [entry, ...rest] = args as [unknown, ...never[]];
  method.apply(this, [redact(entry), ...rest] as never);
};

/** In this thread: what is logged last, before an exit, is logged too. */
export function logOutput(config: Config): DestinationStream {
  if (config.production) return process.stdout;
  return PinoPretty({ singleLine: true, ignore: 'pid,hostname', sync: true });
}
