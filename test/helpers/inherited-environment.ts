import { join } from 'node:path';

/**
 * All that a process inherits from the environment of the tests. The cache keeps compiled modules, so that each start takes a third less
 * time; Node checks every entry against the module.
 */
export const INHERITED: Readonly<Record<string, string | undefined>> = {
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'tandem-tests'),
};
