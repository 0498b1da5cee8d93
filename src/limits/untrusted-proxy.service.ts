import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Clock } from '../common/clock.js';
import { httpServerOf } from '../common/http/http.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { canonicalAddress } from './client-address.js';

/** Headers that proxies add. The first one is the one that this service reads. */
const PROXY_HEADERS = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'] as const;

/** Addresses for documentation (RFC 3849) belong to no client. The doctor sends them. */
const DOCUMENTATION = /^2001:db8:[0-9a-f:]*$/;

/** Milliseconds between two writes of one node: any client can send such a header. */
const RECORD_EVERY = 60_000;

/**
 * Records in the database that requests arrive through a proxy that `TRUST_PROXY` does not name, so that the doctor can report it. Each
 * node writes at most once a minute. No request waits for it.
 */
@Injectable()
export class UntrustedProxyService implements OnModuleInit {
  private readonly logger = new Logger(UntrustedProxyService.name);
  private readonly trustsNoProxy: boolean;
  private recordedAt = -Infinity;

  constructor(
    private readonly state: ServiceStateStore,
    private readonly clock: Clock,
    @Inject(CONFIG) { trustProxy = 0 }: Config,
    private readonly host: HttpAdapterHost,
  ) {
    this.trustsNoProxy = typeof trustProxy === 'number' ? trustProxy === 0 : trustProxy.length === 0;
  }

  onModuleInit(): void {
    const server = httpServerOf(this.host);
    server?.addHook('onRequest', (request, _reply, done) => {
      this.check(request);
      done();
    });
  }

  private check(request: FastifyRequest): void {
    const now = this.clock.monotonic();
    if (now - this.recordedAt < RECORD_EVERY) return;
    const header = this.untrustedHeader(request);
    if (header === undefined) return;
    const peer = canonicalAddress(request.socket.remoteAddress);
    if (peer === undefined) return;
    this.recordedAt = now;
    this.state
      .noteUntrustedProxy(peer, header)
      .catch((error: unknown) => this.logger.debug({ err: error }, 'failed to record an untrusted proxy'));
  }

  /** The header that shows that the peer is a proxy; undefined if there is none, or if the peer is trusted. */
  private untrustedHeader(request: FastifyRequest): string | undefined {
    const name = PROXY_HEADERS.find((header) => (request.headers[header] ?? '') !== '');
    if (name === undefined || DOCUMENTATION.test(String(request.headers[name]))) return undefined;
    if (this.trustsNoProxy) return name;
    // `ips` ends with the first untrusted address. With one entry, the peer itself is untrusted.
    return name === 'x-forwarded-for' && request.ips?.length === 1 ? name : undefined;
  }
}
