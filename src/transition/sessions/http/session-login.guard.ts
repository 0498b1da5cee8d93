import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { LocalAuthGuard } from '../../../auth/login/local-auth.guard.js';
import { RolloutService } from '../../rollout/rollout.service.js';
import { SessionLoginDto } from './sessions.dto.js';
import { refuseNewSession } from '../sessions.errors.js';

/** Requires the name and password of a user. Once sessions are removed: 410 `sessions_removed`. */
@Injectable()
export class SessionLoginGuard extends LocalAuthGuard {
  protected override readonly form = SessionLoginDto;

  constructor(private readonly rollout: RolloutService) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (this.rollout.phase() === 'sessions_removed') throw refuseNewSession('sessions_removed');
    return super.canActivate(context);
  }
}
