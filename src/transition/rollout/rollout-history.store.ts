import { Injectable } from '@nestjs/common';
import { cursorsOf, refuseCursor } from '../../common/http/pagination.js';
import { Database } from '../../database/database.js';
import type { RolloutState } from './rollout-state.js';
import { changesOf, iso, stateView } from './rollout-view.js';
import type { ChangesView, StateView } from './rollout-view.js';
import { STATE_COLUMNS } from './rollout.store.js';

/** A version, in the form for administrators. */
export interface HistoryEvent {
  readonly version: number;
  readonly at: string;
  readonly actor_id: string | null;
  readonly actor: string | null;
  readonly cause: string;
  readonly changes: ChangesView;
  readonly state: StateView;
}

interface Row extends RolloutState {
  readonly at: number;
  readonly actor_id: string | null;
  readonly actor: string | null;
  readonly cause: string;
}

const LIST = `
  SELECT ${STATE_COLUMNS}, round(extract(epoch FROM at) * 1000)::float8 AS at, actor_id, cause,
    CASE
      WHEN actor_id IS NOT NULL THEN (SELECT username FROM users WHERE id = actor_id)
      WHEN operator IS NOT NULL THEN 'command line (' || operator || ')'
      WHEN cause IN ('changed', 'rolled_back') THEN 'command line'
    END AS actor
  FROM rollout_versions WHERE version < $1 ORDER BY version DESC LIMIT $2`;

/** A cursor holds a version. */
const CURSORS = cursorsOf('rollout', /^[1-9]\d{0,9}$/);

const MAX_VERSION = 2_147_483_647;

/** Lists who changed the rollout, how and when. */
@Injectable()
export class RolloutHistoryStore {
  constructor(private readonly database: Database) {}

  /** Newest first. Throws 400 for an invalid cursor. */
  async list(limit: number, cursor: string | undefined) {
    // One more than the page: the state before its last change.
    const rows = await this.database.query<Row & Record<string, unknown>>(LIST, [
      versionIn(cursor),
      limit + 1,
    ]);
    const events = rows.slice(0, limit).map((row, index): HistoryEvent => {
      const { version, at, actor_id, actor, cause } = row;
      const changes = changesOf(rows[index + 1], row);
      return { version, at: iso(at), actor_id, actor, cause, changes, state: stateView(row) };
    });
    return {
      events,
      next_cursor: rows.length > limit ? CURSORS.write(String(events.at(-1)!.version)) : null,
    };
  }
}

function versionIn(cursor: string | undefined): number {
  if (cursor === undefined) return MAX_VERSION;
  const version = Number(CURSORS.read(cursor)[0]);
  return version <= MAX_VERSION ? version : refuseCursor();
}
