import { Injectable, Logger } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Clock } from '../../common/clock.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import type { Share } from '../../users/hashing/work-queue.js';
import { KnownDevicesService } from './known-devices.service.js';
import type { DeviceRequest } from './known-devices.service.js';

/** Milliseconds between two log lines. Under overload there is one refusal after the other. */
const LOG_INTERVAL_MS = 1_000;

/**
 * Refuses a login if its password could not be checked now: 503 with `Retry-After`. Must run before all other guards. Also looks up the
 * device that sends the login, because known devices have their own share of the hashing pool. A request without a credential of a
 * device costs no database query.
 */
@Injectable()
export class LoadSheddingGuard implements CanActivate {
  private readonly logger = new Logger(LoadSheddingGuard.name);
  private refused = 0;
  private loggedAt = -Infinity;

  constructor(
    private readonly hasher: PasswordHasher,
    private readonly devices: KnownDevicesService,
    private readonly clock: Clock,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<DeviceRequest>();
    if (this.devices.mayKnow(request)) request.knownDevice = await this.devices.find(request);
    this.refuseIfFull(request.knownDevice === undefined ? 'unknown' : 'known');
    return true;
  }

  private refuseIfFull(share: Share): void {
    try {
      this.hasher.refuseIfFull(share);
    } catch (error) {
      this.log();
      throw error;
    }
  }

  private log(): void {
    this.refused += 1;
    const now = this.clock.monotonic();
    if (now - this.loggedAt < LOG_INTERVAL_MS) return;
    this.logger.warn({ refused: this.refused }, 'more logins than passwords can be checked');
    this.loggedAt = now;
    this.refused = 0;
  }
}
