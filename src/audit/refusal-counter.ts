import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../common/background-loops.js';
import type { BackgroundLoop } from '../common/background-loops.js';
import { canonicalAddress, subjectOf } from '../limits/client-address.js';
import { AuditStore } from './audit.store.js';
import type { RefusalSum } from './audit.store.js';

const FLUSH_INTERVAL_MS = 60_000;

/** Distinct causes and networks kept between two writes. Further refusals are counted without their network. */
const MAX_SUMS = 2_000;

/** Rows with a network in one write. */
const MAX_ROWS = 200;

/** Rows with a network that a node may write per minute on average. Unused rows are saved for a minute with more refusals. */
const ROWS_PER_FLUSH = 10;

/**
 * Sums unauthenticated refusals by cause, network and minute, so that a stranger cannot fill the disk with audit events. A network is
 * an IPv4 address or the /64 of an IPv6 address. During a flood from many networks, the busiest keep their name and the others count
 * together: at most 14,400 rows a day have a network, about 4 MB. A node that is killed loses only
 * the sums of its last minute.
 */
@Injectable()
export class RefusalCounter implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(RefusalCounter.name);
  private sums = new Map<string, RefusalSum>();
  private readonly loop: BackgroundLoop;
  private rows = MAX_ROWS;
  private readonly total = new Map<string, number>();

  constructor(
    private readonly store: AuditStore,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to audit refusals; will retry';
    const run = () => this.flush();
    this.loop = loops.create({
      name: 'refusal-sums',
      everyMs: FLUSH_INTERVAL_MS,
      firstMs: FLUSH_INTERVAL_MS,
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
    this.total.set(cause, (this.total.get(cause) ?? 0) + 1);
    const address = ip === null ? undefined : canonicalAddress(ip);
    this.add({ cause, ip: address === undefined ? null : subjectOf(address), count: 1 });
  }

  /** How often this node has refused, by cause, since it started. */
  totals(): Record<string, number> {
    return Object.fromEntries(this.total);
  }

  /** Writes the counts. Keeps them for the next time if the database does not answer. */
  async flush(): Promise<void> {
    if (this.sums.size === 0) return;
    const written = [...this.sums.values()];
    this.sums = new Map();
    const kept = withinBudget(written, this.rows);
    try {
      await this.store.addRefusals(kept);
      const named = kept.filter(({ ip }) => ip !== null).length;
      this.rows = Math.min(MAX_ROWS, this.rows - named + ROWS_PER_FLUSH);
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to audit refusals; will retry');
      for (const sum of written) this.add(sum);
    }
  }

  private add({ cause, ip, count }: RefusalSum): void {
    const address = this.sums.size < MAX_SUMS || this.sums.has(`${cause} ${ip}`) ? ip : null;
    const key = `${cause} ${address}`;
    this.sums.set(key, { cause, ip: address, count: count + (this.sums.get(key)?.count ?? 0) });
  }
}

/** The `rows` largest sums unchanged, and the others added up per cause. */
function withinBudget(sums: readonly RefusalSum[], rows: number): RefusalSum[] {
  const named = sums.filter(({ ip }) => ip !== null).toSorted((a, b) => b.count - a.count);
  const rest = new Map<string, RefusalSum>();
  for (const { cause, count } of [...named.slice(rows), ...sums.filter(({ ip }) => ip === null)])
    rest.set(cause, { cause, ip: null, count: count + (rest.get(cause)?.count ?? 0) });
  return [...named.slice(0, rows), ...rest.values()];
}
