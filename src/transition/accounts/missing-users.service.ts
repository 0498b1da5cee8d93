import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import { Clock } from '../../common/clock.js';
import { Metrics } from '../../operations/metrics.js';
import { UsersSourceClient } from './source/users-source.client.js';
import { SourceStateStore } from './source-state.store.js';
import type { SourceFigures } from './source-state.store.js';

/** There is an alarm if this number of queries in a minute, and this share of them, find no row. */
const LEAST_QUERIES = 20;
const LEAST_SHARE = 0.05;

/** Milliseconds between two exchanges of figures with the other nodes. */
const EXCHANGE_MS = 2_000;

/** Milliseconds in which a node takes a known alarm for granted, so that many missing users cost the database little. */
const ALARM_KNOWN_MS = 1_000;

/** How long a confirmation by an operator lasts, in minutes. */
export const CONFIRMATION_MINUTES = 15;

/**
 * Decides whether missing users are really gone. If many queries find no row, the source is more likely broken: an empty table after a bad
 * migration must log nobody out. Only queries by id for users that Tandem knows count, because anybody can send unknown names.
 */
@Injectable()
export class MissingUsersService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(MissingUsersService.name);
  private readonly node = randomUUID();
  private pending = { queries: 0, missing: 0 };
  private alarmed = false;
  private alarmKnownUntil = -Infinity;
  private readonly loop;

  constructor(
    private readonly store: SourceStateStore,
    private readonly source: UsersSourceClient,
    private readonly clock: Clock,
    loops: BackgroundLoops,
    metrics: Metrics,
  ) {
    this.loop = loops.create({
      name: 'users-source-tally',
      everyMs: EXCHANGE_MS,
      run: () => this.exchange(),
      failure: 'the queries of the users source were not counted',
    });
    metrics.gauge('tandem_users_source_alarm', 'Whether too many users are missing in the users source', () =>
      Number(this.alarmed),
    );
  }

  onApplicationBootstrap(): void {
    if (this.source.isSet) this.loop.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }

  /** Counts a query by id for a user that Tandem knows. */
  count(found: boolean): void {
    this.pending.queries += 1;
    if (!found) this.pending.missing += 1;
  }

  /** Whether a user without a row, whose query was just counted, is gone. False: it is an error of the source. */
  async isGone(): Promise<boolean> {
    if (this.clock.monotonic() < this.alarmKnownUntil) return false;
    return !(await this.update());
  }

  private async exchange(): Promise<void> {
    if (this.pending.queries > 0 || this.alarmed) await this.update();
    await this.store.forgetOld();
  }

  /** Whether there is an alarm. */
  private async update(): Promise<boolean> {
    const added = this.pending;
    this.pending = { queries: 0, missing: 0 };
    try {
      const figures = await this.store.update(this.node, added, isAlarm);
      this.note(figures);
      return figures.alarmed;
    } catch (error) {
      this.pending.queries += added.queries;
      this.pending.missing += added.missing;
      throw error;
    }
  }

  private note({ alarmed, queries, missing }: SourceFigures): void {
    if (alarmed) this.alarmKnownUntil = this.clock.monotonic() + ALARM_KNOWN_MS;
    else this.alarmKnownUntil = -Infinity;
    if (alarmed === this.alarmed) return;
    this.alarmed = alarmed;
    if (alarmed) {
      this.logger.error(
        { queries, missing },
        'too many users are missing in the users source: nobody is logged out for it, and these users get 503. If they are really gone, run: npm run admin -- users confirm-missing',
      );
    } else this.logger.log({ queries, missing }, 'the alarm of the users source is over');
  }
}

/** A raised alarm ends when the share falls. Without a query, nothing shows that it has. */
export function isAlarm({ queries, missing, alarmed, confirmed }: SourceFigures): boolean {
  if (confirmed) return false;
  if (alarmed) return queries === 0 || missing >= queries * LEAST_SHARE;
  return queries >= LEAST_QUERIES && missing >= queries * LEAST_SHARE;
}
