import { Inject, Injectable, Logger } from '@nestjs/common';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { AdminRole } from './admin-role.js';
import { DEFAULT_ROLE } from '../common/role.js';
import type { Role } from '../common/role.js';

/** How the product names users to this service. */
export type ProductChannel = 'source' | 'upsert' | 'callback' | 'import';

/** A process logs and stores a refused role once in this time per channel. */
const NOTE_INTERVAL_MS = 60_000;

/**
 * What the product may do about administrators: nothing, unless USERS_SOURCE_MAY_MAKE_ADMINS permits it. Every way in which the product
 * names users asks here, so that an SQL injection in the product makes nobody an administrator.
 */
@Injectable()
export class ProductAuthorityService {
  private readonly logger = new Logger(ProductAuthorityService.name);
  private readonly allowed: boolean;
  private readonly noted = new Map<ProductChannel, number>();

  constructor(
    private readonly adminRole: AdminRole,
    private readonly state: ServiceStateStore,
    @Inject(CONFIG) config: Pick<Config, 'productMayMakeAdmins'>,
  ) {
    this.allowed = config.productMayMakeAdmins;
  }

  /** Whether the product controls password, name, role and state of this user. Otherwise an upsert gets 403 `forbidden`. */
  controls(user: { readonly role: Role }): boolean {
    return this.allowed || !this.adminRole.isHeldBy(user);
  }

  /** Whether a session signs the user in. A session that the product began does not sign in an administrator. */
  acceptsSession(user: { readonly role: Role }, begunHere: boolean): boolean {
    return begunHere || this.controls(user);
  }

  /** Returns the role of a user for whom the product wants `wanted`. `allowed` overrides the setting: imports have their own option. */
  roleFor(wanted: Role, allowed: boolean = this.allowed): Role {
    return allowed || wanted !== this.adminRole.name ? wanted : DEFAULT_ROLE;
  }

  /**
   * Returns {@link roleFor} the user. If the product wanted an administrator, warns in the log, and for a day in the doctor's report. Never
   * throws.
   */
  async grant(wanted: Role, channel: ProductChannel): Promise<Role> {
    const role = this.roleFor(wanted);
    if (role !== wanted) await this.warn(channel);
    return role;
  }

  /** Warns that the product wanted an administrator. Never throws. */
  async warn(channel: ProductChannel): Promise<void> {
    const now = performance.now();
    if (now - (this.noted.get(channel) ?? -Infinity) < NOTE_INTERVAL_MS) return;
    this.noted.set(channel, now);
    this.logger.warn(
      { channel },
      `the product named a user with the role of administrators, who gets the role "${DEFAULT_ROLE}" instead`,
    );
    try {
      await this.state.noteRefusedAdmin(channel);
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to store a refused role for the doctor');
    }
  }
}
