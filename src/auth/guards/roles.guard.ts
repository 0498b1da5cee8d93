import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { refuse } from '../../common/common.errors.js';
import { perRoute } from '../../common/per-route.js';
import type { Role } from '../../users/user.entity.js';
import type { AuthenticatedRequest } from '../principal.js';
import { ROLES } from '../auth.decorators.js';

const reflector = new Reflector();

/** Null: every caller. */
const rolesOf = perRoute(
  (context) =>
    reflector.getAllAndOverride<readonly Role[] | undefined>(ROLES, [
      context.getHandler(),
      context.getClass(),
    ]) ?? null,
);

/** Asks whether the caller has a role that the route wants; routes without `@Roles()` are open to every caller. */
@Injectable()
export class RolesGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const roles = rolesOf(context);
    if (roles === null) return true;
    const { user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (user === undefined || !roles.includes(user.role)) throw refuse('forbidden');
    return true;
  }
}
