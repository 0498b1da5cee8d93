import { describe, expect, it } from 'vitest';
import { Problem } from '../../../src/common/problem.js';

describe('a problem', () => {
  it('does not find out where it came from, and leaves to others that they do', () => {
    const before = Error.stackTraceLimit;
    const cause = new Error('the database');
    const problem = new Problem('gone', { status: 503, title: 'Gone' }, { cause });
    expect(problem.stack).not.toContain('\n    at ');
    expect(problem.cause).toBe(cause);
    expect(cause.stack).toContain('\n    at ');
    expect(Error.stackTraceLimit).toBe(before);
    expect(new Error('later').stack).toContain('\n    at ');
  });
});
