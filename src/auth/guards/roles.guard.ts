import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { refuse } from '../../common/common.errors.js';
import { AdminRole } from '../../users/admin-role.js';
import { rolesOf } from '../auth.decorators.js';
import { isServiceClient } from './service-client.guard.js';
import type { AuthenticatedRequest } from '../principal.js';

/** Refuses callers without one of the route's roles: 403 `forbidden`. */
@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly adminRole: AdminRole) {}

  canActivate(context: ExecutionContext): boolean {
    const roles = rolesOf(context);
    if (roles === null || isServiceClient(context)) return true;
    const { user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (user === undefined || !roles.some(() => this.adminRole.isHeldBy(user))) throw refuse('forbidden');
    return true;
  }
}
