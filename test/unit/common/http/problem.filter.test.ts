import { BadRequestException, NotFoundException, RequestTimeoutException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { problemOf } from '../../../../src/common/http/problem.filter.js';
import { refuse } from '../../../../src/common/common.errors.js';
import { DatabaseUnavailable } from '../../../../src/database/database.errors.js';

describe('the answer to an error', () => {
  it('keeps a problem as it is', () => {
    const problem = refuse('forbidden');
    expect(problemOf(problem)).toBe(problem);
  });

  it.each([
    ['an unknown route', new NotFoundException('Cannot GET /x'), 'not_found'],
    ['an exception of the framework', new BadRequestException('text'), 'malformed_request'],
    ['a time-out of the client', new RequestTimeoutException(), 'request_timeout'],
    [
      'a refusal of the framework',
      Object.assign(new Error('x'), { statusCode: 415 }),
      'unsupported_media_type',
    ],
    [
      'a refusal without a code of ours',
      Object.assign(new Error('x'), { statusCode: 418 }),
      'malformed_request',
    ],
    [
      'a client that hangs up while it sends',
      Object.assign(new Error('aborted'), { code: 'ECONNRESET', statusCode: 400 }),
      'malformed_request',
    ],
    ['a database that is gone', new DatabaseUnavailable(new Error('gone')), 'service_unavailable'],
    ['a broken connection', Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'service_unavailable'],
    [
      'text that PostgreSQL cannot hold',
      Object.assign(new Error('x'), { code: '22021' }),
      'validation_failed',
    ],
    ['a constraint that nobody expected', Object.assign(new Error('x'), { code: '23505' }), 'internal_error'],
    ['a bug', new TypeError('x is not a function'), 'internal_error'],
    ['nothing', undefined, 'internal_error'],
    ['null', null, 'internal_error'],
    ['text', 'text', 'internal_error'],
  ])('for %s has one of our codes', (_name, error, code) => {
    const problem = problemOf(error);
    expect(problem.code).toBe(code);
    expect(problem.message).toBe(problem.title);
  });

  it('says when to retry after a transient error', () => {
    expect(problemOf(new DatabaseUnavailable(new Error('gone'))).headers).toEqual({ 'Retry-After': '1' });
  });
});
