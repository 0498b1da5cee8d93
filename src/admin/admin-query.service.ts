import { Injectable } from '@nestjs/common';
import { AuditLogStore } from '../audit/audit-log.store.js';
import { refuse } from '../common/common.errors.js';
import { DEFAULT_LIMIT } from '../common/pagination.js';
import { FamilyListStore } from '../tokens/families/family-list.store.js';
import { AccountStore } from '../users/account.store.js';
import { adminUserView } from './admin.dto.js';
import type { AdminUsersDto, AdminUsersQueryDto } from './admin.dto.js';
import type { AuditEventsDto, AuditQueryDto } from './audit.dto.js';
import type { TokenFamiliesDto, TokensQueryDto } from './tokens.dto.js';

/** The lists that administrators read, page by page. Throws 400 for a cursor that no list wrote. */
@Injectable()
export class AdminQueryService {
  constructor(
    private readonly accounts: AccountStore,
    private readonly families: FamilyListStore,
    private readonly events: AuditLogStore,
  ) {}

  async listUsers(query: AdminUsersQueryDto): Promise<AdminUsersDto> {
    const filter = { query: query.query, externalId: query.external_id };
    const { users, next_cursor } = await this.accounts.page(
      query.limit ?? DEFAULT_LIMIT,
      query.cursor,
      filter,
    );
    return { users: users.map(adminUserView), next_cursor };
  }

  listFamilies(query: TokensQueryDto): Promise<TokenFamiliesDto> {
    const active = query.active === undefined ? undefined : query.active === 'true';
    const filter = { userId: query.user_id, externalId: query.external_id, ip: query.ip, active };
    return this.families.page(filter, query.limit ?? DEFAULT_LIMIT, query.cursor);
  }

  listEvents(query: AuditQueryDto): Promise<AuditEventsDto> {
    const since = query.since === undefined ? undefined : new Date(query.since);
    const filter = { userId: query.user_id, externalId: query.external_id, event: query.event, since };
    return this.events.page(filter, query.limit ?? DEFAULT_LIMIT, query.cursor);
  }

  /** Throws 404 unless there is a family with this id, live or not. */
  async requireFamily(id: string): Promise<void> {
    if (!(await this.families.exists(id))) throw refuse('not_found');
  }
}
