/**
 * The secrets of unlinked families, at most `capacity` of them, so that the MAC of their tokens is verified without a query.
 * A secret never changes, so an entry is never out of date. Whether the family is live, the database decides in any case.
 *
 * When it is full, it drops the half that was not used for longest. Each dropped secret costs one query and nothing else.
 */
export class FamilySecrets {
  // As text: a buffer of 32 bytes takes several times as much memory, and keeps the larger buffer alive from which it was cut.
  private young = new Map<string, string>();
  private old = new Map<string, string>();

  constructor(readonly capacity = 50_000) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(sid: string): Buffer | undefined {
    let secret = this.young.get(sid);
    if (secret === undefined) {
      secret = this.old.get(sid);
      if (secret === undefined) return undefined;
      this.keep(sid, secret);
    }
    return Buffer.from(secret, 'latin1');
  }

  set(sid: string, secret: Buffer): void {
    if (!this.young.has(sid)) this.keep(sid, secret.toString('latin1'));
  }

  private keep(sid: string, secret: string): void {
    this.old.delete(sid);
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(sid, secret);
  }
}
