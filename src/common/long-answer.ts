import type { FastifyReply } from 'fastify';

/**
 * Lets this answer take as long as it takes: the connection is not closed because nothing is sent meanwhile, which is what `node:http`
 * does where nobody listens. For work that goes on by itself and ends.
 */
export function mayTakeLong(reply: FastifyReply): void {
  reply.raw.on('timeout', () => undefined);
}
