import type { TokenFamily } from './token-family.js';

/** The windows in which a spent token is answered with its successor again, in seconds. */
export interface RepeatWindows {
  /** In any case: two tabs. */
  readonly grace: number;
  /** While nothing shows that the successor arrived: a lost response. */
  readonly lostResponse: number;
}

export type Verdict = 'rotate' | 'repeat' | 'reused' | 'unknown';

/** What to do with a genuine token of `generation`. Order is by generation alone; clocks only limit the two windows. */
export function judge(
  login: TokenFamily,
  generation: number,
  { grace, lostResponse }: RepeatWindows,
): Verdict {
  if (generation > login.generation) return 'unknown';
  if (generation === login.generation) return 'rotate';
  if (generation < login.generation - 1) return 'reused';
  const successorSeen = login.confirmedGeneration >= login.generation;
  const window = successorSeen ? grace : Math.max(grace, lostResponse);
  return login.age < window ? 'repeat' : 'reused';
}
