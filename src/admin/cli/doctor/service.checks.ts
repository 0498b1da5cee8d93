import { randomUUID } from 'node:crypto';
import { Inject } from '@nestjs/common';
import { counted } from '../../../common/text.js';
import { AuditVerifierService } from '../../../audit/sealing/audit-verifier.service.js';
import { RowAlarms } from '../../../audit/row-alarms.js';
import { CONFIG } from '../../../config/config.js';
import type { Config } from '../../../config/config.js';
import { ServiceStateStore } from '../../../database/service-state.store.js';
import { ISSUER } from '../../../tokens/access/issuer.js';
import { KeyAdministrationService } from '../../../tokens/keys/key-administration.service.js';
import { KeyRingService } from '../../../tokens/keys/key-ring.service.js';
import { DatabaseClock } from '../../../tokens/feed/database-clock.js';
import { AdminRole } from '../../../users/admin-role.js';
import { UserStore } from '../../../users/user.store.js';
import { CheckedOnNodes, DoctorCheck, fail, ok, warn } from './doctor-check.js';
import type { Examination, Finding } from './doctor-check.js';

/** nginx, Apache and most load balancers accept header lines of 8 kB. Some accept only 8 kB for all headers together. */
const HEADER_LIMIT_BYTES = 8_000;
const HEADER_WARNING_BYTES = 4_000;

const KEY_AGE_WARNING_DAYS = 180;

/** The advice about rows that this service did not write, by table. */
const REMEDIES = {
  signing_keys: 'find out who wrote it; then run npm run admin -- keys distrust with that kid',
  oauth_clients: 'find out who wrote it; then call DELETE /admin/clients/{id}',
  service_state: 'find out who wrote it; the next start of a node rewrites it',
};

/** Checks that use the providers of the service. */
@DoctorCheck()
@CheckedOnNodes()
export class ServiceChecks implements Examination {
  constructor(
    private readonly ring: KeyRingService,
    private readonly administration: KeyAdministrationService,
    private readonly clock: DatabaseClock,
    private readonly users: UserStore,
    private readonly audit: AuditVerifierService,
    private readonly alarms: RowAlarms,
    private readonly adminRole: AdminRole,
    private readonly state: ServiceStateStore,
    @Inject(ISSUER) private readonly issuer: string,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async examine(): Promise<Finding[]> {
    return [
      await this.keys(),
      ...this.rows(),
      await this.tokenSize(),
      await this.admins(),
      ...(await this.refusedAdmins()),
      ...(await this.trail()),
    ];
  }

  private async keys(): Promise<Finding> {
    const keys = await this.administration.list();
    const current = keys.find(({ state }) => state === 'current');
    if (current === undefined || !this.ring.canSign(this.clock.now()))
      return fail(
        'keys',
        'this node has no key to sign with',
        'check JWT_SECRET; run npm run admin -- keys list',
      );
    const days = Math.floor((this.clock.now() - Date.parse(current.promote_at)) / 86_400_000);
    return days > KEY_AGE_WARNING_DAYS
      ? warn('keys', `the current key is ${counted(days, 'day')} old`, 'npm run admin -- keys rotate')
      : ok(
          'keys',
          `${current.kid} signs; ${counted(keys.filter(({ state }) => state === 'next').length, 'next key')} published`,
        );
  }

  /** The alarms that were raised when this command started the service. */
  private rows(): Finding[] {
    const alarms = this.alarms.all();
    if (alarms.length === 0)
      return [ok('rows', 'all keys, clients and settings were written by this installation')];
    return alarms.map(({ table, id, message }) =>
      fail('rows', `${table} ${id}: ${message}`, REMEDIES[table]),
    );
  }

  private async tokenSize(): Promise<Finding> {
    const now = this.clock.now();
    const ids = { sub: randomUUID(), sid: randomUUID(), jti: randomUUID() };
    const seconds = Math.floor(now / 1000);
    // The token has expired, so it is useless to an attacker.
    const claims = {
      iss: this.issuer,
      aud: this.config.jwtAudience,
      role: this.adminRole.name,
      ...ids,
      iat: seconds,
      exp: 1,
    };
    const size = `Authorization: Bearer ${await this.ring.sign(claims, now)}`.length;
    const advice = 'shorten JWT_ISSUER and JWT_AUDIENCE, or set RSA_MODULUS_BITS=2048 and rotate the key';
    if (size > HEADER_LIMIT_BYTES)
      return fail('token_size', `${size} bytes in the header: proxies reject it`, advice);
    return size > HEADER_WARNING_BYTES
      ? warn('token_size', `${size} bytes in the header leave little room for cookies`, advice)
      : ok('token_size', `${size} bytes in the header; proxies accept 8 kB`);
  }

  private async admins(): Promise<Finding> {
    return (await this.users.adminExists())
      ? ok('admins', 'there is an active administrator')
      : warn(
          'admins',
          'there is no active administrator',
          `npm run admin -- users create NAME --role ${this.adminRole.name}`,
        );
  }

  /** Whether the product wanted to make an administrator. */
  private async refusedAdmins(): Promise<Finding[]> {
    const channel = await this.state.refusedAdmin();
    if (channel === undefined) return [];
    const advice =
      channel === 'import'
        ? 'give the users another role in the file, or import with --allow-admins'
        : 'find out who gave the users this role in your product; if it may, set USERS_SOURCE_MAY_MAKE_ADMINS=true';
    return [
      warn(
        'product_admins',
        `within a day the product named a user with the role ${this.adminRole.name} (${channel}), who got the role user`,
        advice,
      ),
    ];
  }

  private async trail(): Promise<Finding[]> {
    const findings = await this.audit.verifyEnd();
    if (findings.length === 0) return [ok('audit', 'the end of the audit trail is sealed and unchanged')];
    return findings.map(({ kind, message }) =>
      kind === 'unsealed'
        ? warn('audit', message, 'start a node, or read its log: nodes seal events every ten seconds')
        : fail('audit', message, 'npm run admin -- audit verify'),
    );
  }
}
