import type { FastifyRequest } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { keptText } from '../../common/client-text.js';
import { clientAddress } from '../../limits/client-address.js';

const USER_AGENT_LENGTH = 256;

/** Where a request comes from, for audit and for the list of devices. */
export function originOf(request: FastifyRequest): Origin {
  return {
    ip: clientAddress(request),
    userAgent: userAgentOf(request) ?? null,
    requestId: String(request.id),
  };
}

/** What the client calls itself, at most 256 characters without secrets of a known form. */
export function userAgentOf({ headers }: FastifyRequest): string | undefined {
  // PostgreSQL holds no NUL, and Node lets none through in a header.
  const userAgent = headers['user-agent'];
  return userAgent === undefined ? undefined : keptText(userAgent, USER_AGENT_LENGTH);
}
