import type { VerifiedToken } from '../access/access-token.js';

/** A line of the feed as nodes read it. */
export interface RevocationEntry {
  readonly kind: 'sid' | 'user';
  readonly subject: string;
  /** For `user`: tokens with a lower epoch are refused. */
  readonly epoch: number | null;
  /** Milliseconds on the database's clock. */
  readonly expires: number;
}

interface CutOff {
  readonly epoch: number;
  readonly expires: number;
}

/**
 * What a node holds of the feed. Adding is idempotent and never opens anything again: of several cut-offs the highest
 * counts. Bounded by what can still be valid: {@link prune} forgets an entry when the last token it concerns is expired.
 */
export class RevocationList {
  private readonly sids = new Map<string, number>();
  private readonly users = new Map<string, CutOff>();

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

  isRevoked(token: VerifiedToken): boolean {
    if (this.sids.size > 0 && this.sids.has(token.claims.sid)) return true;
    if (this.users.size === 0) return false;
    const cutOff = this.users.get(token.claims.sub);
    return cutOff !== undefined && token.epoch < cutOff.epoch;
  }

  /** `now`: milliseconds on the database's clock. */
  prune(now: number): void {
    for (const [sid, expires] of this.sids) if (expires <= now) this.sids.delete(sid);
    for (const [user, cutOff] of this.users) if (cutOff.expires <= now) this.users.delete(user);
  }
}
