import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { refuse } from '../../../common/common.errors.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';

/** Answers 404 with `PASSWORD_LOGIN=off` and with `SESSION_STORE=callback`, where only the product begins sessions. */
@Injectable()
export class PasswordLoginGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: TransitionConfig) {}

  canActivate(): true {
    if (!this.config.passwordLogin || this.config.callback !== undefined) throw refuse('not_found');
    return true;
  }
}
