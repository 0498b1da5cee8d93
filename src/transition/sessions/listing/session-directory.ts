import { Injectable } from '@nestjs/common';
import type { Origin } from '../../../audit/audit-context.js';
import { refuseCursor } from '../../../common/pagination.js';
import type {
  ListedSession,
  SessionDirectory,
  SessionPage,
} from '../../../tokens/families/session-directory.service.js';
import { SessionService } from '../session.service.js';
import { SessionStore } from '../stores/session.store.js';
import type { UnlinkedSession } from '../stores/session.store.js';
import { SessionIds } from './session-ids.js';
import { SessionListStore } from './session-list.store.js';
import type { SessionPart } from './session-list.store.js';

/** Statements of one page. A page may be short if most rows belong to anonymous visitors. */
const MOST_PARTS = 10;

/** Expiries are rounded up to a second. Without this, a new session would have been used in the future. */
const ROUNDING_MS = 1_000;

/** Before every session id. */
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

  async page(limit: number, after: string | undefined, userId: string | undefined): Promise<SessionPage> {
    const start = after === undefined ? BEGINNING : await this.store.sidOf(after);
    if (start === undefined) refuseCursor();
    const part = userId === undefined ? this.partOfAll(limit, start) : this.partOfUser(userId, limit, start);
    const { sessions, last } = await part;
    const listed = sessions.map((session) => this.listed(session));
    // The last row that was read may be the session of an anonymous visitor, which is not in the list.
    const next = last === undefined ? [] : [{ id: this.ids.of(last), sid: last }];
    await this.store.remember([...listed.filter(({ sid }) => sid !== last), ...next]);
    return { sessions: listed, next: next[0]?.id ?? null };
  }

  async revokeOf(userId: string, id: string, origin: Origin): Promise<boolean> {
    const session = (await this.kept.ofUser(userId)).find(({ sid }) => this.ids.matches(id, sid));
    if (session === undefined) return this.store.isRevoked(id, userId);
    // So that the same call again is answered in the same way.
    await this.store.remember([{ id, sid: session.sid }]);
    await this.sessions.revoke({ sid: session.sid, userId }, 'logout', origin);
    return true;
  }

  async revoke(id: string, origin: Origin, actorId: string): Promise<boolean> {
    const sid = await this.store.sidOf(id);
    if (sid === undefined) return false;
    const userId = await this.store.ownerOf(sid);
    if (userId === null) return false;
    // Without a row, the session was revoked or has expired.
    if (userId !== undefined) await this.sessions.revoke({ sid, userId }, 'revoke', origin, actorId);
    return true;
  }

  private async partOfAll(limit: number, start: string): Promise<SessionPart> {
    const sessions: UnlinkedSession[] = [];
    let last: string | undefined = start;
    for (let count = 0; last !== undefined && sessions.length < limit && count < MOST_PARTS; count += 1) {
      const part: SessionPart = await this.store.part(last, limit - sessions.length);
      sessions.push(...part.sessions);
      last = part.last;
    }
    return { sessions, last };
  }

  private async partOfUser(userId: string, limit: number, start: string): Promise<SessionPart> {
    const all = (await this.kept.ofUser(userId)).toSorted((a, b) => (a.sid < b.sid ? -1 : 1));
    const left = all.filter(({ sid }) => sid > start);
    return { sessions: left.slice(0, limit), last: left.length > limit ? left[limit - 1]!.sid : undefined };
  }

  private listed({
    sid,
    userId,
    externalId,
    username,
    expiresAt,
    maxAge,
    now,
  }: UnlinkedSession): ListedSession {
    return {
      id: this.ids.of(sid),
      user_id: userId,
      external_id: externalId,
      username,
      sid,
      last_used_at: new Date(
        Math.min(now, expiresAt - this.sessions.lifeOf({ maxAge: ageIn(maxAge) }) - ROUNDING_MS),
      ),
      expires_at: new Date(expiresAt),
    };
  }
}

/** Null for text that is no positive number. Another application may have written anything. */
function ageIn(text: string | null): number | null {
  const age = Number(text ?? Number.NaN);
  return age > 0 && Number.isFinite(age) ? age : null;
}
