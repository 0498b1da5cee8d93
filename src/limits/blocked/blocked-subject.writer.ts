import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { BackgroundLoops } from '../../common/background-loops.js';
import type { BackgroundLoop } from '../../common/background-loops.js';
import { BlockedSubjectStore } from './blocked-subject.store.js';
import { BlockedSubjects, notedBlock } from './blocked-subjects.js';

const WRITE_INTERVAL_MS = 1_000;

/** Rows of one write. During a flood from many addresses, the rest waits for the next writes. */
const MOST_ROWS = 500;

/** Writes the full counters of this node once a second, if there are any: no refused call waits for it. */
@Injectable()
export class BlockedSubjectWriter implements OnModuleInit, OnApplicationShutdown {
  private readonly loop: BackgroundLoop;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly blocked: BlockedSubjects,
    private readonly store: BlockedSubjectStore,
    loops: BackgroundLoops,
  ) {
    const failure = 'failed to list blocked addresses and accounts; will retry';
    const run = () => this.write();
    this.loop = loops.create({ name: 'blocked-subjects', everyMs: WRITE_INTERVAL_MS, failure, run });
  }

  onModuleInit(): void {
    this.loop.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.loop.stop();
  }

  /**
   * Resolves when what this node has found full so far is written: up to 500 counters, accounts first. The next call writes the rest, and
   * tries again what could not be written. The counters refuse calls all the same.
   */
  write(): Promise<void> {
    const before = this.writing.catch(() => undefined);
    this.writing = before.then(async () => {
      const full = this.blocked.take(MOST_ROWS);
      if (full.length === 0) return;
      try {
        await this.store.note(full.map(notedBlock));
      } catch (error) {
        this.blocked.putBack(full);
        throw error;
      }
    });
    return this.writing;
  }
}
