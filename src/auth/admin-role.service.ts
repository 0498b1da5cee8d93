import { Inject, Injectable, Logger } from '@nestjs/common';
import { NO_ORIGIN } from '../audit/audit-context.js';
import type { Origin } from '../audit/audit-context.js';
import { AuditStore } from '../audit/audit.store.js';
import { RowAlarms } from '../audit/row-alarms.js';
import { BackgroundLoops } from '../common/background-loops.js';
import type { Role } from '../common/role.js';
import { RowMacs } from '../common/crypto/row-macs.js';
import { CONFIG, ConfigurationError } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { Sql } from '../database/database.js';
import { ServiceStateStore } from '../database/service-state.store.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { ChangeFeed } from '../tokens/feed/change-feed.js';
import { KeyOpenerService } from '../tokens/keys/key-opener.service.js';
import { KeyRingError } from '../tokens/keys/key-ring.js';
import { AccountStore } from '../users/account.store.js';
import type { RoleHolder } from '../users/account.store.js';
import { AdminRole, DEFAULT_ADMIN_ROLE } from '../users/admin-role.js';

const TOPIC = 'admin_role';

/** Who has the rights of administrators after a change of ADMIN_ROLE, and who had them before. */
export interface AdminRoleChange {
  readonly gained: readonly RoleHolder[];
  readonly lost: readonly RoleHolder[];
}

/**
 * Stores the role of administrators in the database, with a MAC, so that somebody who can only write to the database cannot make the users
 * of another role administrators. A change reaches every node within a second.
 */
@Injectable()
export class AdminRoleService {
  private readonly logger = new Logger(AdminRoleService.name);
  private readonly macs: RowMacs;

  constructor(
    private readonly state: ServiceStateStore,
    private readonly role: AdminRole,
    private readonly accounts: AccountStore,
    private readonly revocations: RevocationService,
    private readonly alarms: RowAlarms,
    private readonly audit: AuditStore,
    private readonly loops: BackgroundLoops,
    opener: KeyOpenerService,
    feed: ChangeFeed,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.macs = new RowMacs('service_state', config);
    opener.onOpen((sql) => this.open(sql));
    feed.subscribe(TOPIC, () => this.reload());
  }

  /**
   * Gives the rights of administrators to the users with the role `name`, and takes them from everybody else. Invalidates the access tokens
   * of both. Returns both, which are empty if `name` was the role before.
   */
  async change(name: Role, origin: Origin): Promise<AdminRoleChange> {
    const change = await this.revocations.transaction(async (revocation) => {
      const { sql } = revocation;
      // Nobody else changes the role or removes an administrator.
      await this.accounts.lockAdmins(sql);
      const before = this.trusted(await this.state.adminRole(sql)) ?? this.role.name;
      if (before === name) return { gained: [], lost: [] };
      const gained = await this.accounts.withRole(name, sql);
      const lost = await this.accounts.withRole(before, sql);
      // One transaction, so that no token has the rights of one role and the epoch of the other.
      await revocation.invalidateAccessTokens([...gained, ...lost].map(({ id }) => id));
      await this.write(sql, name, origin, before);
      return { gained, lost };
    });
    this.role.use(name);
    return change;
  }

  /** Verifies the stored role at the start, or stores that of a new installation. Throws if the configuration names another one. */
  private async open(sql: Sql): Promise<void> {
    const { adminRole: configured } = this.config;
    const stored = await this.state.adminRole(sql);
    const trusted = this.trusted(stored);
    if (stored.role !== null && trusted === undefined && configured === undefined)
      throw new KeyRingError(
        'the role of administrators in the database was not written by this service: set ADMIN_ROLE to the right role',
      );
    const role = trusted ?? configured ?? DEFAULT_ADMIN_ROLE;
    if (trusted === undefined) await this.write(sql, role, NO_ORIGIN, stored.role);
    else if (!this.macs.isComplete(stored.macs))
      await this.state.setAdminRole(sql, role, this.macs.make(partsOf(role)));
    if (configured !== undefined && configured !== role) this.refuse(role);
    this.role.use(role);
  }

  /** Commands work with the stored role: one of them changes it. */
  private refuse(role: Role): void {
    const fault =
      `ADMIN_ROLE is not the role of administrators in the database: set ADMIN_ROLE=${role}, ` +
      'or change it with npm run admin -- users admin-role NAME';
    if (this.loops.enabled) throw new ConfigurationError([fault]);
    this.logger.warn(fault);
  }

  /** An untrusted role changes nothing: the last trusted one stays. */
  private async reload(): Promise<void> {
    const trusted = this.trusted(await this.state.adminRole());
    if (trusted !== undefined) this.role.use(trusted);
  }

  private async write(sql: Sql, role: Role, origin: Origin, from: Role | null): Promise<void> {
    await this.state.setAdminRole(sql, role, this.macs.make(partsOf(role)));
    await this.state.bump(sql, TOPIC);
    await this.audit.add({ event: 'service', cause: 'admin_role', detail: { from, to: role } }, origin, sql);
    this.alarms.clear('service_state', 'admin_role');
  }

  /** Returns the stored role; undefined if there is none, or if this service did not write it. */
  private trusted({ role, macs }: { readonly role: Role | null; readonly macs: unknown }): Role | undefined {
    if (role === null) return undefined;
    if (this.macs.verify(partsOf(role), macs) === 'right') return role;
    const message = 'the role of administrators in it is not used';
    this.alarms.raise('service_state', { id: 'admin_role', reason: 'not_ours', message });
    return undefined;
  }
}

function partsOf(role: Role): readonly string[] {
  return ['admin_role', role];
}
