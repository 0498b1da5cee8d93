import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Clock } from '../common/clock.js';
import { httpServerOf } from '../common/http.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { canonicalAddress } from './client-address.js';

/** Headers that proxies add, the one that this service reads first. */
const PROXY_HEADERS = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'] as const;

/** An address for documentation (RFC 3849) is no client's: the doctor sends such ones itself. */
const DOCUMENTATION = /^2001:db8:[0-9a-f:]*$/;

/** Milliseconds between two notes of one node: any client can send such a header. */
const NOTE_EVERY = 60_000;

/**
 * Notes in the database that requests arrive through a proxy that `TRUST_PROXY` does not name, so that the doctor can tell. At most one
 * write a minute on each node. Nothing waits for it.
 */
@Injectable()
export class UntrustedProxies implements OnModuleInit {
  private readonly logger = new Logger(UntrustedProxies.name);
  private readonly trustsNobody: boolean;
  private notedAt = -Infinity;

  constructor(
    private readonly state: ServiceStateStore,
    private readonly clock: Clock,
    @Inject(CONFIG) { trustProxy = 0 }: Config,
    private readonly host: HttpAdapterHost,
  ) {
    this.trustsNobody = typeof trustProxy === 'number' ? trustProxy === 0 : trustProxy.length === 0;
  }

  onModuleInit(): void {
    const server = httpServerOf(this.host);
    if (server !== undefined) this.observe(server);
  }

  private observe(fastify: FastifyInstance): void {
    fastify.addHook('onRequest', (request, _reply, done) => {
      this.see(request);
      done();
    });
  }

  private see(request: FastifyRequest): void {
    const header = this.headerOfStranger(request);
    if (header === undefined) return;
    const now = this.clock.monotonic();
    if (now - this.notedAt < NOTE_EVERY) return;
    const peer = canonicalAddress(request.socket.remoteAddress);
    if (peer === undefined) return;
    this.notedAt = now;
    this.state
      .noteUntrustedProxy(peer, header)
      .catch((error: unknown) => this.logger.debug({ err: error }, 'a proxy could not be noted'));
  }

  /** The header by which a peer shows that it is a proxy; undefined if it shows nothing, or is trusted. */
  private headerOfStranger(request: FastifyRequest): string | undefined {
    const name = PROXY_HEADERS.find((header) => (request.headers[header] ?? '') !== '');
    if (name === undefined || DOCUMENTATION.test(String(request.headers[name]))) return undefined;
    if (this.trustsNobody) return name;
    // Addresses up to the first that is not trusted, the peer's first: a trusted peer is followed by another.
    return name === 'x-forwarded-for' && request.ips?.length === 1 ? name : undefined;
  }
}
