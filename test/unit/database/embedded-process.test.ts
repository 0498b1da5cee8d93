import { describe, expect, it } from 'vitest';
import { failureIn } from '../../../src/database/embedded/embedded-process.js';

const AT = '2026-01-01 00:00:00.000 UTC [42] ';

describe('failureIn', () => {
  it('returns the first error with its DETAIL and HINT in one line', () => {
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

  it('finds the error in the output of initdb', () => {
    const output =
      'fixing permissions ... ok\ninitdb: error: no\ninitdb: detail: why\ninitdb: hint: do\nbye\n';
    expect(failureIn(output)).toBe('error: no detail: why hint: do');
  });

  it('omits the CONTEXT of the error, which may contain a statement', () => {
    expect(failureIn(`${AT}ERROR:  no\n${AT}CONTEXT:  SQL statement "x"\n${AT}HINT:  do`)).toBe('ERROR: no');
  });

  it('returns undefined if there is no error', () => {
    expect(failureIn(`${AT}LOG:  0 errors: fine\n`)).toBeUndefined();
  });
});
