import { ACCESS_ERRORS } from '@tandem-auth/verifier/refusals';
import { problems } from './http/problem.js';
import type { ProblemKind } from './http/problem.js';

/** Refusals of no particular feature. Any endpoint may answer them. */
export const COMMON_ERRORS = {
  validation_failed: { status: 400, title: 'The request is not valid' },
  malformed_request: { status: 400, title: 'The request could not be read' },
  unauthorized: { status: 401, title: 'Authentication is needed' },
  forbidden: ACCESS_ERRORS.forbidden,
  cross_site_request: ACCESS_ERRORS.cross_site_request,
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The request target is too long' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  expectation_failed: { status: 417, title: 'The expectation cannot be met' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong' },
  service_unavailable: ACCESS_ERRORS.service_unavailable,
} as const satisfies Record<string, ProblemKind>;

export const refuse = problems(COMMON_ERRORS);

/** Creates a 503 with `Retry-After`, in seconds. The caller may safely repeat the request. */
export function unavailable(cause: unknown, retryAfter = 1) {
  return refuse('service_unavailable', { cause, headers: { 'Retry-After': String(retryAfter) } });
}
