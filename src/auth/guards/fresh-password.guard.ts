import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { FreshPasswordService } from '../account/fresh-password.service.js';
import type { AuthenticatedRequest } from '../principal.js';

/** Refuses callers whose login has not proved its password within five minutes: 403 `fresh_password_required`. See `@FreshPassword()`. */
@Injectable()
export class FreshPasswordGuard implements CanActivate {
  constructor(private readonly passwords: FreshPasswordService) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    await this.passwords.require(context.switchToHttp().getRequest<AuthenticatedRequest>().user!);
    return true;
  }
}
