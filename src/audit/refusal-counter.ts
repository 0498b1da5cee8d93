import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { AuditStore } from './audit.store.js';
import type { RefusalSum } from './audit.store.js';

/** Between two writes, in milliseconds. */
const FLUSH_EVERY = 60_000;

/** Distinct causes and addresses kept between two writes; what comes after counts without its address. */
const MAX_SUMS = 200;

/**
 * Sums unauthenticated refusals by cause, address and minute, so that a stranger cannot fill the disk with audit events.
 * A node that is killed loses the sums of its last minute, and nothing else.
 */
@Injectable()
export class RefusalCounter implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RefusalCounter.name);
  private sums = new Map<string, RefusalSum>();
  private readonly loop: BackgroundLoop;

  constructor(
    private readonly store: AuditStore,
    loops: BackgroundLoops,
  ) {
    const failure = 'refusals could not be audited yet';
    const run = () => this.flush();
    this.loop = loops.create({
      name: 'refusal-sums',
      everyMs: FLUSH_EVERY,
      firstMs: FLUSH_EVERY,
      failure,
      run,
    });
  }

  onModuleInit(): void {
    this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await this.flush();
  }

  count(cause: string, ip: string | null): void {
    this.add({ cause, ip, count: 1 });
  }

  /** Writes what has been counted; keeps it for the next time if the database does not answer. */
  async flush(): Promise<void> {
    if (this.sums.size === 0) return;
    const written = this.sums;
    this.sums = new Map();
    try {
      await this.store.addRefusals([...written.values()]);
    } catch (error) {
      this.logger.warn({ err: error }, 'refusals could not be audited yet');
      for (const sum of written.values()) this.add(sum);
    }
  }

  private add({ cause, ip, count }: RefusalSum): void {
    const address = this.sums.size < MAX_SUMS || this.sums.has(`${cause} ${ip}`) ? ip : null;
    const key = `${cause} ${address}`;
    this.sums.set(key, { cause, ip: address, count: count + (this.sums.get(key)?.count ?? 0) });
  }
}
