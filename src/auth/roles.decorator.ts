import { SetMetadata } from '@nestjs/common';
import type { Role } from '../users/user.entity.js';

export const ROLES = 'auth:roles';

/** Opens a route to callers with one of the roles only; the others get 403 `forbidden`. */
export const Roles = (...roles: readonly Role[]) => SetMetadata(ROLES, roles);
