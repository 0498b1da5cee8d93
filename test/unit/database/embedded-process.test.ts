import { describe, expect, it } from 'vitest';
import { failureIn } from '../../../src/database/embedded/embedded-process.js';

const AT = '2026-01-01 00:00:00.000 UTC [42] ';

describe('the failure in what PostgreSQL wrote', () => {
  it('is the first error with its DETAIL and HINT, on one line', () => {
    const output = [
      `${AT}LOG:  starting PostgreSQL 18`,
      `${AT}FATAL:  could not create shared memory segment: No space left on device`,
      `${AT}DETAIL:  Failed system call was shmget(key=1, size=56, 03600).`,
      `${AT}HINT:  This error does *not* mean that you have run out of disk space.`,
      '\tIt occurs either if all available shared memory IDs have been taken.',
      `${AT}LOG:  database system is shut down`,
    ].join('\n');
    expect(failureIn(output)).toBe(
      'FATAL: could not create shared memory segment: No space left on device ' +
        'DETAIL: Failed system call was shmget(key=1, size=56, 03600). ' +
        'HINT: This error does *not* mean that you have run out of disk space. ' +
        'It occurs either if all available shared memory IDs have been taken.',
    );
  });

  it('is found in what initdb writes too', () => {
    const output =
      'fixing permissions ... ok\ninitdb: error: no\ninitdb: detail: why\ninitdb: hint: do\nbye\n';
    expect(failureIn(output)).toBe('error: no detail: why hint: do');
  });

  it('leaves out the context of the error, which may hold a statement', () => {
    expect(failureIn(`${AT}ERROR:  no\n${AT}CONTEXT:  SQL statement "x"\n${AT}HINT:  do`)).toBe('ERROR: no');
  });

  it('is undefined if nothing failed', () => {
    expect(failureIn(`${AT}LOG:  0 errors: fine\n`)).toBeUndefined();
  });
});
