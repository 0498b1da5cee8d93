import { Injectable } from '@nestjs/common';
import type { FactoryProvider } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import type { Role } from '../common/role.js';

/** The role of administrators in a new installation without ADMIN_ROLE. */
export const DEFAULT_ADMIN_ROLE: Role = 'admin';

/**
 * The role whose users administer this service. It is in memory, so reading it needs no I/O. `AdminRoleService` verifies it at the start
 * and follows changes.
 */
@Injectable()
export class AdminRole {
  constructor(private role: Role) {}

  get name(): Role {
    return this.role;
  }

  /** Whether a user with this role is an administrator. A disabled user has no access whatever the role. */
  isHeldBy(user: { readonly role: Role }): boolean {
    return user.role === this.role;
  }

  use(role: Role): void {
    this.role = role;
  }
}

/** Before the start has verified it, the role is the one that the database stores, or else that of the configuration. */
export const adminRoleProvider: FactoryProvider<AdminRole> = {
  provide: AdminRole,
  inject: [CONFIG, ServiceStateStore],
  useFactory: async ({ adminRole }: Config, state: ServiceStateStore) =>
    new AdminRole((await state.adminRole()).role ?? adminRole ?? DEFAULT_ADMIN_ROLE),
};
