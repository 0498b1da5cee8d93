import { RecentMap } from '../../common/recent-map.js';

/**
 * The secrets of unlinked families, at most `capacity` of them, so that the MAC of their tokens is verified without a query.
 * A secret never changes, so an entry is never out of date. The database decides whether the family is live.
 * Each secret that is dropped costs one query and nothing else.
 */
export class FamilySecrets {
  // As text: a buffer of 32 bytes takes several times as much memory, and keeps the larger buffer alive from which it was cut.
  private readonly secrets: RecentMap<string>;

  constructor(readonly capacity = 50_000) {
    this.secrets = new RecentMap(capacity);
  }

  get size(): number {
    return this.secrets.size;
  }

  get(sid: string): Buffer | undefined {
    const secret = this.secrets.get(sid);
    return secret === undefined ? undefined : Buffer.from(secret, 'latin1');
  }

  set(sid: string, secret: Buffer): void {
    this.secrets.set(sid, secret.toString('latin1'));
  }
}
