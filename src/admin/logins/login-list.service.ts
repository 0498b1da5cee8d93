import { Injectable } from '@nestjs/common';
import type { Principal } from '../../auth/principal.js';
import { refuse } from '../../common/common.errors.js';
import { DEFAULT_LIMIT, cursorsOf, refuseCursor } from '../../common/http/pagination.js';
import { FamilyListStore } from '../../tokens/families/family-list.store.js';
import type { ListedFamily } from '../../tokens/families/family-list.store.js';
import { SessionDirectoryService } from '../../tokens/families/session-directory.service.js';
import type { ListedSession, SessionFilter } from '../../tokens/families/session-directory.service.js';
import { UserService } from '../../users/user.service.js';
import type { TokenCountDto, TokenFamiliesDto, TokenFamilyDto } from '../tokens.dto.js';
import { familyFilterOf, timesOf } from './login-filter.dto.js';
import type { LoginFilterDto, TokenCountQueryDto, TokensQueryDto } from './login-filter.dto.js';

/** The id of the last session of a page, or nothing before the first session. */
const CURSORS_OF_SESSIONS = cursorsOf('sessions', /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/);

const EMPTY: TokenFamiliesDto = { tokens: [], next_cursor: null, searched_to: null };

/** A count that nobody asked to be exact stops here. */
const MOST_COUNTED = 10_000;

/** Lists and counts logins: token families, then sessions. */
@Injectable()
export class LoginListService {
  constructor(
    private readonly families: FamilyListStore,
    private readonly directory: SessionDirectoryService,
    private readonly users: UserService,
  ) {}

  /** A page of logins. `viewer`: whose own login is marked. Throws 400 for a cursor that no list wrote. */
  async list(query: TokensQueryDto, viewer: Principal): Promise<TokenFamiliesDto> {
    const { scheme = 'bearer', limit = DEFAULT_LIMIT, cursor } = query;
    requireOneState(query);
    if (scheme !== 'bearer' && cursor !== undefined && CURSORS_OF_SESSIONS.wrote(cursor))
      return this.sessions(query, viewer, limit, CURSORS_OF_SESSIONS.read(cursor)[0]);
    if (scheme === 'session') {
      if (cursor !== undefined) refuseCursor();
      return this.sessions(query, viewer, limit, '');
    }
    const { tokens, next_cursor, searched_to } = await this.families.page(familyFilter(query), limit, cursor);
    const families = tokens.map((family) => familyView(family, viewer));
    const isLast = next_cursor === null && scheme === 'all' && mayMatchSessions(query);
    if (!isLast) return { tokens: families, next_cursor, searched_to };
    const left = limit - families.length;
    if (left === 0)
      return { tokens: families, next_cursor: CURSORS_OF_SESSIONS.write(''), searched_to: null };
    const rest = await this.sessions(query, viewer, left, '');
    const { tokens: sessions, next_cursor: next } = rest;
    return { tokens: [...families, ...sessions], next_cursor: next, searched_to: null };
  }

  /** The number of matching logins, at most 10,000 unless the query wants the exact number. */
  async count(query: TokenCountQueryDto): Promise<TokenCountDto> {
    requireOneState(query);
    const { scheme = 'bearer', exact } = query;
    // One more, to know whether there are more.
    const most = exact === 'true' ? undefined : MOST_COUNTED + 1;
    const families = scheme === 'session' ? 0 : await this.families.count(familyFilter(query), most);
    const left = most === undefined ? undefined : most - families;
    const sessions = scheme === 'bearer' || left === 0 ? 0 : await this.countSessions(query, left);
    const count = families + sessions;
    const stopped = exact !== 'true' && count > MOST_COUNTED;
    return { count: stopped ? MOST_COUNTED : count, exact: !stopped };
  }

  private async sessions(
    query: LoginFilterDto,
    viewer: Principal,
    limit: number,
    after: string,
  ): Promise<TokenFamiliesDto> {
    const filter = await this.sessionFilter(query);
    if (filter === undefined) return EMPTY;
    const { sessions, next } = await this.directory.sessions.page(
      limit,
      after === '' ? undefined : after,
      filter,
    );
    return {
      tokens: sessions.map((session) => sessionView(session, viewer)),
      next_cursor: next === null ? null : CURSORS_OF_SESSIONS.write(next),
      searched_to: null,
    };
  }

  private async countSessions(query: LoginFilterDto, most: number | undefined): Promise<number> {
    const filter = await this.sessionFilter(query);
    return filter === undefined ? 0 : this.directory.sessions.count(filter, most);
  }

  /** Returns the filter for sessions; undefined if no session can match. */
  private async sessionFilter(query: LoginFilterDto): Promise<SessionFilter | undefined> {
    if (!mayMatchSessions(query)) return undefined;
    const { user_id, external_id, username, role } = query;
    const named = [
      ...(user_id === undefined ? [] : [user_id.toLowerCase()]),
      ...(external_id === undefined ? [] : [(await this.users.findByExternalId(external_id))?.id]),
      ...(username === undefined ? [] : [(await this.users.findByName(username))?.id]),
    ];
    const [userId] = named;
    // The filters name different users, or nobody.
    if (named.some((id) => id === undefined || id !== userId)) return undefined;
    const { usedSince, usedBefore } = timesOf(query);
    return { userId, role, usedSince, usedBefore };
  }
}

/** Sessions have no known address, user agent, beginning or reason, and only live ones are listed. */
function mayMatchSessions({ ip, user_agent, began_since, began_before, reason, ...query }: LoginFilterDto) {
  const unknown = [ip, user_agent, began_since, began_before, reason];
  const live = (query.state ?? 'active') === 'active' && query.active !== 'false';
  return live && unknown.every((value) => value === undefined);
}

function familyFilter(query: LoginFilterDto) {
  const { active } = query;
  const state = active === undefined ? query.state : active === 'true' ? 'active' : 'ended';
  return { ...familyFilterOf(query), state };
}

function requireOneState({ state, active }: LoginFilterDto): void {
  if (state === undefined || active === undefined) return;
  const message = 'state must not be sent together with active';
  throw refuse('validation_failed', { errors: [{ field: 'state', message }] });
}

/** A family, marked if the viewer's own request belongs to it. */
export function familyView(family: ListedFamily, { sid }: Principal): TokenFamilyDto {
  return { ...family, scheme: 'bearer', current: family.id === sid };
}

/** A live session in the form of a token family. Its login may be older than its last use. */
function sessionView(session: ListedSession, { sessionId }: Principal): TokenFamilyDto {
  const { id, user_id, external_id, username, role, last_used_at, expires_at } = session;
  return {
    id,
    scheme: 'session',
    user_id,
    external_id,
    username,
    role,
    created_at: last_used_at,
    last_used_at,
    expires_at,
    ip: null,
    user_agent: null,
    delivery: 'cookie',
    state: 'active',
    revoked_at: null,
    revoke_reason: null,
    revoked_by: null,
    revoke_note: null,
    linked: false,
    current: session.sid === sessionId,
  };
}
