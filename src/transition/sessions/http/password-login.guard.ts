import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate } from '@nestjs/common';
import { refuse } from '../../../common/common.errors.js';
import { CONFIG } from '../../../config/config.js';
import type { TransitionConfig } from '../../transition.settings.js';

/** Answers 404 with `PASSWORD_LOGIN=off`, as an unknown route does. */
@Injectable()
export class PasswordLoginGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: TransitionConfig) {}

  canActivate(): true {
    if (!this.config.passwordLogin) throw refuse('not_found');
    return true;
  }
}
