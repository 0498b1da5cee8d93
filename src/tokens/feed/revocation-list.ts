import { Injectable } from '@nestjs/common';
import type { VerifiedToken } from '@tandem-auth/verifier/token';
import { BackgroundLoops } from '../../common/background-loops.js';
import { DatabaseClock } from './database-clock.js';

/** A row of the feed as nodes read it. */
export interface RevocationEntry {
  readonly kind: 'sid' | 'user';
  readonly subject: string;
  /** The epoch of a revoked user: tokens with a lower epoch are refused. Null for other kinds. */
  readonly epoch: number | null;
  /** Milliseconds on the database's clock. */
  readonly expires: number;
}

interface UserCutOff {
  readonly epoch: number;
  readonly expires: number;
}

const PRUNE_INTERVAL_MS = 30_000;

/**
 * The revoked families and users that this node knows. The change feed fills it, and says whether it is complete.
 *
 * Adding an entry is idempotent and never makes a token valid again: of several entries for a user the highest epoch counts. An entry is
 * forgotten when the last token that it revokes has expired.
 */
@Injectable()
export class RevocationList {
  private readonly sids = new Map<string, number>();
  private readonly users = new Map<string, UserCutOff>();

  constructor(
    private readonly clock: DatabaseClock,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to remove expired revocations from memory; will retry';
    const run = () => this.prune();
    loops.create({ name: 'revocation-pruning', everyMs: PRUNE_INTERVAL_MS, failure, run }).start();
  }

  /** The number of entries held. */
  get size(): number {
    return this.sids.size + this.users.size;
  }

  add({ kind, subject, epoch, expires }: RevocationEntry): void {
    if (kind === 'sid') {
      this.sids.set(subject, Math.max(expires, this.sids.get(subject) ?? 0));
      return;
    }
    const known = this.users.get(subject);
    this.users.set(subject, {
      epoch: Math.max(epoch ?? 0, known?.epoch ?? 0),
      expires: Math.max(expires, known?.expires ?? 0),
    });
  }

  /** Meaningful only while the change feed is fresh. */
  isRevoked(token: VerifiedToken): boolean {
    if (this.sids.size > 0 && this.sids.has(token.claims.sid)) return true;
    if (this.users.size === 0) return false;
    const cutOff = this.users.get(token.claims.sub);
    return cutOff !== undefined && token.epoch < cutOff.epoch;
  }

  /** Every entry. An entry that is added during the iteration is included; one that is raised meanwhile may have its old value. */
  *entries(): Generator<RevocationEntry> {
    for (const [subject, expires] of this.sids) yield { kind: 'sid', subject, epoch: null, expires };
    for (const [subject, { epoch, expires }] of this.users) yield { kind: 'user', subject, epoch, expires };
  }

  /** Forgets the entries that no longer concern a valid token. */
  prune(): void {
    const now = this.clock.now();
    for (const [sid, expires] of this.sids) if (expires <= now) this.sids.delete(sid);
    for (const [user, cutOff] of this.users) if (cutOff.expires <= now) this.users.delete(user);
  }
}
