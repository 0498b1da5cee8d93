import cluster from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { serviceVersion } from '../../common/service-version.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { ChangeFeed } from '../../tokens/feed/change-feed.js';
import { Propagation } from '../../tokens/feed/propagation.js';
import { Readiness } from '../readiness.js';
import { ServiceNodeStore } from './service-node.store.js';

/** Milliseconds between two reports. */
export const REPORT_INTERVAL_MS = 5_000;

/** Writes down every few seconds how this node does, so that any node can tell an administrator about all of them. */
@Injectable()
export class NodeReporter implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(NodeReporter.name);
  private readonly loop: BackgroundLoop;
  private readonly identity: {
    readonly id: string;
    readonly host: string;
    readonly worker: number | null;
    readonly workers: number;
    readonly version: string;
  };
  private stopping = false;
  private reporting: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly store: ServiceNodeStore,
    private readonly readiness: Readiness,
    private readonly feed: ChangeFeed,
    private readonly propagation: Propagation,
    private readonly loops: BackgroundLoops,
    @Inject(CONFIG) config: Config,
  ) {
    this.identity = {
      id: randomUUID(),
      host: hostname(),
      worker: cluster.worker?.id ?? null,
      workers: cluster.isWorker ? config.workers : 1,
      version: serviceVersion(),
    };
    this.loop = loops.create({
      name: 'node-report',
      everyMs: REPORT_INTERVAL_MS,
      firstMs: 0,
      failure: 'failed to report the state of this node; will retry',
      run: () => this.report(),
    });
  }

  /** The id of this node in the list. */
  get id(): string {
    return this.identity.id;
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  /** While the database can still be reached. A node that could not say goodbye stays in the list for an hour. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.loop.stop();
    // A report that is written after the row was removed would bring the row back.
    await this.reporting;
    if (!this.loops.enabled) return;
    await this.store
      .remove(this.id)
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'this node stays in the list of nodes for an hour'),
      );
  }

  /** Writes how this node does now. A node that stops reports no more. */
  report(): Promise<void> {
    if (this.stopping) return Promise.resolve();
    const written = this.write();
    this.reporting = Promise.allSettled([this.reporting, written]);
    return written;
  }

  private async write(): Promise<void> {
    const age = this.feed.age();
    const { p50, p99, samples } = this.propagation.times();
    await this.store.report({
      ...this.identity,
      failing: this.readiness.failing(),
      knowledge_age_ms: age === undefined ? null : Math.round(age),
      propagation_p50_ms: p50,
      propagation_p99_ms: p99,
      propagation_samples: samples,
    });
  }
}
