import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { containsSecret } from '../text.js';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** A request whose answer is a stream. */
export interface StreamedRequest {
  /** Milliseconds until the head of the answer: the response time for metrics and the log. */
  headMs?: number;
}

/** The caller's `X-Request-Id` if it is short, plain and no secret; otherwise a new id. The log and the audit trail store it. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) && !containsSecret(given) ? given : randomUUID();
}

/**
 * The distinct values that a Cookie header has for a name, without quotes (RFC 6265, section 5.4). Browsers send several cookies with
 * one name if their paths, domains or partitions differ. An attacker may have set one of them (cookie tossing), and their order says
 * nothing.
 */
export function cookieValues(header: string | undefined, name: string): string[] {
  if (header === undefined || !header.includes(name)) return [];
  const values = new Set<string>();
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    values.add(value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
  }
  return [...values];
}

/** Keeps the connection open while a long answer sends nothing. `node:http` closes it only if nobody listens for `timeout`. */
export function disableInactivityTimeout(reply: FastifyReply): void {
  reply.raw.on('timeout', () => undefined);
}

/** The server that answers requests. Undefined on the command line, which runs the same modules without a server. */
export function httpServerOf(host: HttpAdapterHost): FastifyInstance | undefined {
  const { httpAdapter } = host as { httpAdapter: HttpAdapterHost['httpAdapter'] | null | undefined };
  return httpAdapter?.getInstance<FastifyInstance>();
}
