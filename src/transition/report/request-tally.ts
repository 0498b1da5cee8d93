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
  readonly proved: Map<string, number>;
  readonly provedErrors: Map<string, number>;
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
    if (code !== undefined) addCode(errors, code);
  }

  /** Counts the same request as evidence: a proved principal made it. */
  countProved(scheme: Scheme, at: number, code: string | undefined): void {
    const { proved, provedErrors } = this.secondOf(Math.floor(at / 1000))[scheme];
    add(proved, '');
    if (code !== undefined) addCode(provedErrors, code);
  }

  get empty(): boolean {
    return this.seconds.size === 0;
  }

  /** What has been counted since the last time. */
  take(): CountRow[] {
    const rows: CountRow[] = [];
    for (const [at, second] of this.seconds) {
      for (const scheme of SCHEMES) {
        const { bins, errors, proved, provedErrors } = second[scheme];
        const add = (kind: CountKind, counts: ReadonlyMap<unknown, number>) => {
          for (const [key, n] of counts) rows.push({ at, scheme, kind, key: String(key), n });
        };
        add('latency', bins);
        add('error', errors);
        add('proved', proved);
        add('proved_error', provedErrors);
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
  return { bins: new Map(), errors: new Map(), proved: new Map(), provedErrors: new Map() };
}

function addCode(counts: Map<string, number>, code: string): void {
  add(counts, counts.size < MAX_CODES || counts.has(code) ? code : OTHER);
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
