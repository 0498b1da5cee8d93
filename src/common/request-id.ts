import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { holdsSecret } from './client-text.js';

const SANE = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's `X-Request-Id` if it is sane and no secret of ours, else a new one: it is logged and audited. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE.test(given) && !holdsSecret(given) ? given : randomUUID();
}
