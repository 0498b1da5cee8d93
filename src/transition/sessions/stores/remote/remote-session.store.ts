import { setTimeout as delay } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { Origin } from '../../../../audit/audit-context.js';
import { batched } from '../../../../database/batched.js';
import type { Database, Sql } from '../../../../database/database.js';
import type { StoredCookie } from '../express-session.codec.js';
import { withCookie } from '../postgres-session.store.js';
import type { FoundSession, PostgresSessionStore } from '../postgres-session.store.js';
import { SessionStore } from '../session.store.js';
import type {
  LinkState,
  LiveSession,
  NewSession,
  SessionExtension,
  Sweep,
  UnlinkedSession,
} from '../session.store.js';
import type { RemoteSessions } from './remote-sessions.js';
import type { SessionRecordStore } from './session-record.store.js';
import type { FoundThere, SessionRecorder } from './session-recorder.js';
import type { SessionSearchStore } from './session-search.store.js';
import type { UnseenSessionsService } from './unseen-sessions.service.js';

/** The number of linked sessions in one search. Each is read from the product's store. */
const SWEEP = 250;

/** How long a revocation waits for the search for unseen sessions, which continues in the background. */
const SEARCH_WAIT_MS = 1_000;

/** The outcome for one session of a batch. A failure of one does not fail the others. */
interface Looked {
  readonly sid: string;
  readonly session?: LiveSession;
  readonly failure?: unknown;
}

/**
 * Sessions that the product keeps outside of the database. When Tandem sees a session of a known user, it stores a record in the database,
 * in the form of a row of a session table. So links, revocations, lists and the report work as with a table. The product's store decides
 * whether a session exists and which user it names. The database decides whether it is revoked.
 */
export class RemoteSessionStore extends SessionStore {
  private readonly logger = new Logger(RemoteSessionStore.name);
  private readonly lookedAt = batched((sids: readonly string[]) => this.look([...new Set(sids)]), {
    request: (sid: string) => sid,
    row: ({ sid }: Looked) => sid,
  });

  constructor(
    private readonly remote: RemoteSessions,
    private readonly database: Database,
    private readonly recorded: PostgresSessionStore,
    private readonly recorder: SessionRecorder,
    private readonly records: SessionRecordStore,
    private readonly searches: SessionSearchStore,
    private readonly unseen: UnseenSessionsService,
  ) {
    super();
  }

  /**
   * Returns a live session. Also throws 503 if the session's user was revoked and it is not known yet whether the session was created
   * before.
   */
  async live(sid: string): Promise<LiveSession | undefined> {
    const looked = await this.lookedAt(sid);
    if (looked?.failure !== undefined) throw looked.failure;
    return looked?.session;
  }

  liveIn(sql: Sql, sid: string): Promise<LiveSession | undefined> {
    return this.recorded.liveIn(sql, sid);
  }

  async userNamedBy(sid: string): Promise<string | undefined> {
    const [session] = await this.remote.find([sid]);
    if (session?.user === undefined || (await this.records.isRevoked(sid))) return undefined;
    return session.user;
  }

  async cookieOf(sid: string): Promise<StoredCookie | undefined> {
    return (await this.remote.find([sid]))[0]?.cookie;
  }

  cookieOfFamily(sql: Sql, familyId: string): Promise<StoredCookie | undefined> {
    return this.recorded.cookieOfFamily(sql, familyId);
  }

  /**
   * Creates a session, first in the product's store, because nobody knows the id yet. If the record cannot be written, deletes the session
   * there. With SESSION_STORE=callback, the product has its own login, so nothing is created.
   */
  async create(session: NewSession, epoch: number, origin: Origin): Promise<boolean> {
    if (this.remote.opaque) return false;
    await this.remote.save(session);
    const created = await this.recorded.create(session, epoch, origin);
    if (!created) await this.remove([session.sid]);
    return created;
  }

  async insert<Session extends NewSession>(sql: Sql, session: Session): Promise<Session> {
    return this.recorded.insert(sql, await this.remote.save(session));
  }

  setCookiesOf(sid: string): Promise<readonly string[] | undefined> {
    return this.remote.setCookiesOf(sid);
  }

  async touch(sid: string, expiresAt: number, unless: number): Promise<StoredCookie | undefined> {
    if (this.remote.opaque) return undefined;
    const there = await this.remote.extend([{ sid, until: new Date(expiresAt) }]);
    return there.has(sid) ? this.recorded.touch(sid, expiresAt, unless) : undefined;
  }

  async extend(extensions: readonly SessionExtension[]): Promise<void> {
    if (extensions.length === 0 || this.remote.opaque) return;
    try {
      const there = await this.remote.extend(extensions);
      await this.recorded.extend(extensions.filter(({ sid }) => there.has(sid)));
    } catch (error) {
      this.logger.warn({ err: error }, 'failed to extend sessions; their next use will retry');
    }
  }

  /**
   * Extends a session. The record of a session that cannot be extended keeps its expiry, which shows when a missing session has expired.
   */
  async hold(sql: Sql, sid: string, userId: string, until: number): Promise<boolean> {
    if (this.remote.opaque) return this.recorded.hold(sql, sid, userId, 0);
    const there = await this.remote.extend([{ sid, until: new Date(until) }]);
    return there.has(sid) && this.recorded.hold(sql, sid, userId, until);
  }

  /** Deletes sessions from the product's store. The records stay until it has answered, so that `removeRevived` repeats the call. */
  async remove(sids: readonly string[]): Promise<void> {
    if (sids.length === 0) return;
    try {
      await this.remote.delete(sids);
    } catch (error) {
      this.logger.warn(
        { err: error },
        'failed to delete revoked sessions; they are refused, and the deletion will be retried',
      );
      return;
    }
    await this.recorded.remove(sids);
  }

  refuseUnseen(sql: Sql, userIds: readonly string[]): Promise<void> {
    return this.searches.add(sql, userIds);
  }

  async clear(sids: readonly string[]): Promise<void> {
    await this.remove(sids);
    const search = this.unseen.search().catch((error: unknown) => {
      this.logger.warn(
        { err: error },
        'failed to find unseen sessions of revoked users; they are refused, and the search will be retried',
      );
    });
    const waited = new AbortController();
    await Promise.race([search, delay(SEARCH_WAIT_MS, undefined, { ref: false, signal: waited.signal })]);
    waited.abort();
  }

  async removeRevived(seconds: number, batch: number): Promise<void> {
    await this.remove(await this.records.revivable(this.remote.revives ? seconds : 0, batch));
  }

  /** The product may have extended a session that looks expired here. If nobody can tell, its next use records it again. */
  async removeExpired(batch: number): Promise<void> {
    const expired = await this.records.expired(batch);
    await (this.remote.opaque ? this.records.remove(expired) : this.refresh(expired));
  }

  async ofUser(userId: string): Promise<UnlinkedSession[]> {
    const known = await this.recorded.ofUser(userId);
    if (this.remote.opaque) return known;
    await this.refresh(known.map(({ sid }) => sid));
    return this.recorded.ofUser(userId);
  }

  async stateOf(familyId: string): Promise<LinkState | undefined> {
    const sid = await this.records.linkedTo(familyId);
    if (sid === undefined) return undefined;
    await this.refresh([sid]);
    return this.recorded.stateOf(familyId);
  }

  async sweep(after: string, batch: number): Promise<Sweep> {
    const size = Math.min(batch, SWEEP);
    if (!this.remote.opaque) await this.refresh(await this.records.linkedAfter(after, size));
    return this.recorded.sweep(after, size);
  }

  /** Brings the records of these sessions up to date. */
  async refresh(sids: readonly string[]): Promise<void> {
    if (sids.length > 0) await this.update(sids, await this.recorder.find(sids, true));
  }

  /** Brings the existing records of these sessions up to date. The product's store has many other sessions. */
  async refreshRecorded(sids: readonly string[]): Promise<void> {
    const known = await this.records.find(sids);
    await this.refresh(sids.filter((sid) => (known.get(sid)?.text ?? null) !== null));
  }

  /** Both reads happen after the request arrived, so their order does not matter: what was revoked before is revoked in the database. */
  private async look(sids: readonly string[]): Promise<Looked[]> {
    const [there, found] = await Promise.all([
      this.recorder.find(sids),
      this.recorded.found(this.database, sids),
    ]);
    const known = new Map(found.map((session) => [session.sid, session]));
    const due = sids.filter((sid) => !this.recorder.isCurrent(there.get(sid), known.get(sid)));
    const answers = new Map<string, Looked>(found.map((session) => [session.sid, lookedAt(session)]));
    if (due.length === 0) return [...answers.values()];
    const failures = await this.update(due, there);
    for (const sid of due) answers.delete(sid);
    for (const session of await this.recorded.found(this.database, due))
      if (there.has(session.sid)) answers.set(session.sid, lookedAt(session));
    for (const [sid, failure] of failures) answers.set(sid, { sid, failure });
    return [...answers.values()];
  }

  /** Returns why sessions could not be recorded. */
  private async update(sids: readonly string[], there: FoundThere): Promise<ReadonlyMap<string, unknown>> {
    const { revived, failures } = await this.recorder.update(sids, there);
    await this.remove(revived);
    return failures;
  }
}

function lookedAt(session: FoundSession): Looked {
  return { sid: session.sid, session: withCookie(session) };
}
