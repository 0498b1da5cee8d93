import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { ChangeFeed } from '../tokens/feed/change-feed.js';
import type { CompletePoll, FeedFollower } from '../tokens/feed/change-feed.js';
import { RevocationList } from '../tokens/feed/revocation-list.js';
import { RevocationStreams } from '../tokens/stream/revocation-streams.service.js';
import { Metrics } from './metrics.js';

/** How soon this node learns of revocations, and the streams on which it passes them on. */
@Injectable()
export class FeedMetrics implements FeedFollower {
  private readonly delays;
  /** When the last complete poll was sent, on the monotonic clock. Until then, when the process started. */
  private asOf = 0;

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    feed: ChangeFeed,
    revocations: RevocationList,
    streams: RevocationStreams,
  ) {
    this.delays = metrics.histogram(
      'tandem_revocation_propagation_seconds',
      'Longest time that a revocation of another node can have taken to reach this node, measured at each poll',
      [],
    );
    metrics.gauge(
      'tandem_revocation_feed_age_seconds',
      'Age of what this node knows about revocations; from 0.8 on, it refuses tokens with 503',
      () => this.age() / 1000,
    );
    metrics.gauge('tandem_revocations', 'Revocations in the memory of this node', () => revocations.size);
    metrics.gauge('tandem_revocation_streams', 'Open streams of revocations', () => streams.count());
    metrics.counters(
      'tandem_revocation_streams_ended_total',
      'Streams of revocations that have ended, by reason',
      'reason',
      () => ({ ...streams.ended }),
    );
    metrics.total(
      'tandem_revocation_stream_bytes_total',
      'Bytes sent to streams of revocations',
      () => streams.bytes,
    );
    feed.follow(this);
  }

  restarted(): void {}

  read(): void {}

  /** What was committed right after the previous poll was sent has waited longest. The first poll has no predecessor. */
  polled({ asOf }: CompletePoll): void {
    if (this.asOf !== 0) this.delays.observe(this.age() / 1000);
    this.asOf = asOf;
  }

  private age(): number {
    return this.clock.monotonic() - this.asOf;
  }
}
