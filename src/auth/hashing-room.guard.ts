import { Injectable, Logger } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { guardedFirst } from '../common/guarded-first.js';
import { Clock } from '../common/clock.js';
import { PasswordHasher } from '../users/password-hasher.js';

/** Between two lines about it, in milliseconds: in a storm there is one refusal after the other. */
const TELL_EVERY = 1_000;

/** Refuses a login whose password could not be checked anyway, before it costs the database anything: 503 with `Retry-After`. */
@Injectable()
export class HashingRoomGuard implements CanActivate {
  private readonly logger = new Logger(HashingRoomGuard.name);
  private refused = 0;
  private told = -Infinity;

  constructor(
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
  ) {}

  canActivate(): true {
    try {
      this.hasher.refuseIfFull();
    } catch (error) {
      this.tell();
      throw error;
    }
    return true;
  }

  private tell(): void {
    this.refused += 1;
    const now = this.clock.monotonic();
    if (now - this.told < TELL_EVERY) return;
    this.logger.warn({ refused: this.refused }, 'more logins than passwords can be checked');
    this.told = now;
    this.refused = 0;
  }
}

/** Asks first of all, before limits too, whether a password could be checked now. */
export const WithHashingRoom = (): MethodDecorator => guardedFirst(HashingRoomGuard);
