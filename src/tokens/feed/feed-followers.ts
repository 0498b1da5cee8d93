type Reload = () => Promise<void>;

type Versions = Readonly<Record<string, number>>;

/** What has to be read again when its version in the database has changed. */
export class FeedFollowers {
  private readonly reloads = new Map<string, Reload>();
  private versions: Versions = {};

  add(topic: string, reload: Reload): void {
    this.reloads.set(topic, reload);
  }

  /** Reloads what has changed since the last call that did not throw, or `all`. */
  async reloadChanged(versions: Versions, all: boolean): Promise<void> {
    for (const [topic, reload] of this.reloads) {
      if (all || versions[topic] !== this.versions[topic]) await reload();
    }
    this.versions = versions;
  }
}
