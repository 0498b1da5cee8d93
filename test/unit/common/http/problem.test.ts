import { HttpException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../../../src/common/http/problem.js';

describe('a problem', () => {
  it('collects no stack trace, and does not change the stack trace of other errors', () => {
    const before = Error.stackTraceLimit;
    const cause = new Error('the database');
    const problem = new Problem('gone', { status: 503, title: 'Gone' }, { cause });
    expect(problem.stack).not.toContain('\n    at ');
    expect(problem.cause).toBe(cause);
    expect(problem).toBeInstanceOf(HttpException);
    expect([problem.getStatus(), problem.message]).toEqual([503, 'Gone']);
    expect(cause.stack).toContain('\n    at ');
    expect(Error.stackTraceLimit).toBe(before);
    expect(new Error('later').stack).toContain('\n    at ');
  });
});
