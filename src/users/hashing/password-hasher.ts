import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { Clock } from '../../common/clock.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { Argon2Scheme } from './argon2.scheme.js';
import { bcryptScheme } from './bcrypt.scheme.js';
import { deviseScheme } from './devise.scheme.js';
import { firebaseScryptScheme } from './firebase-scrypt.scheme.js';
import { pbkdf2Scheme } from './pbkdf2.scheme.js';
import { scryptScheme } from './scrypt.scheme.js';
import type { PasswordScheme } from './password-scheme.js';
import { WorkQueue } from './work-queue.js';
import type { Share } from './work-queue.js';

/** Many logins must not slow the authenticated API down: one core stays free for it if there are several. */
function lanesOf(workers: number): number {
  return Math.max(1, Math.floor((availableParallelism() - 1) / workers));
}

/** At about 20 ms each, the last one in the queue waits for a few seconds at most. A more expensive check counts as several. */
const ROOM = { known: 64, unknown: 128 };
const UNIT = 20;

/** The shortest time of a failed login in milliseconds. Above the cost of new hashes. */
const FAILURE_FLOOR = 250;

/** The floor is this many times the cost of the most expensive stored hash, so that timing reveals nothing if two spellings are tried. */
const HEADROOM = 2.5;

/** The most expensive hash that is checked, in milliseconds (see PasswordScheme): bcrypt 13, scrypt of 128 MiB, PBKDF2 of 3 million. */
const MAX_COST = 600;

/** The longest text that any scheme writes. */
const MAX_LENGTH = 1_024;

/** Whether a stored text can be checked, and why not. */
export type Appraisal =
  { readonly outcome: 'known'; readonly floor: number } | { readonly outcome: 'unknown' | 'too_costly' };

/**
 * Hashes and verifies passwords in one bounded pool. Throws 503 with `Retry-After` at once if it is full. Takes normalised passwords.
 * Logins from known devices and password changes have their own share of the pool.
 */
@Injectable()
export class PasswordHasher {
  private readonly schemes: readonly PasswordScheme[];
  private floor = FAILURE_FLOOR;
  private readonly pool: WorkQueue;
  private readonly nothing: string;

  constructor(
    private readonly clock: Clock,
    @Optional() @Inject(CONFIG) config?: Config,
    /** How new passwords are hashed. */
    @Optional() private readonly current: Argon2Scheme = new Argon2Scheme(),
  ) {
    this.schemes = [current, bcryptScheme, pbkdf2Scheme, scryptScheme, firebaseScryptScheme, deviseScheme];
    this.nothing = current.hashOfNothing(randomBytes(16), randomBytes(32));
    this.pool = new WorkQueue(lanesOf(config?.workers ?? 1), ROOM);
  }

  /** Password checks that wait now, and those that were refused since the process started. */
  get load(): { readonly waiting: number; readonly shed: number } {
    return this.pool;
  }

  /** Throws 503 if no check of this share could start or wait now. */
  refuseIfFull(share: Share): void {
    this.pool.refuseIfFull(share);
  }

  /** Hashes a new password, for an authenticated user or an administrator. An anonymous request never hashes one. */
  hash(password: string): Promise<string> {
    return this.pool.run(() => this.current.hash(password), 'known');
  }

  /** False for a malformed text, an unknown scheme or a too expensive hash, after the same work as for a user who does not exist. */
  async verify(stored: string, password: string, share: Share = 'unknown'): Promise<boolean> {
    const found = this.schemeOf(stored);
    // Encoded as UTF-8 all lone surrogates are the same; none can be set, so none can be right.
    if (found === undefined || found.cost > MAX_COST || /\p{Cs}/u.test(password)) {
      return this.verifyNothing(password, share);
    }
    // For hashes that another way than the import has written into the database.
    this.raiseFloor(floorOf(found.cost));
    const { scheme, cost } = found;
    return this.pool.run(() => scheme.verify(stored, password).catch(() => false), share, cost / UNIT);
  }

  /** Does the same work as for a user who exists. Always false. */
  async verifyNothing(password: string, share: Share = 'unknown'): Promise<false> {
    await this.pool.run(() => this.current.verify(this.nothing, password), share);
    return false;
  }

  /** Whether the hash should be replaced by {@link hash}, now that `password` was found to be its own. */
  needsRehash(stored: string, password = ''): boolean {
    return this.schemeOf(stored)?.scheme.isOutdated(stored, password) ?? true;
  }

  /** Whether {@link verify} can check the text, and the shortest time of failed logins that it needs. */
  appraise(stored: string): Appraisal {
    const found = this.schemeOf(stored);
    if (found === undefined) return { outcome: 'unknown' };
    return found.cost > MAX_COST
      ? { outcome: 'too_costly' }
      : { outcome: 'known', floor: floorOf(found.cost) };
  }

  /** Raises the minimum time of a failed login to this number of milliseconds. Never lowers it. */
  raiseFloor(floor: number): void {
    this.floor = Math.max(this.floor, Math.min(floor, floorOf(MAX_COST)));
  }

  /** Resolves when a failed login that started at `started` (monotonic) may be answered. Occupies no thread and no lane. */
  async padFailure(started: number): Promise<void> {
    const left = this.floor - (this.clock.monotonic() - started);
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  }

  private schemeOf(stored: string): { readonly scheme: PasswordScheme; readonly cost: number } | undefined {
    if (stored.length > MAX_LENGTH) return undefined;
    for (const scheme of this.schemes) {
      const cost = scheme.costOf(stored);
      if (cost !== undefined) return { scheme, cost };
    }
    return undefined;
  }
}

/** Rounded to steps, so that the floor reveals little about the stored hashes. */
function floorOf(cost: number): number {
  return Math.max(FAILURE_FLOOR, Math.ceil((cost * HEADROOM) / 250) * 250);
}
