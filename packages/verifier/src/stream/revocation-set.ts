import type { VerifiedToken } from '../token.js';

/** A revocation of a token family, or of a user's tokens with a lower epoch. `exp`: seconds since the epoch. */
export type Revocation = { readonly exp: number } & (
  { readonly sid: string } | { readonly sub: string; readonly epoch: number }
);

interface UserCutOff {
  readonly epoch: number;
  readonly exp: number;
}

/**
 * The revocations that are known. Adding one is idempotent and never makes a token valid again: of several for a user the highest epoch
 * counts, and of several times the latest.
 */
export class RevocationSet {
  private readonly sids = new Map<string, number>();
  private readonly users = new Map<string, UserCutOff>();

  /** The number of revocations held. */
  get size(): number {
    return this.sids.size + this.users.size;
  }

  add(revocation: Revocation): void {
    const { exp } = revocation;
    if ('sid' in revocation) {
      this.sids.set(revocation.sid, Math.max(exp, this.sids.get(revocation.sid) ?? 0));
    } else {
      const known = this.users.get(revocation.sub);
      this.users.set(revocation.sub, {
        epoch: Math.max(revocation.epoch, known?.epoch ?? 0),
        exp: Math.max(exp, known?.exp ?? 0),
      });
    }
  }

  isRevoked({ claims, epoch }: VerifiedToken): boolean {
    if (this.sids.size > 0 && this.sids.has(claims.sid)) return true;
    if (this.users.size === 0) return false;
    const cutOff = this.users.get(claims.sub);
    return cutOff !== undefined && epoch < cutOff.epoch;
  }

  /** Forgets the revocations whose last token has expired. `now`: seconds since the epoch, by the database's clock. */
  prune(now: number): void {
    for (const [sid, exp] of this.sids) if (exp <= now) this.sids.delete(sid);
    for (const [user, { exp }] of this.users) if (exp <= now) this.users.delete(user);
  }
}
