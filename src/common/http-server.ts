import type { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';

/** The server that answers requests; undefined on the command line, where the same modules run without one. */
export function httpServerOf(host: HttpAdapterHost): FastifyInstance | undefined {
  const { httpAdapter } = host as { httpAdapter: HttpAdapterHost['httpAdapter'] | null | undefined };
  return httpAdapter?.getInstance<FastifyInstance>();
}
