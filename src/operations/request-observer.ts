import { Injectable } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
import type { StreamedRequest } from '../common/http/http.js';
import { clientAddress } from '../limits/client-address.js';
import { Metrics } from './metrics.js';

/** Counts and logs each request after its response has been sent. */
@Injectable()
export class RequestObserver {
  /** The static prefixes of all routes: `/auth` and `/auth/devices` for `/auth/devices/:id`. */
  private readonly knownPaths = new Set<string>();

  constructor(
    private readonly metrics: Metrics,
    private readonly logger: PinoLogger,
  ) {}

  /** Call it before the routes are added. */
  observe(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ url }) => this.addPaths(url));
    fastify.addHook('onResponse', (request, reply, done) => {
      this.metrics.answered(
        request.method,
        request.routeOptions.url,
        reply.statusCode,
        elapsedOf(request, reply) / 1000,
      );
      this.log(request, reply);
      done();
    });
  }

  /**
   * Logs refusals at info, failures at error and other requests at debug. A 503 is a refusal: its cause is logged once where it occurs,
   * not per request. Logs nothing that the client wrote: paths and queries may contain secrets.
   */
  private log(request: FastifyRequest, reply: FastifyReply): void {
    const status = reply.statusCode;
    const level = status < 400 ? 'debug' : status < 500 || status === 503 ? 'info' : 'error';
    if (!this.logger.logger.isLevelEnabled(level)) return;
    const { id, method } = request;
    const route = request.routeOptions.url ?? this.masked(request.url);
    const ms = Math.round(elapsedOf(request, reply));
    this.logger[level]({ request_id: id, method, route, status, ms, ip: clientAddress(request) }, 'answered');
  }

  private addPaths(route: string): void {
    let path = '';
    for (const segment of route.split('/').slice(1)) {
      if (segment === '' || /[:*(]/.test(segment)) return;
      path += `/${segment}`;
      this.knownPaths.add(path);
    }
  }

  /** The known prefix of an unknown path, with `*` for the rest. */
  private masked(target: string): string {
    let path = '';
    for (const segment of target
      .replace(/[?#].*$/s, '')
      .split('/', 16)
      .slice(1)) {
      const longer = `${path}/${segment}`;
      if (!this.knownPaths.has(longer)) return `${path}/*`;
      path = longer;
    }
    return path;
  }
}

/** A stream may last for minutes. Only the time until it began says how the service does. */
function elapsedOf(request: FastifyRequest & StreamedRequest, reply: FastifyReply): number {
  return request.headMs ?? reply.elapsedTime;
}
