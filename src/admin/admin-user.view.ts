import type { User } from '../users/user.entity.js';
import type { AdminUserDto } from './admin.dto.js';

/** A user as administrators see them. */
export function adminUserView(user: User): AdminUserDto {
  return {
    id: user.id,
    username: user.username,
    role: user.role,
    email: user.email,
    disabled: user.disabledAt !== null,
    external_id: user.externalId,
    created_at: user.createdAt,
  };
}
