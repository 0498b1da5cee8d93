import type { FastifyRequest } from 'fastify';
import type { Principal } from './principal.js';

/** A request after the global guard: `user` is there on every route that is not public. */
export type AuthenticatedRequest = FastifyRequest & { user?: Principal };
