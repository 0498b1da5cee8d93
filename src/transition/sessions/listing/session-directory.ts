import { Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { refuseCursor } from '../../../common/http/pagination.js';
import type {
  LinkedLogin,
  ListedSession,
  SessionDirectory,
  SessionFilter,
  SessionPage,
} from '../../../tokens/families/session-directory.service.js';
import type { Revoker } from '../../../tokens/families/refresh-token.store.js';
import { SessionService } from '../session.service.js';
import { SessionStore } from '../stores/session.store.js';
import type { UnlinkedSession } from '../stores/session.store.js';
import { SessionIds } from './session-ids.js';
import { PART, SessionListStore } from './session-list.store.js';
import type { SessionPart } from './session-list.store.js';

/** Statements of one page. A page may be short if most rows belong to anonymous visitors. */
const MOST_PARTS = 10;

/** Expiries are rounded up to a second. Without this, a new session would have been used in the future. */
const ROUNDING_MS = 1_000;

/** A text that sorts before every session id. */
const BEGINNING = '';

/** Lists the sessions of users under ids that reveal nothing, and revokes them by these ids. */
@Injectable()
export class PublicSessionDirectory implements SessionDirectory {
  constructor(
    private readonly store: SessionListStore,
    private readonly ids: SessionIds,
    private readonly sessions: SessionService,
    private readonly kept: SessionStore,
  ) {}

  async ofUser(userId: string): Promise<readonly ListedSession[]> {
    return (await this.kept.ofUser(userId)).map((session) => this.listed(session));
  }

  async page(limit: number, after: string | undefined, filter: SessionFilter): Promise<SessionPage> {
    const start = after === undefined ? BEGINNING : await this.store.sidOf(after);
    if (start === undefined) refuseCursor();
    const { sessions, last } = await this.part(filter, limit, start, MOST_PARTS);
    const listed = sessions.map((session) => this.listed(session));
    // The last row that was read may be the session of an anonymous visitor, which is not in the list.
    const next = last === undefined ? [] : [{ id: this.ids.of(last), sid: last }];
    await this.store.remember([...listed.filter(({ sid }) => sid !== last), ...next]);
    return { sessions: listed, next: next[0]?.id ?? null };
  }

  async linkedTo(familyId: string): Promise<readonly LinkedLogin[]> {
    const links = await this.store.linksOf(familyId);
    const named = links.map((link) => ({ ...link, id: this.ids.of(link.sid) }));
    // So that an administrator can revoke them by these ids.
    await this.store.remember(named);
    return named.flatMap(({ id, live, isExchange, downgradedId }): LinkedLogin[] => {
      if (!isExchange) return [{ kind: 'downgraded_to', scheme: 'session', id, live }];
      const session: LinkedLogin = { kind: 'exchanged_from', scheme: 'session', id, live };
      if (downgradedId === null) return [session];
      return [session, { kind: 'downgraded_from', scheme: 'bearer', id: downgradedId, live: false }];
    });
  }

  async revokeOf(userId: string, id: string, origin: Origin): Promise<boolean> {
    const session = (await this.kept.ofUser(userId)).find(({ sid }) => this.ids.matches(id, sid));
    if (session === undefined) return this.store.isRevoked(id, userId);
    // So that the same call again is answered in the same way.
    await this.store.remember([{ id, sid: session.sid }]);
    await this.sessions.revoke({ sid: session.sid, userId }, 'logout', origin);
    return true;
  }

  async revoke(id: string, origin: Origin, by: Revoker): Promise<boolean> {
    const sid = await this.store.sidOf(id);
    if (sid === undefined) return false;
    const userId = await this.store.ownerOf(sid);
    if (userId === null) return false;
    // Without a row, the session was revoked or has expired.
    if (userId !== undefined) await this.sessions.revoke({ sid, userId }, 'revoke', origin, by);
    return true;
  }

  async count(filter: SessionFilter, most = Number.MAX_SAFE_INTEGER): Promise<number> {
    const limit = Math.min(most, PART);
    let count = 0;
    let last: string | undefined = BEGINNING;
    while (last !== undefined && count < most) {
      const part: SessionPart = await this.part(filter, limit, last, 1);
      count += part.sessions.length;
      last = part.last;
    }
    return Math.min(count, most);
  }

  /** Runs at most `parts` statements. */
  private part(filter: SessionFilter, limit: number, start: string, parts: number): Promise<SessionPart> {
    const { userId } = filter;
    return userId === undefined
      ? this.partOfAll(filter, limit, start, parts)
      : this.partOfUser(userId, filter, limit, start);
  }

  private async partOfAll(
    filter: SessionFilter,
    limit: number,
    start: string,
    parts: number,
  ): Promise<SessionPart> {
    const sessions: UnlinkedSession[] = [];
    let last: string | undefined = start;
    for (let count = 0; last !== undefined && sessions.length < limit && count < parts; count += 1) {
      const part: SessionPart = await this.store.part(last, limit - sessions.length, filter.role);
      sessions.push(...part.sessions.filter((session) => this.matches(session, filter)));
      last = part.last;
    }
    return { sessions, last };
  }

  private async partOfUser(
    userId: string,
    filter: SessionFilter,
    limit: number,
    start: string,
  ): Promise<SessionPart> {
    const all = (await this.kept.ofUser(userId)).toSorted((a, b) => (a.sid < b.sid ? -1 : 1));
    const left = all.filter((session) => session.sid > start && this.matches(session, filter));
    return { sessions: left.slice(0, limit), last: left.length > limit ? left[limit - 1]!.sid : undefined };
  }

  private matches(session: UnlinkedSession, { role, usedSince, usedBefore }: SessionFilter): boolean {
    const usedAt = this.usedAt(session);
    return (
      (role === undefined || session.role === role) &&
      (usedSince === undefined || usedAt >= usedSince.getTime()) &&
      (usedBefore === undefined || usedAt < usedBefore.getTime())
    );
  }

  /** Milliseconds. A session is extended by its own life when it is used. */
  private usedAt({ expiresAt, maxAge, now }: UnlinkedSession): number {
    return Math.min(now, expiresAt - this.sessions.lifeOf({ maxAge: ageIn(maxAge) }) - ROUNDING_MS);
  }

  private listed(session: UnlinkedSession): ListedSession {
    const { sid, userId, externalId, username, role, expiresAt } = session;
    return {
      id: this.ids.of(sid),
      user_id: userId,
      external_id: externalId,
      username,
      role,
      sid,
      last_used_at: new Date(this.usedAt(session)),
      expires_at: new Date(expiresAt),
    };
  }
}

/** Returns the age that a text states; null if the text is not a positive number. Another application may have written anything. */
function ageIn(text: string | null): number | null {
  const age = Number(text ?? Number.NaN);
  return age > 0 && Number.isFinite(age) ? age : null;
}
