import { Inject, Injectable, Logger } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../../audit/audit-context.js';
import { AuditStore } from '../../audit/audit.store.js';
import { originOf } from '../../auth/http/request-origin.js';
import { Clock } from '../../common/clock.js';
import { refuse, unavailable } from '../../common/common.errors.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { Database } from '../../database/database.js';
import { RateLimitService } from '../../limits/limits.service.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import type { RevocationFollower, StreamEnd } from '../../tokens/stream/revocation-follower.js';
import { RevocationStreams } from '../../tokens/stream/revocation-streams.service.js';
import { ClientAuthentication } from '../client-authentication.js';
import type { OAuthClient } from '../oauth-client.entity.js';
import { OAuthClientService } from '../oauth-client.service.js';
import { CLIENTS_TOPIC } from '../oauth-client.store.js';

/** Streams of one client and of all clients on this node. */
const MAX_PER_CLIENT = 100;
const MAX_STREAMS = 500;

/** Streams that a client may open at all nodes together in AUTH_RATE_WINDOW. */
const OPENED_PER_WINDOW = 600;

/** Seconds. */
const RETRY_AFTER = 10;

const SCOPE = 'revocations';

/** How streams end in the usual course: not audited. */
const USUAL: readonly StreamEnd[] = ['expired', 'shutdown'];

/** Decides which service clients may follow the stream of revocations, and audits who follows. */
@Injectable()
export class RevocationConsumersService {
  private readonly logger = new Logger(RevocationConsumersService.name);

  constructor(
    private readonly authentication: ClientAuthentication,
    private readonly clients: OAuthClientService,
    private readonly streams: RevocationStreams,
    private readonly limiter: RateLimitService,
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
    feed: ChangeFeed,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    feed.subscribe(CLIENTS_TOPIC, () => this.review());
  }

  /**
   * Opens a stream for the client that the request authenticates. Throws 401, 403 `insufficient_scope`, 429 if the client has too many
   * streams or opens them too often, 503 if this node has too many or does not know everything that is revoked.
   */
  async open(request: FastifyRequest): Promise<RevocationFollower> {
    const arrivedAt = this.clock.monotonic();
    const client = await this.require(request);
    if (this.streams.count(client.id) >= MAX_PER_CLIENT)
      throw refuse('rate_limited', { headers: { 'Retry-After': String(RETRY_AFTER) } });
    if (this.streams.count() >= MAX_STREAMS) throw unavailable(undefined, RETRY_AFTER);
    const { 'last-event-id': lastEventId } = request.headers;
    const consumer = { clientId: client.id, credential: client.secretHash.toString('hex') };
    const follower = this.streams.open(consumer, arrivedAt, [lastEventId].flat()[0]);
    try {
      // The client may have changed before its stream was among those that a change ends.
      await this.reviewClient(client.id);
    } catch (error) {
      follower.destroy();
      throw error;
    }
    this.auditStream(client, follower, originOf(request));
    return follower;
  }

  /** Throws like {@link open}, and opens no stream. */
  async require(request: FastifyRequest): Promise<OAuthClient> {
    const client = await this.authentication.requireClient(request, {}, SCOPE);
    const quota = { limit: OPENED_PER_WINDOW, windowSeconds: this.config.authRateWindow };
    await this.limiter.enforce('revocation_stream', client.id, quota);
    return client;
  }

  /** Ends the streams of clients that have another secret now, or may no longer follow. */
  private async review(): Promise<void> {
    for (const id of this.streams.clients()) await this.reviewClient(id);
  }

  private async reviewClient(id: string): Promise<void> {
    const client = await this.clients.withScope(id, SCOPE);
    this.streams.endAll(id, client?.secretHash.toString('hex'));
  }

  /** At most one event a day for each client, and for each unusual end of its streams. */
  private auditStream({ id, name }: OAuthClient, follower: RevocationFollower, origin: Origin): void {
    const add = (cause: string, detail: object) =>
      this.audit
        .addDaily(
          { event: 'revocation_stream', cause, detail: { client_id: id, name, ...detail } },
          origin,
          this.database,
        )
        .catch((error: unknown) =>
          this.logger.warn({ err: error }, 'a stream of revocations could not be audited'),
        );
    void add('began', {});
    follower.once('close', () => {
      const { reason } = follower;
      if (!USUAL.includes(reason)) void add('ended', { reason });
    });
  }
}
