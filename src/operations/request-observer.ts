import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import { Metrics } from './metrics.js';

/** Characters of a path in the log: longer than any of ours. */
const LONGEST_PATH = 256;

/** Counts and logs what was answered, in one hook after the answer has gone out. */
@Injectable()
export class RequestObserver {
  constructor(
    private readonly metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {}

  observe(fastify: FastifyInstance): void {
    fastify.addHook('onResponse', (request, reply, done) => {
      this.metrics.answered(
        request.method,
        request.routeOptions.url,
        reply.statusCode,
        reply.elapsedTime / 1000,
      );
      this.log(request, reply);
      done();
    });
  }

  /**
   * Refusals at info, failures at error, the rest only for those who debug. A 503 is a refusal, too: what is behind it is told where
   * it happens, once for all those that it concerns. The query is not logged: it may hold secrets.
   */
  private log(request: FastifyRequest, reply: FastifyReply): void {
    const status = reply.statusCode;
    const level = status < 400 ? 'debug' : status < 500 || status === 503 ? 'info' : 'error';
    if (!this.logger.logger.isLevelEnabled(level)) return;
    const path = request.url.replace(/[?#].*$/s, '').slice(0, LONGEST_PATH);
    const { id, method, ip } = request;
    this.logger[level](
      { request_id: id, method, path, status, ms: Math.round(reply.elapsedTime), ip },
      'answered',
    );
  }
}
