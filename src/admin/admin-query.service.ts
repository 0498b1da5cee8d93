import { Injectable } from '@nestjs/common';
import { AuditLogStore } from '../audit/audit-log.store.js';
import { DEFAULT_LIMIT, cursorsOf, refuseCursor } from '../common/pagination.js';
import { FamilyListStore } from '../tokens/families/family-list.store.js';
import { SessionDirectoryService } from '../tokens/families/session-directory.service.js';
import type { ListedSession } from '../tokens/families/session-directory.service.js';
import { UserService } from '../users/user.service.js';
import { AccountStore } from '../users/account.store.js';
import { adminUserView } from './admin.dto.js';
import type { AdminUsersDto, AdminUsersQueryDto } from './admin.dto.js';
import type { AuditEventsDto, AuditQueryDto } from './audit.dto.js';
import type { TokenFamiliesDto, TokenFamilyDto, TokensQueryDto } from './tokens.dto.js';

/** The id of the last session of a page, or nothing before the first session. */
const CURSORS_OF_SESSIONS = cursorsOf('sessions', /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/);

const EMPTY: TokenFamiliesDto = { tokens: [], next_cursor: null };

/** The lists that administrators read, page by page. Throws 400 for a cursor that no list wrote. */
@Injectable()
export class AdminQueryService {
  constructor(
    private readonly accounts: AccountStore,
    private readonly families: FamilyListStore,
    private readonly events: AuditLogStore,
    private readonly directory: SessionDirectoryService,
    private readonly users: UserService,
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

  /** Token families, then sessions, as the query asks for. */
  async listTokens(query: TokensQueryDto): Promise<TokenFamiliesDto> {
    const { scheme = 'bearer', limit = DEFAULT_LIMIT, cursor } = query;
    // Sessions have no known address, and only live ones are listed.
    const withSessions = scheme !== 'bearer' && query.ip === undefined && query.active !== 'false';
    if (scheme !== 'bearer' && cursor !== undefined && CURSORS_OF_SESSIONS.wrote(cursor)) {
      const after = CURSORS_OF_SESSIONS.read(cursor)[0];
      return withSessions ? this.sessions(query, limit, after) : EMPTY;
    }
    if (scheme === 'session') {
      if (cursor !== undefined) refuseCursor();
      return withSessions ? this.sessions(query, limit, '') : EMPTY;
    }
    const page = await this.bearer(query, limit);
    if (page.next_cursor !== null || !withSessions) return page;
    const left = limit - page.tokens.length;
    if (left === 0) return { tokens: page.tokens, next_cursor: CURSORS_OF_SESSIONS.write('') };
    const rest = await this.sessions(query, left, '');
    return { tokens: [...page.tokens, ...rest.tokens], next_cursor: rest.next_cursor };
  }

  private async bearer(query: TokensQueryDto, limit: number): Promise<TokenFamiliesDto> {
    const active = query.active === undefined ? undefined : query.active === 'true';
    const filter = { userId: query.user_id, externalId: query.external_id, ip: query.ip, active };
    const { tokens, next_cursor } = await this.families.page(filter, limit, query.cursor);
    return { tokens: tokens.map((family) => ({ ...family, scheme: 'bearer' })), next_cursor };
  }

  private async sessions(
    { user_id, external_id }: TokensQueryDto,
    limit: number,
    after: string,
  ): Promise<TokenFamiliesDto> {
    const owner = external_id === undefined ? undefined : await this.users.findByExternalId(external_id);
    const userId = owner?.id ?? user_id?.toLowerCase();
    // The two filters name different users, or nobody.
    if (external_id !== undefined && (owner === undefined || (user_id ?? userId)?.toLowerCase() !== owner.id))
      return EMPTY;
    const { sessions, next } = await this.directory.sessions.page(
      limit,
      after === '' ? undefined : after,
      userId,
    );
    return {
      tokens: sessions.map(sessionView),
      next_cursor: next === null ? null : CURSORS_OF_SESSIONS.write(next),
    };
  }

  listEvents(query: AuditQueryDto): Promise<AuditEventsDto> {
    const since = query.since === undefined ? undefined : new Date(query.since);
    const filter = { userId: query.user_id, externalId: query.external_id, event: query.event, since };
    return this.events.page(filter, query.limit ?? DEFAULT_LIMIT, query.cursor);
  }
}

/** A live session in the form of a token family. Its login may be older than its last use. */
function sessionView(session: ListedSession): TokenFamilyDto {
  const { id, user_id, external_id, username, last_used_at, expires_at } = session;
  return {
    id,
    scheme: 'session',
    user_id,
    external_id,
    username,
    created_at: last_used_at,
    last_used_at,
    expires_at,
    ip: null,
    user_agent: null,
    delivery: 'cookie',
    state: 'active',
    revoked_at: null,
    revoke_reason: null,
  };
}
