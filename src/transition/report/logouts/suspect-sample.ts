import type { Suspect } from './suspect.js';

/** Refused credentials kept between two judgements. */
const MAX_SUSPECTS = 500;

interface Source {
  /** Never empty. */
  readonly suspects: Suspect[];
  offered: number;
}

/**
 * A bounded sample of refused credentials, each once. In a flood each source keeps an equal share, chosen at random, so that made-up
 * credentials do not displace genuine ones.
 */
export class SuspectSample {
  private sources = new Map<string, Source>();
  private credentials = new Set<string>();
  private offered = 0;

  /** `random`: at least 0 and less than 1. */
  constructor(private readonly random: () => number = Math.random) {}

  add(suspect: Suspect): void {
    if (this.credentials.has(suspect.credential)) return;
    this.offered += 1;
    const own = this.sources.get(suspect.source);
    if (own !== undefined) own.offered += 1;
    if (this.credentials.size >= MAX_SUSPECTS && !this.makeRoom(own)) return;
    this.credentials.add(suspect.credential);
    const kept = this.sources.get(suspect.source);
    if (kept === undefined) this.sources.set(suspect.source, { suspects: [suspect], offered: 1 });
    else kept.suspects.push(suspect);
  }

  get empty(): boolean {
    return this.credentials.size === 0;
  }

  /** Returns the sample and empties it. */
  take(): Suspect[] {
    const taken = [...this.sources.values()].flatMap(({ suspects }) => suspects);
    this.sources = new Map();
    this.credentials = new Set();
    this.offered = 0;
    return taken;
  }

  /** Removes one suspect for a new one of the source `own`. False if the new one is rejected instead. */
  private makeRoom(own: Source | undefined): boolean {
    const share = own?.suspects.length ?? 0;
    const largest = [...this.sources.values()].reduce((a, b) =>
      b.suspects.length > a.suspects.length ? b : a,
    );
    if (largest.suspects.length > share + 1) return this.remove(largest, this.randomOf(largest));
    if (own !== undefined && share > 1) {
      const index = Math.floor(this.random() * own.offered);
      return index < share && this.remove(own, index);
    }
    // Each source has one suspect: choose at random from all that were offered.
    if (Math.floor(this.random() * this.offered) >= MAX_SUSPECTS) return false;
    const sources = [...this.sources.values()];
    const any = sources[Math.floor(this.random() * sources.length)]!;
    return this.remove(any, this.randomOf(any));
  }

  private randomOf({ suspects }: Source): number {
    return Math.floor(this.random() * suspects.length);
  }

  private remove(from: Source, index: number): true {
    const [removed] = from.suspects.splice(index, 1);
    this.credentials.delete(removed!.credential);
    if (from.suspects.length === 0) this.sources.delete(removed!.source);
    return true;
  }
}
