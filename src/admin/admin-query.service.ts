import { Injectable } from '@nestjs/common';
import { AuditLogStore } from '../audit/audit-log.store.js';
import { AuditVerifierService } from '../audit/sealing/audit-verifier.service.js';
import type { Seal } from '../audit/sealing/seal.js';
import { SealStore } from '../audit/sealing/seal.store.js';
import { DEFAULT_LIMIT } from '../common/http/pagination.js';
import { AccountStore } from '../users/account.store.js';
import { adminUserView } from './admin.dto.js';
import type { AdminUsersDto, AdminUsersQueryDto } from './admin.dto.js';
import { auditFilterOf } from './audit.dto.js';
import type { AuditEventsDto, AuditFilterDto, AuditQueryDto, SealDto, SealStateDto } from './audit.dto.js';

/** The lists that administrators read, page by page. Throws 400 for a cursor that no list wrote. */
@Injectable()
export class AdminQueryService {
  constructor(
    private readonly accounts: AccountStore,
    private readonly events: AuditLogStore,
    private readonly verifier: AuditVerifierService,
    private readonly seals: SealStore,
  ) {}

  async listUsers(query: AdminUsersQueryDto): Promise<AdminUsersDto> {
    const { role, disabled } = query;
    const filter = {
      query: query.query,
      externalId: query.external_id,
      role,
      disabled: disabled === undefined ? undefined : disabled === 'true',
    };
    const { users, next_cursor } = await this.accounts.page(
      query.limit ?? DEFAULT_LIMIT,
      query.cursor,
      filter,
    );
    return { users: users.map(adminUserView), next_cursor };
  }

  listEvents(query: AuditQueryDto): Promise<AuditEventsDto> {
    return this.events.page(auditFilterOf(query), query.limit ?? DEFAULT_LIMIT, query.cursor);
  }

  /** All matching events as JSON lines, oldest first. Events that are added meanwhile may be missing. */
  async *exportEvents(query: AuditFilterDto): AsyncGenerator<string> {
    for await (const events of this.events.pages(auditFilterOf(query)))
      yield events.map((event) => `${JSON.stringify(event)}\n`).join('');
  }

  /** Checks the end of the chain of seals. `audit verify` on the command line checks the whole trail. */
  async sealState(): Promise<SealStateDto> {
    const { newest, unsealed, findings } = await this.verifier.examineEnd();
    return {
      head: newest === undefined ? null : sealView(newest),
      sealed_events: await this.seals.sealedEvents(),
      unsealed,
      intact: findings.every(({ kind }) => kind === 'unsealed'),
      findings: findings.map(({ kind, message }) => ({ kind, message })),
      checked_at: new Date(Number(await this.seals.clock()) / 1_000),
    };
  }
}

function sealView({ id, hash, sealedAt, lastId }: Seal): SealDto {
  return {
    id,
    hash: hash.toString('hex'),
    sealed_at: new Date(Number(sealedAt) / 1_000),
    last_event_id: lastId,
  };
}
