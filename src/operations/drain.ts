import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';

/** The steps of a graceful shutdown, in ms. */
export interface DrainTimes {
  /** How long readiness fails before the listener closes. Load balancers notice it at their next health check. */
  readonly readinessDelay: number;
  /** How long idle connections stay open after the listener has closed. A request may already be on its way. */
  readonly idleGrace: number;
  /** How long requests in flight may take after the listener has closed. */
  readonly drain: number;
}

/**
 * Stops a node without failing requests. First readiness fails; then the listener closes and every response carries `Connection: close`;
 * then idle connections are closed. All waits are bounded.
 */
@Injectable()
export class Drain implements BeforeApplicationShutdown {
  /** Whether the shutdown has started. */
  stopping = false;
  private server: Server | undefined;
  private times: DrainTimes | undefined;
  private readonly streams: (() => void)[] = [];

  follow(fastify: FastifyInstance, times: DrainTimes): void {
    this.server = fastify.server;
    this.times = times;
    let closing = false;
    // Fastify sets the header only on responses to later requests. This covers requests in flight.
    fastify.addHook('onSend', (_request, reply, _payload, done) => {
      if (closing) reply.header('Connection', 'close');
      done();
    });
    fastify.addHook('preClose', (done) => {
      closing = true;
      if (fastify.server.listening) closeServer(fastify.server, times, () => this.endStreams(), done);
      else done();
    });
  }

  /** Calls `end` when the listener has closed: it ends responses that would otherwise continue. Their clients find another node. */
  endWith(end: () => void): void {
    this.streams.push(end);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    const { server, times } = this;
    if (server === undefined || times === undefined || !server.listening) return;
    // Without connections there is no client or load balancer to wait for.
    if ((await connectionsOf(server)) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, times.readinessDelay));
  }

  private endStreams(): void {
    for (const end of this.streams) end();
  }
}

function closeServer(
  server: Server,
  { idleGrace, drain }: DrainTimes,
  endStreams: () => void,
  done: () => void,
): void {
  const idleTimer = setTimeout(() => server.closeIdleConnections(), idleGrace);
  const drainTimer = setTimeout(() => server.closeAllConnections(), drain);
  // Right after the event loop has accepted new connections: one that is still queued would be reset.
  setImmediate(() => {
    // http.Server.close would close idle connections immediately.
    NetServer.prototype.close.call(server, () => {
      clearTimeout(idleTimer);
      clearTimeout(drainTimer);
      done();
    });
    endStreams();
  });
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.getConnections((error, count) => resolve(error === null ? count : 0)),
  );
}
