/**
 * The secrets of logins that stand alone, so that their tokens are proved without asking the database; at most `capacity` of them.
 * A secret never changes, so none is ever out of date: whether the login still lives is asked of the database all the same.
 *
 * When it is full the longest unused half is forgotten, which costs a question to the database for each and nothing else.
 */
export class FamilySecrets {
  // As text: a buffer of 32 bytes costs several times as much, and holds on to the larger one that it was cut from.
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
      this.remember(sid, secret);
    }
    return Buffer.from(secret, 'latin1');
  }

  set(sid: string, secret: Buffer): void {
    if (!this.young.has(sid)) this.remember(sid, secret.toString('latin1'));
  }

  private remember(sid: string, secret: string): void {
    this.old.delete(sid);
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(sid, secret);
  }
}
