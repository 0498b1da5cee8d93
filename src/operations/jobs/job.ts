/** Work that is done beside the requests, on any node, over and over: what is due of it must be found in the database. */
export interface Job {
  /** Letters, digits and hyphens. */
  readonly name: string;
  /**
   * Does what is due and returns when nothing is, or soon after `signal` is aborted. May run on several nodes at once, and anew after
   * a run that a node did not survive. What it throws is logged; what it left undone is due again.
   */
  run(signal: AbortSignal): Promise<void>;
}
