import type { FastifyRequest } from 'fastify';
import type { Origin } from '../audit/audit-context.js';
import { canonicalAddress } from '../limits/client-address.js';

const USER_AGENT_LENGTH = 256;

/** Where a request comes from, for audit and for the list of devices. */
export function originOf(request: FastifyRequest): Origin {
  const userAgent = request.headers['user-agent'];
  return {
    // A trusted proxy may pass rubbish on: then it is the proxy's own.
    ip: canonicalAddress(request.ip) ?? canonicalAddress(request.socket?.remoteAddress) ?? null,
    // PostgreSQL holds no NUL, and Node lets none through in a header.
    userAgent: userAgent === undefined ? null : userAgent.slice(0, USER_AGENT_LENGTH),
    requestId: String(request.id),
  };
}
