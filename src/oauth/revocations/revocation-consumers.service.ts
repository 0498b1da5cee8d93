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

/** The most open streams of one client on this node. */
const MAX_PER_CLIENT = 100;
/** The most open streams of all clients on this node. */
const MAX_STREAMS = 500;

/** The most streams that a client may open within AUTH_RATE_WINDOW, on all nodes together. */
const OPENED_PER_WINDOW = 600;

const RETRY_AFTER_SECONDS = 10;

const SCOPE = 'revocations';

/** These ends of a stream are expected and not audited. */
const EXPECTED_ENDS: readonly StreamEnd[] = ['expired', 'shutdown'];

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
    feed.subscribe(CLIENTS_TOPIC, () => this.endStreamsOfChangedClients());
  }

  /**
   * Opens a stream for the client that the request authenticates. Throws 401 `invalid_client`, 403 `insufficient_scope`, 429 if the client
   * has too many streams or opens them too often, and 503 if this node has too many streams, is shutting down, or cannot look up the
   * client. On a stale node the stream opens, but gets no `fresh` event.
   */
  async open(request: FastifyRequest): Promise<RevocationFollower> {
    const arrivedAt = this.clock.monotonic();
    const client = await this.requireClient(request);
    if (this.streams.count(client.id) >= MAX_PER_CLIENT)
      throw refuse('rate_limited', { headers: { 'Retry-After': String(RETRY_AFTER_SECONDS) } });
    if (this.streams.count() >= MAX_STREAMS) throw unavailable(undefined, RETRY_AFTER_SECONDS);
    const { 'last-event-id': lastEventId } = request.headers;
    const consumer = { clientId: client.id, credential: client.secretHash.toString('hex') };
    const follower = this.streams.open(consumer, arrivedAt, [lastEventId].flat()[0]);
    try {
      // The client may have changed after it was authenticated and before its stream was registered.
      await this.endOutdatedStreams(client.id);
    } catch (error) {
      follower.destroy();
      throw error;
    }
    this.auditStream(client, follower, originOf(request));
    return follower;
  }

  /** Authenticates the client and counts the call against the rate limit, without opening a stream. Throws 401, 403, 429 and 503. */
  async requireClient(request: FastifyRequest): Promise<OAuthClient> {
    const client = await this.authentication.requireClient(request, {}, SCOPE);
    const quota = { limit: OPENED_PER_WINDOW, windowSeconds: this.config.authRateWindow };
    await this.limiter.enforce('revocation_stream', client.id, quota);
    return client;
  }

  /** Ends the streams of clients whose secret has changed or that have lost the scope. */
  private async endStreamsOfChangedClients(): Promise<void> {
    for (const id of this.streams.clients()) await this.endOutdatedStreams(id);
  }

  private async endOutdatedStreams(id: string): Promise<void> {
    const client = await this.clients.withScope(id, SCOPE);
    this.streams.endAll(id, client?.secretHash.toString('hex'));
  }

  /** Writes at most one audit event a day for each client, and one for each kind of unexpected end of its streams. */
  private auditStream({ id, name }: OAuthClient, follower: RevocationFollower, origin: Origin): void {
    const add = (cause: string, detail: object) =>
      this.audit
        .addDaily(
          { event: 'revocation_stream', cause, detail: { client_id: id, name, ...detail } },
          origin,
          this.database,
        )
        .catch((error: unknown) =>
          this.logger.warn({ err: error }, 'failed to audit a stream of revocations'),
        );
    void add('began', {});
    follower.once('close', () => {
      const { reason } = follower;
      if (!EXPECTED_ENDS.includes(reason)) void add('ended', { reason });
    });
  }
}
