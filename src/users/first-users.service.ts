import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { NO_ORIGIN } from '../audit/audit-context.js';
import { DEFAULT_ROLE } from '../common/role.js';
import type { Role } from '../common/role.js';
import { CONFIG, ConfigurationError } from '../config/config.js';
import type { Config } from '../config/config.js';
import { isLoopback } from '../config/value-checks.js';
import type { Sql } from '../database/database.js';
import { AdminRole } from './admin-role.js';
import { PasswordHasher } from './hashing/password-hasher.js';
import { PasswordPolicy, normalisePassword } from './password-policy.js';
import { UserStore } from './user.store.js';
import { normaliseUsername } from './username.js';

/** The user of the walk-through, exempt from the password policy. The password is public, so the user exists only on a loopback address. */
const DEMONSTRATION = { username: 'test', password: 'test123' };

const NO_DEMONSTRATION =
  'There is no demonstration user because HOST is not a loopback address: start once with HOST=127.0.0.1 to get it, ' +
  'or run: npm run admin -- users create NAME';

const noAdmin = (role: Role) =>
  'There is no active administrator: set ADMIN_USERNAME and ADMIN_PASSWORD and restart, ' +
  `or run: npm run admin -- users create NAME --role ${role}`;

/** Creates the first users of a new installation. If several nodes start at once, only one creates them. */
@Injectable()
export class FirstUsersService implements OnModuleInit {
  constructor(
    private readonly store: UserStore,
    private readonly hasher: PasswordHasher,
    private readonly policy: PasswordPolicy,
    private readonly adminRole: AdminRole,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Throws {@link ConfigurationError} if the first administrator's name or password is invalid. */
  async onModuleInit(): Promise<void> {
    const { adminUsername, adminPassword } = this.config;
    const demonstration = this.demonstrates && !(await this.store.anyExists());
    const admin = adminUsername !== undefined && !(await this.store.adminExists());
    if (!demonstration && !admin) return;
    if (admin) this.check(adminUsername, adminPassword ?? '');
    await this.store.withLock(async (sql) => {
      if (demonstration && !(await this.store.anyExists(sql))) {
        await this.create(sql, DEMONSTRATION.username, DEMONSTRATION.password, DEFAULT_ROLE);
      }
      if (admin && !(await this.store.adminExists(sql))) {
        await this.create(sql, adminUsername, adminPassword ?? '', this.adminRole.name);
      }
    });
  }

  /** Returns one line for the startup log for each missing user, with the way to create the user. */
  async missing(): Promise<string[]> {
    const { production, databaseUrl } = this.config;
    const lines: string[] = [];
    if (!production && databaseUrl === undefined && !this.demonstrates && !(await this.store.anyExists()))
      lines.push(NO_DEMONSTRATION);
    if (!(await this.store.adminExists())) lines.push(noAdmin(this.adminRole.name));
    return lines;
  }

  /** Whether an empty database gets the demonstration user under this configuration. */
  private get demonstrates(): boolean {
    const { production, databaseUrl, host } = this.config;
    return !production && databaseUrl === undefined && isLoopback(host);
  }

  private check(username: string, password: string): void {
    const faults: string[] = [];
    if (normaliseUsername(username) === undefined)
      faults.push('ADMIN_USERNAME must have 1 to 128 visible characters and no white space');
    const weakness = this.policy.weakness(password, username);
    if (weakness !== undefined) faults.push(`ADMIN_PASSWORD: ${weakness}`);
    if (faults.length > 0) throw new ConfigurationError(faults);
  }

  private async create(sql: Sql, username: string, password: string, role: Role): Promise<void> {
    const name = normaliseUsername(username)!;
    const passwordHash = await this.hasher.hash(normalisePassword(password));
    const user = { id: randomUUID(), username: name.display, usernameKey: name.key, passwordHash, role };
    const created = await this.store.insert(user, NO_ORIGIN, undefined, sql);
    if (created === 'username_taken')
      throw new ConfigurationError(['ADMIN_USERNAME is the name of an existing user']);
  }
}
