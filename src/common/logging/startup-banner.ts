import type { LoggerService } from '@nestjs/common';

/** The lines to log when the service is ready. The addresses come last. `listening`: the URL as the server reports it. */
export function startupBanner(listening: string): string[] {
  const url = listening.replace(/127\.0\.0\.1|0\.0\.0\.0|\[::1?\]/, 'localhost');
  return [
    'Walk-through: README.md, "See it work"',
    'Create an administrator: npm run admin -- users create NAME --role admin',
    `Swagger UI: ${url}/docs`,
    `Tandem is ready at ${url}`,
  ];
}

/** Nest logs more than a hundred lines about modules and routes at each start, in these contexts. */
const FRAMEWORK = new Set<unknown>([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Nest logs a start error in one of these contexts and also throws it. The caller writes one line about what is thrown. */
const START_ERRORS = new Set<unknown>(['ExceptionHandler', 'NestApplication']);

/** The logger for Nest: framework lines go to debug, and start errors are left to the caller. */
export function startLogger(
  logger: Required<Pick<LoggerService, 'debug' | 'log' | 'warn' | 'error'>>,
): LoggerService {
  return {
    log: (message: unknown, ...rest: unknown[]) =>
      logger[FRAMEWORK.has(rest.at(-1)) ? 'debug' : 'log'](message, ...rest),
    debug: (message: unknown, ...rest: unknown[]) => logger.debug(message, ...rest),
    warn: (message: unknown, ...rest: unknown[]) => logger.warn(message, ...rest),
    error: (message: unknown, ...rest: unknown[]) => {
      if (!START_ERRORS.has(rest.at(-1))) logger.error(message, ...rest);
    },
  };
}
