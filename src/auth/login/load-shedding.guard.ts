import { Injectable, Logger } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { guardedFirst } from '../../common/guarded-first.js';
import { Clock } from '../../common/clock.js';
import { PasswordHasher } from '../../users/hashing/password-hasher.js';
import type { Share } from '../../users/hashing/work-queue.js';
import { KnownDevicesService } from './known-devices.service.js';
import type { DeviceRequest } from './known-devices.service.js';

/** Between two lines about it, in milliseconds: in a storm there is one refusal after the other. */
const TELL_EVERY = 1_000;

/**
 * Recognises known devices, and refuses a login whose password could not be checked anyway: 503 with `Retry-After`. While the pool
 * is full of strangers, a request that shows no device costs the database nothing.
 */
@Injectable()
export class LoadSheddingGuard implements CanActivate {
  private readonly logger = new Logger(LoadSheddingGuard.name);
  private refused = 0;
  private told = -Infinity;

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
      this.tell();
      throw error;
    }
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

/** Comes before all other guards, limits too: it asks whether a password could be checked now. */
export const ShedLoad = (): MethodDecorator => guardedFirst(LoadSheddingGuard);
