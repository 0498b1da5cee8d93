import { binOf } from './latency-histogram.js';
import { SCHEMES } from './report.entity.js';
import type { CountKind, Scheme } from './report.entity.js';

/** A sum over one second on this node. */
export interface CountRow {
  /** The time of the request, in seconds since the epoch. */
  readonly at: number;
  readonly scheme: Scheme;
  readonly kind: CountKind;
  readonly key: string;
  readonly n: number;
}

/** Codes counted apart in one second. All codes are from our error tables, so there are hardly ever more. */
const MAX_CODES = 64;
export const OTHER = 'other';

/** How many seconds are kept in memory while the database is unavailable. Later requests count for the last of them. */
const MAX_SECONDS = 300;

interface Sums {
  readonly bins: Map<number, number>;
  readonly errors: Map<string, number>;
  readonly evidence: Map<string, number>;
  readonly evidenceErrors: Map<string, number>;
  readonly refused: Map<string, number>;
}

type Second = Readonly<Record<Scheme, Sums>>;

/** Counts requests by scheme and second until they are written. Its size is bounded. */
export class RequestTally {
  private seconds = new Map<number, Second>();
  private last: { readonly at: number; readonly sums: Second } | undefined;

  /** `at`, `duration`: milliseconds. `code`: the code of the problem if the answer was one. */
  count(scheme: Scheme, at: number, duration: number, code: string | undefined): void {
    const { bins, errors } = this.secondOf(Math.floor(at / 1000))[scheme];
    add(bins, binOf(duration));
    if (code !== undefined) addCode(errors, code);
  }

  /** Counts the same request as evidence, because a verified principal made it. */
  countEvidence(scheme: Scheme, at: number, code: string | undefined): void {
    const { evidence, evidenceErrors } = this.secondOf(Math.floor(at / 1000))[scheme];
    add(evidence, '');
    if (code !== undefined) addCode(evidenceErrors, code);
  }

  /** Counts `times` requests by session that were refused for a cause. There are only a few causes. */
  countRefused(at: number, cause: string, times: number): void {
    const { refused } = this.secondOf(Math.floor(at / 1000)).session;
    refused.set(cause, (refused.get(cause) ?? 0) + times);
  }

  get empty(): boolean {
    return this.seconds.size === 0;
  }

  /** Returns the counts since the last call, and resets them. */
  take(): CountRow[] {
    const rows: CountRow[] = [];
    for (const [at, second] of this.seconds) {
      for (const scheme of SCHEMES) {
        const { bins, errors, evidence, evidenceErrors, refused } = second[scheme];
        const add = (kind: CountKind, counts: ReadonlyMap<unknown, number>) => {
          for (const [key, n] of counts) rows.push({ at, scheme, kind, key: String(key), n });
        };
        add('latency', bins);
        add('error', errors);
        add('proved', evidence);
        add('proved_error', evidenceErrors);
        add('refused', refused);
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
      sums = { bearer: noSums(), session: noSums() };
      this.seconds.set(at, sums);
    }
    this.last = { at, sums };
    return sums;
  }
}

function noSums(): Sums {
  return {
    bins: new Map(),
    errors: new Map(),
    evidence: new Map(),
    evidenceErrors: new Map(),
    refused: new Map(),
  };
}

function addCode(counts: Map<string, number>, code: string): void {
  add(counts, counts.size < MAX_CODES || counts.has(code) ? code : OTHER);
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
