import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';

/** In milliseconds. */
export interface DrainTimes {
  /** How long a node that is to stop goes on as ever, but says that it is not ready: load balancers ask now and then. */
  readonly announce: number;
  /** How long connections that look idle are kept when no new ones are taken: what was sent by them is on its way. */
  readonly linger: number;
  /** For requests in flight, from the moment that no new connections are taken. */
  readonly drain: number;
}

/**
 * Lets a node stop without failing a request. First it is not ready any more, for load balancers that look; then it takes no new
 * connections, which those that do not look notice by being refused, and answers on the old ones, each for the last time; then it
 * closes what is idle, and when all has been answered the rest of the node stops. Nobody is waited for without end.
 */
@Injectable()
export class Drain implements BeforeApplicationShutdown {
  /** Whether the node is about to stop. */
  begun = false;
  private server: Server | undefined;
  private times: DrainTimes | undefined;

  follow(fastify: FastifyInstance, times: DrainTimes): void {
    this.server = fastify.server;
    this.times = times;
    let closing = false;
    // For what is in flight: the answers to later requests say so by themselves.
    fastify.addHook('onSend', (_request, reply, _payload, done) => {
      if (closing) reply.header('Connection', 'close');
      done();
    });
    fastify.addHook('preClose', (done) => {
      closing = true;
      if (fastify.server.listening) end(fastify.server, times, done);
      else done();
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.begun = true;
    const { server, times } = this;
    if (server === undefined || times === undefined || !server.listening) return;
    // Where nobody is connected nobody would be refused.
    if ((await connectionsOf(server)) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, times.announce));
  }
}

function end(server: Server, { linger, drain }: DrainTimes, done: () => void): void {
  const idle = setTimeout(() => server.closeIdleConnections(), linger);
  const all = setTimeout(() => server.closeAllConnections(), drain);
  // Right after new connections have been looked for: one that waits now would be reset.
  setImmediate(() => {
    // The server of HTTP would close what is idle at once.
    NetServer.prototype.close.call(server, () => {
      clearTimeout(idle);
      clearTimeout(all);
      done();
    });
  });
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.getConnections((error, count) => resolve(error === null ? count : 0)),
  );
}
