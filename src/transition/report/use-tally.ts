import { USE_SPAN } from './report-spans.js';
import { OTHER } from './request-tally.js';
import type { Scheme } from './scheme.js';

/** That a user came in, in one hour on this node. Times in milliseconds. */
export interface UseRow {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly scheme: Scheme;
  readonly userId: string;
  readonly userAgent: string;
  readonly requests: number;
  readonly first: number;
  readonly last: number;
}

interface Kept {
  readonly row: { -readonly [Key in keyof UseRow]: UseRow[Key] };
  queued: boolean;
}

/** Users and user agents kept in memory at once. Who comes beyond them is not counted among the users. */
const MAX_USES = 100_000;

const MAX_PER_BATCH = 20_000;

/** Of users that are known to have come by token in an hour, how many times of the last request are written at once. */
const AGAIN_PER_BATCH = 1_000;

/** Of one user on a day; the rest counts as one, so that nobody fills the table with names made up. */
const AGENTS_PER_USER = 8;
const MAX_AGENT_OWNERS = 50_000;
const DAY = 86_400_000;

/**
 * Notes who came in, by scheme and hour, until it is taken to be written. Sessions are counted request by request with
 * their user agent. Of tokens only who came is kept, so that users who come again and again cost little: the time of the last
 * request is written when there is room in a batch.
 */
export class UseTally {
  private readonly hours = new Map<number, Map<string, Kept>>();
  private size = 0;
  private first: Kept[] = [];
  private again: Kept[] = [];
  private agents = new Map<string, Set<string>>();
  private agentsDay = 0;

  note(scheme: Scheme, userId: string, userAgent: string, at: number): void {
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
      const row = { at: hour, scheme, userId, userAgent: agent, requests: 0, first: at, last: at };
      use = { row, queued: true };
      uses.set(key, use);
      this.size += 1;
      this.first.push(use);
    } else if (!use.queued) {
      use.queued = true;
      use.row.first = at;
      (scheme === 'session' ? this.first : this.again).push(use);
    }
    if (scheme === 'session') use.row.requests += 1;
    use.row.last = at;
  }

  get empty(): boolean {
    return this.first.length === 0 && this.again.length === 0;
  }

  /** Distinct users of the latest hour. */
  users(): Record<Scheme, number> {
    const latest = this.hours.get(Math.max(...this.hours.keys()));
    const rows = [...(latest?.values() ?? [])].map(({ row }) => row);
    const of = (scheme: Scheme) =>
      new Set(rows.filter((row) => row.scheme === scheme).map(({ userId }) => userId)).size;
    return { bearer: of('bearer'), session: of('session') };
  }

  /** What is to be written now; the rest waits for the next time. */
  take(): UseRow[] {
    const taken = [...this.first.splice(0, MAX_PER_BATCH), ...this.again.splice(0, AGAIN_PER_BATCH)];
    const rows = taken.map((use) => ({ ...use.row }));
    for (const use of taken) {
      use.queued = false;
      use.row.requests = 0;
    }
    this.forgetHours();
    return rows;
  }

  /** Hours that have passed and are written. */
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
