import { unavailable } from '../../../../common/common.errors.js';
import type { RemoteSession, RemoteSessions } from './remote-sessions.js';
import { isRecorded, noteOf } from './session-note.js';
import type { SessionNote } from './session-note.js';
import type { KnownSession, SessionRecordStore } from './session-record.store.js';

/** Sessions that exist in the product's store, by their ids. */
export type FoundThere = ReadonlyMap<string, RemoteSession>;

/** The result of an update. */
export interface Updated {
  /** Revoked sessions that the product has written again. */
  readonly revived: readonly string[];
  /** Why sessions could not be recorded, by their ids. A failure of one does not fail the others. */
  readonly failures: ReadonlyMap<string, unknown>;
}

const SEARCHING = new Error('a search for unseen sessions has not finished');

/** Keeps the records of sessions equal to what the product's store has. */
export class SessionRecorder {
  constructor(
    private readonly remote: RemoteSessions,
    private readonly records: SessionRecordStore,
    private readonly path: readonly string[],
  ) {}

  /** `again`: ignore answers that are older than the call. */
  async find(sids: readonly string[], again = false): Promise<FoundThere> {
    return new Map((await this.remote.find(sids, again)).map((session) => [session.sid, session]));
  }

  /** Whether the record says what the product's store says. `sess`: the content of the record. */
  isCurrent(
    there: RemoteSession | undefined,
    record: { readonly sess: string; readonly expiresAt: number } | undefined,
  ): boolean {
    if (there === undefined || record === undefined) return there === record;
    return isRecorded(noteOf(there, this.path), { text: record.sess, expiresAt: record.expiresAt });
  }

  /** Deletes the records of sessions that are gone, and records those that have changed or are seen for the first time. */
  async update(sids: readonly string[], there: FoundThere): Promise<Updated> {
    const known = await this.records.find(sids);
    const gone = [...known.values()].filter(({ sid, text }) => text !== null && !there.has(sid));
    await this.records.remove(gone.map(({ sid }) => sid));
    const notes = sids.flatMap((sid) => there.get(sid) ?? []).map((session) => noteOf(session, this.path));
    const isRevoked = ({ sid }: SessionNote) => known.get(sid)?.revoked === true;
    const live = notes.filter((note) => !isRevoked(note));
    const same = live.filter((note) => isSameUser(note, known.get(note.sid)));
    await this.records.update(same.filter((note) => !isRecorded(note, known.get(note.sid)!)));
    const others = live.filter(({ sid, user }) => user !== undefined || known.has(sid));
    return {
      revived: notes.filter(isRevoked).map(({ sid }) => sid),
      failures: await this.see(others.filter((note) => !same.includes(note))),
    };
  }

  /** One transaction for each, so that a locked user makes nobody else wait. */
  private async see(notes: readonly SessionNote[]): Promise<ReadonlyMap<string, unknown>> {
    const failures = new Map<string, unknown>();
    const see = async (note: SessionNote) => {
      try {
        if ((await this.records.see(note)) === 'searching') failures.set(note.sid, unavailable(SEARCHING));
      } catch (error) {
        failures.set(note.sid, error);
      }
    };
    await Promise.all(notes.map(see));
    return failures;
  }
}

function isSameUser({ user }: SessionNote, known: KnownSession | undefined): boolean {
  return user !== undefined && known?.user === user;
}
