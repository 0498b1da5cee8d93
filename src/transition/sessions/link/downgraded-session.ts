import type { Config } from '../../../config/config.js';

/** The session that a login was given up for, as it is now. */
export interface DowngradedSession {
  readonly sid: string;
  /** The generation of the refresh token that it was got for. */
  readonly spentGeneration: number;
  /** It has been used: its client has it. */
  readonly seen: boolean;
  readonly ended: boolean;
  /** Since the login was given up, in seconds. */
  readonly age: number;
}

type Windows = Pick<Config, 'refreshReuseGrace' | 'refreshLostResponseWindow'>;

/**
 * Whether presenting a token of that generation now is theft, as it would be after a refresh: it was spent before, or it comes back
 * when its answer can no more have been lost.
 */
export function isReused(
  { spentGeneration, seen, ended, age }: DowngradedSession,
  generation: number,
  { refreshReuseGrace: grace, refreshLostResponseWindow: lostResponse }: Windows,
): boolean {
  if (ended) return false;
  return generation < spentGeneration || age >= (seen ? grace : Math.max(grace, lostResponse));
}
