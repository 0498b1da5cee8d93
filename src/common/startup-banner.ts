import type { LoggerService } from '@nestjs/common';

/** What is said once the service can be used, the addresses last. `listening`: the URL as the server has it. */
export function startupBanner(listening: string): string[] {
  const url = listening.replace(/127\.0\.0\.1|0\.0\.0\.0|\[::1?\]/, 'localhost');
  return [
    'Walk-through: README.md, "See it work"',
    'Make an administrator: npm run admin -- users create NAME --role admin',
    `Swagger UI: ${url}/docs`,
    `Tandem is ready at ${url}`,
  ];
}

/** Nest's own lines about modules and routes: more than a hundred at each start. */
const FRAMEWORK = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** The logger with the framework's lines at debug, so that those of the service can be read. */
export function withoutFrameworkLines(
  logger: Required<Pick<LoggerService, 'debug' | 'log' | 'warn' | 'error'>>,
): LoggerService {
  return {
    log: (message: unknown, ...rest: unknown[]) => {
      const context = rest.at(-1);
      const level = typeof context === 'string' && FRAMEWORK.has(context) ? 'debug' : 'log';
      logger[level](message, ...rest);
    },
    debug: (message: unknown, ...rest: unknown[]) => logger.debug(message, ...rest),
    warn: (message: unknown, ...rest: unknown[]) => logger.warn(message, ...rest),
    error: (message: unknown, ...rest: unknown[]) => logger.error(message, ...rest),
  };
}
