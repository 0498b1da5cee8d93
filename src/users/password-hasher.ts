import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import { Clock } from '../common/clock.js';
import { Argon2Scheme } from './argon2.scheme.js';
import type { PasswordScheme } from './password-scheme.js';
import { WorkQueue } from './work-queue.js';

/** A storm of logins must not slow the authenticated API: a core stays for it, where there is more than one. */
const LANES = Math.max(1, availableParallelism() - 1);

/** At some 20 ms each the last one waits for a few seconds at most. */
const MAX_WAITING = 128;

/** No failed login is answered sooner, in milliseconds: above the slowest scheme, so that time tells nothing. */
const FAILURE_FLOOR = 250;

/**
 * Hashes and checks passwords in one bounded pool. Throws 503 with `Retry-After` at once when it is full. Takes
 * normalised passwords.
 */
@Injectable()
export class PasswordHasher {
  private readonly current = new Argon2Scheme();
  private readonly schemes: readonly PasswordScheme[] = [this.current];
  private readonly pool = new WorkQueue(LANES, MAX_WAITING);
  private readonly nothing = this.current.hashOfNothing(randomBytes(16), randomBytes(32));

  constructor(private readonly clock: Clock) {}

  hash(password: string): Promise<string> {
    return this.pool.run(() => this.current.hash(password));
  }

  /** False for a stored text that is malformed or of an unknown scheme, after as much work. */
  async verify(stored: string, password: string): Promise<boolean> {
    const scheme = this.schemeOf(stored);
    // Encoded as UTF-8 all lone surrogates are the same; none can be set, so none can be right.
    if (scheme === undefined || /\p{Cs}/u.test(password)) return this.verifyNothing(password);
    return this.pool.run(() => scheme.verify(stored, password).catch(() => false));
  }

  /** As much work as for a user that exists. Always false. */
  async verifyNothing(password: string): Promise<false> {
    await this.pool.run(() => this.current.verify(this.nothing, password));
    return false;
  }

  /** Whether the scheme or its parameters are no longer those of {@link hash}. */
  needsRehash(stored: string): boolean {
    return this.schemeOf(stored)?.isOutdated(stored) ?? true;
  }

  /** Resolves when a failed login that began at `started` (monotonic) may be answered. Holds no thread and no lane. */
  async padFailure(started: number): Promise<void> {
    const left = FAILURE_FLOOR - (this.clock.monotonic() - started);
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  }

  private schemeOf(stored: string): PasswordScheme | undefined {
    return this.schemes.find((scheme) => scheme.matches(stored));
  }
}
