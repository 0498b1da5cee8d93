import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { sameSecret } from '../common/constant-time.js';
import { RowMacs } from '../common/row-macs.js';
import { CONFIG } from '../config/config.js';
import type { Config } from '../config/config.js';
import type { Origin } from './audit-context.js';
import { AuditStore } from './audit.store.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** The newest seal that was seen, by its number and hash. */
export interface Head {
  readonly id: string;
  /** Hexadecimal. */
  readonly hash: string;
}

/** `at`: when it was sealed, in microseconds by the database's clock; absent in notes of earlier releases. */
interface Note extends Head {
  readonly at?: string;
}

/** Stands for the end of a chain that has no seal. */
const NO_SEAL: Head = { id: '0', hash: '' };

/**
 * Remembers outside the database where the audit trail ended, in `DATA_DIR/audit-head.json`: whoever cuts the end off can
 * cut off its seals too, and nothing that is left would show it.
 */
@Injectable()
export class NotedHead {
  private readonly logger = new Logger(NotedHead.name);
  private readonly path: string;
  private inMemory: Note | undefined;
  private readonly macs: RowMacs;

  constructor(
    private readonly store: SealStore,
    private readonly audit: AuditStore,
    @Inject(CONFIG) config: Config,
  ) {
    this.macs = new RowMacs('audit_heads', config);
    this.path = join(config.dataDir, 'audit-head.json');
  }

  /** The newest of what this process and this machine have seen; undefined if neither has seen any. */
  async read(): Promise<Head | undefined> {
    const note = await this.readNote();
    return note && { id: note.id, hash: note.hash };
  }

  /** Whether the chain still has the seal that was its newest, or an administrator has accepted another end since. */
  async isAsNoted(): Promise<boolean> {
    const note = await this.readNote();
    return note === undefined || (await this.isKept(note)) || this.isReplaced(note);
  }

  /** Whether the seal is there still that was the newest, or retention has removed it. */
  async isKept(head: Head): Promise<boolean> {
    const [seal] = await this.store.from(head.id, 1);
    if (seal?.id === head.id) return sameSecret(seal.hash.toString('hex'), head.hash);
    const [oldest] = await this.store.from('0', 1);
    return seal !== undefined && oldest !== undefined && BigInt(oldest.id) > BigInt(head.id);
  }

  /**
   * From now on every node takes the end that the chain has now for the right one, in place of one that is gone. Audited: the event has
   * a MAC, so that nobody else can say so.
   */
  async accept(newest: Seal | undefined, origin: Origin): Promise<void> {
    const { id, hash } = newest === undefined ? NO_SEAL : headOf(newest);
    const at = await this.store.clock();
    const detail = { seal: id, hash, at, macs: this.macs.make([id, hash, at]) };
    await this.audit.add({ event: 'audit', cause: 'accepted', detail }, origin);
    if (newest === undefined) await this.forget();
    else await this.note(newest);
  }

  /** An older acceptance says nothing about a note: who can write to the database can repeat it, but not make a newer one. */
  private async isReplaced({ at = '0' }: Note): Promise<boolean> {
    const accepted = acceptanceIn(await this.store.lastAccepted());
    if (accepted === undefined || BigInt(accepted.at) <= BigInt(at)) return false;
    const { seal: id, hash, macs } = accepted;
    if (this.macs.verify([id, hash, accepted.at], macs) !== 'right') return false;
    return id === NO_SEAL.id || this.isKept({ id, hash });
  }

  private async readNote(): Promise<Note | undefined> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    const onDisk = parse(text);
    if (onDisk === undefined || this.inMemory === undefined) return onDisk ?? this.inMemory;
    return BigInt(onDisk.id) >= BigInt(this.inMemory.id) ? onDisk : this.inMemory;
  }

  private async forget(): Promise<void> {
    this.inMemory = undefined;
    await rm(this.path, { force: true });
  }

  /** Where the file cannot be written this process still remembers. */
  async note(seal: Seal): Promise<void> {
    const note: Note = { ...headOf(seal), at: seal.sealedAt };
    if (this.inMemory?.id === note.id && sameSecret(this.inMemory.hash, note.hash)) return;
    this.inMemory = note;
    try {
      await mkdir(join(this.path, '..'), { recursive: true });
      const draft = `${this.path}.${process.pid}`;
      await writeFile(draft, `${JSON.stringify(note)}\n`, { mode: 0o600 });
      await rename(draft, this.path);
    } catch (error) {
      this.logger.warn({ err: error }, 'DATA_DIR: the end of the audit trail could not be noted');
    }
  }
}

function headOf({ id, hash }: Seal): Head {
  return { id, hash: hash.toString('hex') };
}

function parse(text: string): Note | undefined {
  try {
    const { id, hash, at } = JSON.parse(text) as Note;
    if (!/^\d{1,18}$/.test(id) || !/^[0-9a-f]{64}$/.test(hash)) return undefined;
    return isTime(at) ? { id, hash, at } : { id, hash };
  } catch {
    return undefined;
  }
}

/** What an event says, which anybody with write access may have written. */
function acceptanceIn(
  detail: unknown,
): { readonly seal: string; readonly hash: string; readonly at: string; readonly macs: unknown } | undefined {
  const { seal, hash, at, macs } = Object(detail) as Record<string, unknown>;
  if (typeof seal !== 'string' || typeof hash !== 'string' || !isTime(at)) return undefined;
  return { seal, hash, at, macs };
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,18}$/.test(value);
}
