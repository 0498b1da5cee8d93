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

  async listUsers({ query, limit = DEFAULT_LIMIT, cursor }: AdminUsersQueryDto): Promise<AdminUsersDto> {
    const { users, next_cursor } = await this.accounts.page(limit, cursor, query);
    return { users: users.map(adminUserView), next_cursor };
  }

  listFamilies({
    user_id: userId,
    ip,
    active,
    limit = DEFAULT_LIMIT,
    cursor,
  }: TokensQueryDto): Promise<TokenFamiliesDto> {
    const filter = { userId, ip, active: active === undefined ? undefined : active === 'true' };
    return this.families.page(filter, limit, cursor);
  }

  listEvents({
    user_id: userId,
    event,
    since,
    limit = DEFAULT_LIMIT,
    cursor,
  }: AuditQueryDto): Promise<AuditEventsDto> {
    const from = since === undefined ? undefined : new Date(since);
    return this.events.page({ userId, event, since: from }, limit, cursor);
  }

  /** Throws 404 unless there is a family with this id, live or not. */
  async requireFamily(id: string): Promise<void> {
    if (!(await this.families.exists(id))) throw refuse('not_found');
  }
}
