import type { RefusedCredential } from './refused-credential.js';

/** A sample of refused credentials, kept until they are classified. */
const MAX_CREDENTIALS = 500;

/** A refused credential, and how many requests with it were refused. */
export interface SampledCredential extends RefusedCredential {
  readonly times: number;
}

interface Source {
  /** Never empty. */
  readonly refusals: RefusedCredential[];
  offered: number;
}

/**
 * A bounded sample of refused credentials, each once. In a flood each source keeps an equal share, chosen at random, so that made-up
 * credentials do not displace genuine ones.
 */
export class RefusedCredentialSample {
  private sources = new Map<string, Source>();
  /** How often each credential was refused. */
  private times = new Map<string, number>();
  private offered = 0;

  /** `random`: at least 0 and less than 1. */
  constructor(private readonly random: () => number = Math.random) {}

  /** `times`: more than 1 if a sample that was taken is put back. */
  add(refusal: RefusedCredential, times = 1): void {
    const known = this.times.get(refusal.credential);
    if (known !== undefined) {
      this.times.set(refusal.credential, known + times);
      return;
    }
    this.offered += 1;
    const own = this.sources.get(refusal.source);
    if (own !== undefined) own.offered += 1;
    if (this.times.size >= MAX_CREDENTIALS && !this.makeRoom(own)) return;
    this.times.set(refusal.credential, times);
    const kept = this.sources.get(refusal.source);
    if (kept === undefined) this.sources.set(refusal.source, { refusals: [refusal], offered: 1 });
    else kept.refusals.push(refusal);
  }

  get empty(): boolean {
    return this.times.size === 0;
  }

  /** Returns the sample and empties it. */
  take(): SampledCredential[] {
    const taken = [...this.sources.values()].flatMap(({ refusals }) =>
      refusals.map((refusal) => ({ ...refusal, times: this.times.get(refusal.credential)! })),
    );
    this.sources = new Map();
    this.times = new Map();
    this.offered = 0;
    return taken;
  }

  /** Removes one refused credential for a new one of the source `own`. False if the new one is rejected instead. */
  private makeRoom(own: Source | undefined): boolean {
    const share = own?.refusals.length ?? 0;
    const largest = [...this.sources.values()].reduce((a, b) =>
      b.refusals.length > a.refusals.length ? b : a,
    );
    if (largest.refusals.length > share + 1) return this.remove(largest, this.randomOf(largest));
    if (own !== undefined && share > 1) {
      const index = Math.floor(this.random() * own.offered);
      return index < share && this.remove(own, index);
    }
    // Each source has one refused credential: choose at random from all that were offered.
    if (Math.floor(this.random() * this.offered) >= MAX_CREDENTIALS) return false;
    const sources = [...this.sources.values()];
    const any = sources[Math.floor(this.random() * sources.length)]!;
    return this.remove(any, this.randomOf(any));
  }

  private randomOf({ refusals }: Source): number {
    return Math.floor(this.random() * refusals.length);
  }

  private remove(from: Source, index: number): true {
    const [removed] = from.refusals.splice(index, 1);
    this.times.delete(removed!.credential);
    if (from.refusals.length === 0) this.sources.delete(removed!.source);
    return true;
  }
}
