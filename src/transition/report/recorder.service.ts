import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { userAgentOf } from '../../auth/http/request-origin.js';
import type { RefusedRequest } from '../../common/http/problem.filter.js';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { httpServerOf } from '../../common/http/http.js';
import { SharedWork } from '../../common/shared-work.js';
import { DatabaseClock } from '../../tokens/feed/database-clock.js';
import { CountedRoutesService } from './counted-routes.service.js';
import { UnexpectedLogoutsService } from './logouts/unexpected-logouts.service.js';
import { ReportWriterStore } from './report-writer.store.js';
import type { Batch } from './report-writer.store.js';
import { RefusedSessionsService } from './refused/refused-sessions.service.js';
import { OTHER, RequestTally } from './request-tally.js';
import { SchemeMetrics } from './scheme-metrics.js';
import type { Scheme } from './report.entity.js';
import { UnverifiedFaultsService } from './unverified-faults.service.js';
import { UseTally } from './use-tally.js';

/** Milliseconds between two batches. */
const FLUSH_EVERY = 2_000;

/** A write may have taken its counts before the latest requests, so callers share the next one. */
const WRITE = 'report';

/** The most batches written at shutdown. The bounds in memory need fewer. */
const LAST_BATCHES = 10;

/** The name of requests without a user agent. */
const NO_AGENT = 'none';

/** A principal, or the user whose password was correct. `sid`: the family, also the one that is linked to a session. */
type Caller = { readonly userId?: string; readonly id?: string; readonly sid?: string | undefined };

/**
 * Counts answers by scheme, in memory, after they have been sent. A batch is written every two seconds and when the node stops. A batch
 * that cannot be written is written later, and never twice. A killed node loses the counts since its last batch. All times are on the
 * database's clock.
 */
@Injectable()
export class RecorderService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RecorderService.name);
  private readonly node = randomUUID();
  private readonly requests = new RequestTally();
  private readonly uses = new UseTally();
  private seq = 0;
  private batch: Batch | undefined;
  private readonly writes = new SharedWork<void>();
  private failing = false;
  private readonly loop: BackgroundLoop;

  constructor(
    private readonly host: HttpAdapterHost,
    private readonly routes: CountedRoutesService,
    private readonly clock: DatabaseClock,
    private readonly store: ReportWriterStore,
    private readonly metrics: SchemeMetrics,
    private readonly logouts: UnexpectedLogoutsService,
    private readonly faults: UnverifiedFaultsService,
    private readonly refused: RefusedSessionsService,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to write the report; will retry';
    const run = () => this.flush();
    this.loop = loops.create({ name: 'report', everyMs: FLUSH_EVERY, firstMs: FLUSH_EVERY, failure, run });
    metrics.countUsers(() => this.uses.users());
  }

  onModuleInit(): void {
    const server = httpServerOf(this.host);
    if (server === undefined) return;
    server.addHook('onResponse', (request, reply, done) => {
      this.record(request, reply);
      done();
    });
    this.loop.start();
  }

  /** Nest calls this after the last request has been answered. */
  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.writes.ended(WRITE);
    for (let batch = 0; batch < LAST_BATCHES && !this.idle; batch++) await this.flush();
  }

  /** Resolves when the counts up to now are written, or the attempt has failed. Never throws. */
  flush(): Promise<void> {
    return this.writes.run(WRITE, () => this.write());
  }

  private record(request: FastifyRequest, reply: FastifyReply): void {
    const scheme = this.routes.schemeOf(request);
    if (scheme === undefined) return;
    const at = this.clock.now();
    const refused = reply.statusCode >= 400;
    const code = refused ? ((request as RefusedRequest).problem?.code ?? OTHER) : undefined;
    const duration = reply.elapsedTime;
    this.requests.count(scheme, at, duration, code);
    this.metrics.answered(scheme, duration, code);
    if (code !== undefined) {
      this.logouts.note(scheme, request, code, at);
      this.refused.note(scheme, request, code, at);
    }
    const { user } = request as { user?: Caller };
    this.countEvidence(scheme, request, reply.statusCode >= 500, at, code);
    // A principal counts as a user even if the request was refused. A login counts only if it succeeded.
    const userId = user?.userId ?? (refused ? undefined : user?.id);
    if (userId === undefined) return;
    this.uses.note(scheme, userId, userAgentOf(request) || NO_AGENT, at, user?.sid !== undefined);
  }

  /** Counts the request for the autopilot. A fault without a verified principal counts only once its credential is verified. */
  private countEvidence(
    scheme: Scheme,
    request: FastifyRequest,
    fault: boolean,
    at: number,
    code?: string,
  ): void {
    const { user } = request as { user?: Caller };
    if ((user?.userId ?? user?.id) !== undefined) this.requests.countEvidence(scheme, at, code);
    else if (fault && code !== undefined) this.faults.note(scheme, request, code, at);
  }

  private get idle(): boolean {
    const counted = this.requests.empty && this.uses.empty;
    return this.batch === undefined && counted && this.faults.empty && this.refused.empty;
  }

  private async write(): Promise<void> {
    for (const { scheme, at, code } of await this.faults.verified())
      this.requests.countEvidence(scheme, at, code);
    for (const { at, cause, times } of await this.refused.examined()) {
      this.requests.countRefused(at, cause, times);
      this.metrics.refusedSession(cause, times);
    }
    await this.writeBatches();
    await this.logouts.examine();
  }

  /** Writes the batch of a failed attempt first, then the counts since. */
  private async writeBatches(): Promise<void> {
    try {
      if (this.batch !== undefined) await this.store.write(this.batch);
      this.batch = this.next();
      if (this.batch !== undefined) await this.store.write(this.batch);
      this.batch = undefined;
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.logger.warn({ err: error }, 'failed to write the report; will retry');
      this.failing = true;
    }
  }

  private next(): Batch | undefined {
    if (this.requests.empty && this.uses.empty) return undefined;
    this.seq += 1;
    return { node: this.node, seq: this.seq, counts: this.requests.take(), uses: this.uses.take() };
  }
}
