import type { Suspect } from './suspect.js';

/** Refused credentials kept between two looks. */
const MAX_SUSPECTS = 500;

/**
 * The refused credentials that are to be looked at, each once. In a flood of refusals it is a random choice of them, each as likely as
 * the others, so that made-up ones do not keep the honest ones out.
 */
export class Suspects {
  private kept: Suspect[] = [];
  private credentials = new Set<string>();
  private offered = 0;

  /** `random`: at least 0 and less than 1. */
  constructor(private readonly random: () => number = Math.random) {}

  add(suspect: Suspect): void {
    if (this.credentials.has(suspect.credential)) return;
    this.offered += 1;
    const place =
      this.kept.length < MAX_SUSPECTS ? this.kept.length : Math.floor(this.random() * this.offered);
    if (place >= MAX_SUSPECTS) return;
    const displaced = this.kept[place];
    if (displaced !== undefined) this.credentials.delete(displaced.credential);
    this.kept[place] = suspect;
    this.credentials.add(suspect.credential);
  }

  /** Empties it. */
  take(): Suspect[] {
    const taken = this.kept;
    this.kept = [];
    this.credentials = new Set();
    this.offered = 0;
    return taken;
  }
}
