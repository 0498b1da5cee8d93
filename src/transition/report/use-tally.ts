import { USE_SPAN } from './report-window.js';
import { OTHER } from './request-tally.js';
import type { Scheme } from './report.entity.js';

/** One user's requests under one scheme in one hour on this node. `first` and `last`: since the previous write, in milliseconds. */
export interface UseRow {
  /** The start of the hour, in seconds since the epoch. */
  readonly at: number;
  readonly scheme: Scheme;
  readonly userId: string;
  readonly userAgent: string;
  readonly requests: number;
  readonly first: number;
  readonly last: number;
  /** The last use of a session that had not been exchanged for tokens, since the previous write. Null: none, and always for `bearer`. */
  readonly unlinked: number | null;
}

interface Kept {
  readonly row: { -readonly [Key in keyof UseRow]: UseRow[Key] };
  queued: boolean;
}

/** The most pairs of user and user agent in memory. Further pairs are not counted. */
const MAX_USES = 100_000;

const MAX_PER_BATCH = 20_000;

/** The most updates of token users' last requests in one batch. */
const UPDATES_PER_BATCH = 1_000;

/** User agents of one user on one day. Further ones count as `other`, so a client cannot fill the table with made-up names. */
const AGENTS_PER_USER = 8;
const MAX_AGENT_OWNERS = 50_000;
const DAY = 86_400_000;

/**
 * Collects the users by scheme and hour until they are written. Each session request is counted with its user agent. For tokens only the
 * user is stored, so that frequent users cost little: the time of their last request is written when a batch has room.
 */
export class UseTally {
  private readonly hours = new Map<number, Map<string, Kept>>();
  private size = 0;
  private first: Kept[] = [];
  private updates: Kept[] = [];
  private agents = new Map<string, Set<string>>();
  private agentsDay = 0;

  /** `linked`: the session had been exchanged for tokens before. */
  note(scheme: Scheme, userId: string, userAgent: string, at: number, linked = false): void {
    const agent = scheme === 'session' ? this.agentOf(userId, userAgent, at) : '';
    const key = agent === '' ? userId : `${userId} ${agent}`;
    const hour = Math.floor(at / 1000 / USE_SPAN) * USE_SPAN;
    let uses = this.hours.get(hour);
    if (uses === undefined) {
      this.hours.set(hour, (uses = new Map()));
      this.forgetHours();
    }
    let use = uses.get(key);
    if (use === undefined) {
      if (this.size >= MAX_USES) return;
      const row = {
        at: hour,
        scheme,
        userId,
        userAgent: agent,
        requests: 0,
        first: at,
        last: at,
        unlinked: null,
      };
      use = { row, queued: true };
      uses.set(key, use);
      this.size += 1;
      this.first.push(use);
    } else if (!use.queued) {
      use.queued = true;
      use.row.first = at;
      (scheme === 'session' ? this.first : this.updates).push(use);
    }
    if (scheme === 'session') use.row.requests += 1;
    use.row.last = at;
    if (scheme === 'session' && !linked) use.row.unlinked = at;
  }

  get empty(): boolean {
    return this.first.length === 0 && this.updates.length === 0;
  }

  /** Distinct users in the latest hour. */
  users(): Record<Scheme, number> {
    const latest = this.hours.get(Math.max(...this.hours.keys()));
    const rows = [...(latest?.values() ?? [])].map(({ row }) => row);
    const of = (scheme: Scheme) =>
      new Set(rows.filter((row) => row.scheme === scheme).map(({ userId }) => userId)).size;
    return { bearer: of('bearer'), session: of('session') };
  }

  /** Returns the rows of the next batch. The others wait. */
  take(): UseRow[] {
    const taken = [...this.first.splice(0, MAX_PER_BATCH), ...this.updates.splice(0, UPDATES_PER_BATCH)];
    const rows = taken.map((use) => ({ ...use.row }));
    for (const use of taken) {
      use.queued = false;
      use.row.requests = 0;
      use.row.unlinked = null;
    }
    this.forgetHours();
    return rows;
  }

  /** Forgets past hours once they are written. */
  private forgetHours(): void {
    const latest = Math.max(...this.hours.keys());
    for (const [hour, uses] of this.hours) {
      if (hour === latest || [...uses.values()].some(({ queued }) => queued)) continue;
      this.hours.delete(hour);
      this.size -= uses.size;
    }
  }

  private agentOf(userId: string, userAgent: string, at: number): string {
    const day = Math.floor(at / DAY);
    if (day !== this.agentsDay || this.agents.size >= MAX_AGENT_OWNERS) this.agents = new Map();
    this.agentsDay = day;
    let agents = this.agents.get(userId);
    if (agents === undefined) this.agents.set(userId, (agents = new Set()));
    if (agents.has(userAgent)) return userAgent;
    if (agents.size >= AGENTS_PER_USER) return OTHER;
    agents.add(userAgent);
    return userAgent;
  }
}
