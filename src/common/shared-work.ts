/**
 * Work that callers with the same key share. A caller shares only a run that begins after its call: what a run has read may have changed
 * since it began. So at most one run per key is under way, and at most one waits for it.
 */
export class SharedWork<Result> {
  private readonly running = new Map<string, Promise<Result>>();
  private readonly waiting = new Map<string, Promise<Result>>();

  run(key: string, work: () => Promise<Result>): Promise<Result> {
    const current = this.running.get(key);
    if (current === undefined) return this.start(key, work);
    const next =
      this.waiting.get(key) ?? settled(current).then(() => (this.waiting.delete(key), this.start(key, work)));
    this.waiting.set(key, next);
    return next;
  }

  /** Resolves when the run that is under way, if there is one, has ended. Never throws. */
  ended(key: string): Promise<void> {
    return settled(this.running.get(key) ?? Promise.resolve());
  }

  private start(key: string, work: () => Promise<Result>): Promise<Result> {
    const run = work().finally(() => {
      if (this.running.get(key) === run) this.running.delete(key);
    });
    this.running.set(key, run);
    return run;
  }
}

function settled(promise: Promise<unknown>): Promise<void> {
  return promise.then(
    () => undefined,
    () => undefined,
  );
}
