import type { VerifiedToken } from '../token.js';
import { StreamError } from './event-parser.js';
import type { Message } from './messages.js';
import { readPosition } from './position.js';
import { RevocationSet } from './revocation-set.js';

/** Revocations that fit into memory. A stream with more is not followed, and the service is asked for each request. */
export const MAX_REVOCATIONS = 1_000_000;

/** How often expired revocations are removed, in seconds of the database's clock. */
const PRUNE_INTERVAL = 30;

/**
 * What the stream has told us about one incarnation of the service's database. Everything in it only adds up: no event makes a token valid
 * again.
 */
export class Knowledge {
  private readonly revocations = new RevocationSet();
  /** The ids of the trusted keys; undefined until the stream has listed them. */
  private trusted: ReadonlySet<string> | undefined;
  /** Revoked keys. They are never forgotten. */
  private readonly distrusted = new Set<string>();
  private keysVersion = -1;
  private prunedAt = 0;
  private incarnation: string | undefined;
  /** The id of the last event up to which we know everything. For `Last-Event-ID`. */
  private id: string | undefined;
  private dbTime = 0;
  /** When `dbTime` arrived, on our monotonic clock. */
  private dbTimeAt = 0;

  get size(): number {
    return this.revocations.size + this.distrusted.size;
  }

  get lastEventId(): string | undefined {
    return this.id;
  }

  /** Whether an event with this id belongs to the same incarnation. The first id says which one that is. */
  isOf(id: string): boolean {
    const incarnation = readPosition(id)?.incarnation;
    if (incarnation === undefined) return true;
    this.incarnation ??= incarnation;
    return incarnation === this.incarnation;
  }

  revoke(revocations: Extract<Message, { kind: 'revoked' }>['revocations']): void {
    for (const revocation of revocations) {
      if ('kid' in revocation) this.distrusted.add(revocation.kid);
      else this.revocations.add(revocation);
    }
    if (this.size > MAX_REVOCATIONS)
      throw new StreamError(`the stream holds more than ${MAX_REVOCATIONS} revocations`);
  }

  /** The trusted keys. False for a lower version than the last one, which is ignored. A revoked key never returns. */
  trust(version: number, keys: readonly string[]): boolean {
    if (version < this.keysVersion) return false;
    this.keysVersion = version;
    this.trusted = new Set(keys);
    return true;
  }

  /** Everything up to `id` is known. `dbTime`: the database's clock, in seconds. `at`: our monotonic clock. */
  complete(id: string | undefined, dbTime: number, at: number): void {
    this.id = id;
    this.dbTime = dbTime;
    this.dbTimeAt = at;
    if (dbTime - this.prunedAt < PRUNE_INTERVAL) return;
    this.prunedAt = dbTime;
    this.revocations.prune(dbTime);
  }

  /** The database's clock, in seconds, at our monotonic time `at`. It lags by the time that the last event was on its way. */
  databaseTime(at: number): number {
    return this.dbTime + (at - this.dbTimeAt) / 1000;
  }

  /** Whether the token is revoked. Meaningful only while the stream is fresh. */
  isRevoked(token: VerifiedToken): boolean {
    return !this.isTrusted(token.kid) || this.revocations.isRevoked(token);
  }

  private isTrusted(kid: string): boolean {
    return this.trusted?.has(kid) !== false && !this.distrusted.has(kid);
  }
}
