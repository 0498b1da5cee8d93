import { Injectable, Logger } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnApplicationShutdown,
} from '@nestjs/common';
import { PgBoss } from 'pg-boss';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { Database } from '../../database/database.js';
import type { Job } from './job.js';
import { jobDatabase } from './job-database.js';

/** The schema of the queue; a migration makes it. */
export const JOBS_SCHEMA = 'jobs';

const EVERY_MINUTE = '* * * * *';

/** Seconds. */
const POLL_EVERY = 2;
const RUN_EXPIRES = 900;
const KEEP = 86_400;

/** Milliseconds: between two attempts to start, and for what runs when the node stops. */
const START_AGAIN = 5_000;
const FINISH_WITHIN = 4_000;

/** Of the calls that wait for one reason at most one is queued: `later` must not keep a `now` away. */
type Reason = 'now' | 'later';

/**
 * Runs {@link Job}s through a queue on the database: when a node starts, each minute on one node, and when they are woken; one run of
 * a job at a time on a node. The queue only says when to look: nothing is lost with it.
 *
 * It starts beside the node and is tried again until the database lets it, and a stop waits four seconds for what runs.
 */
@Injectable()
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly logger = new Logger(Jobs.name);
  private readonly jobs: Job[] = [];
  private readonly stopping = new AbortController();
  private readonly running = new Map<string, Promise<void>>();
  private boss: PgBoss | undefined;
  private readonly loop: BackgroundLoop;

  constructor(
    private readonly database: Database,
    loops: BackgroundLoops,
  ) {
    const failure = 'jobs are not run yet';
    const run = () => this.begin();
    this.loop = loops.create({ name: 'job-queue', everyMs: START_AGAIN, firstMs: 0, failure, run });
  }

  /** Before the application has started. */
  register(job: Job): void {
    this.jobs.push(job);
  }

  /** Has some node run the job soon, or after so many seconds. Never throws: each minute brings the next run anyway. */
  async wake(name: string, afterSeconds = 0): Promise<void> {
    const reason: Reason = afterSeconds === 0 ? 'now' : 'later';
    try {
      await this.boss?.send(name, {}, { singletonKey: reason, startAfter: Math.ceil(afterSeconds) });
    } catch (error) {
      this.logger.warn({ err: error, job: name }, 'a job could not be woken, it waits for the next minute');
    }
  }

  onApplicationBootstrap(): void {
    if (this.jobs.length > 0) this.loop.start();
  }

  /** What runs is told to end while requests are still answered. */
  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  async onApplicationShutdown(): Promise<void> {
    const finish = async () => {
      await this.loop.stop();
      await Promise.allSettled(this.running.values());
      await this.boss?.stop({ graceful: false });
    };
    await Promise.race([
      finish().catch((error: unknown) => this.logger.warn({ err: error }, 'the jobs did not stop in order')),
      new Promise((resolve) => setTimeout(resolve, FINISH_WITHIN).unref()),
    ]);
  }

  /** Does nothing once the queue is running. */
  private async begin(): Promise<void> {
    if (this.boss !== undefined || this.stopping.signal.aborted) return;
    try {
      const boss = this.makeBoss();
      this.boss = boss;
      await boss.start();
      for (const job of this.jobs) await this.follow(boss, job);
      this.logger.debug('jobs are run');
    } catch (error) {
      await this.boss?.stop({ graceful: false }).catch(() => undefined);
      this.boss = undefined;
      throw error;
    }
  }

  private makeBoss(): PgBoss {
    const boss = new PgBoss({
      db: jobDatabase(this.database),
      schema: JOBS_SCHEMA,
      registerInstance: false,
      openTelemetry: { enabled: false },
      reindex: false,
      monitorVacuum: false,
    });
    boss.on('error', (error) => this.logger.warn({ err: error }, 'the job queue failed for now'));
    boss.on('warning', ({ message }) => this.logger.warn(`job queue: ${message}`));
    return boss;
  }

  private async follow(boss: PgBoss, job: Job): Promise<void> {
    await boss.createQueue(job.name, {
      policy: 'short',
      retryLimit: 0,
      expireInSeconds: RUN_EXPIRES,
      deleteAfterSeconds: KEEP,
    });
    await boss.work(job.name, { pollingIntervalSeconds: POLL_EVERY }, () => this.run(job));
    await boss.schedule(job.name, EVERY_MINUTE, {}, { singletonKey: 'minute' });
    await this.wake(job.name);
  }

  private async run(job: Job): Promise<void> {
    const before = this.running.get(job.name);
    if (before !== undefined) return before;
    if (this.stopping.signal.aborted) return;
    const run = job
      .run(this.stopping.signal)
      .catch((error: unknown) => this.logger.warn({ err: error, job: job.name }, 'a job has to be run again'))
      .finally(() => this.running.delete(job.name));
    this.running.set(job.name, run);
    return run;
  }
}
