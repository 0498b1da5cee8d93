import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { sameSecret } from '../common/constant-time.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { Sql } from '../database/database.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** The newest seal that was seen, by its number and hash. */
export interface Head {
  readonly id: string;
  /** Hexadecimal. */
  readonly hash: string;
}

/**
 * Remembers outside the database where the audit trail ended, in `DATA_DIR/audit-head.json`: whoever cuts the end off can
 * cut off its seals too, and nothing that is left would show it.
 */
@Injectable()
export class NotedHead {
  private readonly logger = new Logger(NotedHead.name);
  private readonly path: string;
  private inMemory: Head | undefined;

  constructor(
    private readonly store: SealStore,
    @Inject(CONFIG) config: Config,
  ) {
    this.path = join(config.dataDir, 'audit-head.json');
  }

  /** The newest of what this process and this machine have seen; undefined if neither has seen any. */
  async read(): Promise<Head | undefined> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    const onDisk = parse(text);
    if (onDisk === undefined || this.inMemory === undefined) return onDisk ?? this.inMemory;
    return BigInt(onDisk.id) >= BigInt(this.inMemory.id) ? onDisk : this.inMemory;
  }

  /** Whether the seal is there still that was the newest, or retention has removed it. */
  async isKept(sql?: Sql, head?: Head): Promise<boolean> {
    const wanted = head ?? (await this.read());
    if (wanted === undefined) return true;
    const [seal] = await this.store.from(wanted.id, 1, sql);
    if (seal?.id === wanted.id) return sameSecret(seal.hash.toString('hex'), wanted.hash);
    const [oldest] = await this.store.from('0', 1, sql);
    return seal !== undefined && oldest !== undefined && BigInt(oldest.id) > BigInt(wanted.id);
  }

  /** Where the file cannot be written this process still remembers. */
  async note(seal: Seal): Promise<void> {
    const head: Head = { id: seal.id, hash: seal.hash.toString('hex') };
    if (this.inMemory?.id === head.id && sameSecret(this.inMemory.hash, head.hash)) return;
    this.inMemory = head;
    try {
      await mkdir(join(this.path, '..'), { recursive: true });
      const draft = `${this.path}.${process.pid}`;
      await writeFile(draft, `${JSON.stringify(head)}\n`, { mode: 0o600 });
      await rename(draft, this.path);
    } catch (error) {
      this.logger.warn({ err: error }, 'DATA_DIR: the end of the audit trail could not be noted');
    }
  }
}

function parse(text: string): Head | undefined {
  try {
    const { id, hash } = JSON.parse(text) as Head;
    return /^\d{1,18}$/.test(id) && /^[0-9a-f]{64}$/.test(hash) ? { id, hash } : undefined;
  } catch {
    return undefined;
  }
}
