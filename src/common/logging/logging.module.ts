import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { DestinationStream, LoggerOptions } from 'pino';
import { PinoPretty } from 'pino-pretty';
import type { Config } from '../../config/config.js';
import { redact } from './log-redaction.js';

/**
 * Logs JSON in production and readable lines elsewhere, without secrets at any level. Mounts no middleware, which every request would
 * have to pass: a hook of the RequestObserver logs the requests.
 */
@Module({})
export class LoggingModule {
  /** Writes to standard output by default. The first logger of a process serves the whole process. */
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

/** Redacts before pino does anything: pino copies the message of an error that is logged without a message. */
const logMethod: NonNullable<LoggerOptions['hooks']>['logMethod'] = function (args, method) {
  const [entry, ...rest] = args as [unknown, ...never[]];
  method.apply(this, [redact(entry), ...rest] as never);
};

/** Writes in this thread, so that the last lines before an exit are not lost. */
export function logOutput(config: Config): DestinationStream {
  if (config.production) return process.stdout;
  return PinoPretty({ singleLine: true, ignore: 'pid,hostname', sync: true });
}
