import { binOf } from './latency-histogram.js';
import type { CountKind } from './report-bucket.entity.js';
import { SCHEMES } from './scheme.js';
import type { Scheme } from './scheme.js';

/** A sum of one second on this node. */
export interface CountRow {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly scheme: Scheme;
  readonly kind: CountKind;
  readonly key: string;
  readonly n: number;
}

/** Codes are words of our tables; were there ever more in a second, the rest is counted together. */
const MAX_CODES = 64;
export const OTHER = 'other';

/** Seconds kept apart while they cannot be written. What comes after them is dated to the last of them. */
const MAX_SECONDS = 300;

interface Sums {
  readonly bins: Map<number, number>;
  readonly errors: Map<string, number>;
}

type Second = Readonly<Record<Scheme, Sums>>;

/** Counts requests by scheme and second until they are taken to be written. Never holds more than its bounds. */
export class RequestTally {
  private seconds = new Map<number, Second>();
  private last: { readonly at: number; readonly sums: Second } | undefined;

  /** `at`, `duration`: milliseconds. `code`: of the problem that was answered, if it was one. */
  count(scheme: Scheme, at: number, duration: number, code: string | undefined): void {
    const { bins, errors } = this.secondOf(Math.floor(at / 1000))[scheme];
    add(bins, binOf(duration));
    if (code !== undefined) add(errors, errors.size < MAX_CODES || errors.has(code) ? code : OTHER);
  }

  get empty(): boolean {
    return this.seconds.size === 0;
  }

  /** What has been counted since the last time. */
  take(): CountRow[] {
    const rows: CountRow[] = [];
    for (const [at, second] of this.seconds) {
      for (const scheme of SCHEMES) {
        for (const [bin, n] of second[scheme].bins)
          rows.push({ at, scheme, kind: 'latency', key: String(bin), n });
        for (const [key, n] of second[scheme].errors) rows.push({ at, scheme, kind: 'error', key, n });
      }
    }
    this.seconds = new Map();
    this.last = undefined;
    return rows;
  }

  private secondOf(at: number): Second {
    if (this.last?.at === at) return this.last.sums;
    let sums = this.seconds.get(at);
    if (sums === undefined) {
      if (this.last !== undefined && this.seconds.size >= MAX_SECONDS) return this.last.sums;
      sums = {
        bearer: { bins: new Map(), errors: new Map() },
        session: { bins: new Map(), errors: new Map() },
      };
      this.seconds.set(at, sums);
    }
    this.last = { at, sums };
    return sums;
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
