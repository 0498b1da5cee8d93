import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { sameSecret } from '../../common/crypto/constant-time.js';
import { RowMacs } from '../../common/crypto/row-macs.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import type { Origin } from '../audit-context.js';
import { AuditStore } from '../audit.store.js';
import type { Seal } from './seal.js';
import { SealStore } from './seal.store.js';

/** The end of the chain: its newest seal, by id and hash. */
export interface Head {
  readonly id: string;
  /** Hexadecimal. */
  readonly hash: string;
}

/** `at`: when it was sealed, in microseconds on the database's clock. Missing in records of earlier releases. */
interface HeadRecord extends Head {
  readonly at?: string;
}

/** The end of an empty chain. */
const NO_SEAL: Head = { id: '0', hash: '' };

/**
 * Records the end of the chain outside the database, in `DATA_DIR/audit-head.json`. An attacker with write access to the database can
 * truncate the chain: remove the newest events together with their seals. Only this record reveals that.
 */
@Injectable()
export class ChainHeadService {
  private readonly logger = new Logger(ChainHeadService.name);
  private readonly path: string;
  private inMemory: HeadRecord | undefined;
  private readonly macs: RowMacs;

  constructor(
    private readonly store: SealStore,
    private readonly audit: AuditStore,
    @Inject(CONFIG) config: Config,
  ) {
    this.macs = new RowMacs('audit_heads', config);
    this.path = join(config.dataDir, 'audit-head.json');
  }

  /** The newest recorded end; undefined if there is no record. */
  async read(): Promise<Head | undefined> {
    const record = await this.readRecord();
    return record && { id: record.id, hash: record.hash };
  }

  /** Whether the chain still contains the recorded end, or an administrator has accepted another end since. */
  async isIntact(): Promise<boolean> {
    const record = await this.readRecord();
    return record === undefined || (await this.contains(record)) || this.isReplaced(record);
  }

  /** Whether the chain contains this seal, or retention has removed it. */
  async contains(head: Head): Promise<boolean> {
    const [seal] = await this.store.from(head.id, 1);
    if (seal?.id === head.id) return sameSecret(seal.hash.toString('hex'), head.hash);
    const [oldest] = await this.store.from('0', 1);
    return seal !== undefined && oldest !== undefined && BigInt(oldest.id) > BigInt(head.id);
  }

  /**
   * Makes every node accept the current end of the chain in place of a missing one. Writes an audit event with a MAC, so that nobody
   * else can do this.
   */
  async accept(newest: Seal | undefined, origin: Origin): Promise<void> {
    const { id, hash } = newest === undefined ? NO_SEAL : headOf(newest);
    const at = await this.store.clock();
    const detail = { seal: id, hash, at, macs: this.macs.make([id, hash, at]) };
    await this.audit.add({ event: 'audit', cause: 'accepted', detail }, origin);
    if (newest === undefined) await this.forget();
    else await this.record(newest);
  }

  /** An acceptance must be newer than the record: an attacker can replay an old one, but cannot make a new one. */
  private async isReplaced({ at = '0' }: HeadRecord): Promise<boolean> {
    const accepted = acceptanceIn(await this.store.lastAccepted());
    if (accepted === undefined || BigInt(accepted.at) <= BigInt(at)) return false;
    const { seal: id, hash, macs } = accepted;
    if (this.macs.verify([id, hash, accepted.at], macs) !== 'right') return false;
    return id === NO_SEAL.id || this.contains({ id, hash });
  }

  private async readRecord(): Promise<HeadRecord | undefined> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    const onDisk = parse(text);
    if (onDisk === undefined || this.inMemory === undefined) return onDisk ?? this.inMemory;
    return BigInt(onDisk.id) >= BigInt(this.inMemory.id) ? onDisk : this.inMemory;
  }

  private async forget(): Promise<void> {
    this.inMemory = undefined;
    await rm(this.path, { force: true });
  }

  /** Records the newest seal. If the file cannot be written, the record is only in memory. */
  async record(seal: Seal): Promise<void> {
    const record: HeadRecord = { ...headOf(seal), at: seal.sealedAt };
    if (this.inMemory?.id === record.id && sameSecret(this.inMemory.hash, record.hash)) return;
    this.inMemory = record;
    try {
      await mkdir(join(this.path, '..'), { recursive: true });
      const draft = `${this.path}.${process.pid}`;
      await writeFile(draft, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      await rename(draft, this.path);
    } catch (error) {
      this.logger.warn({ err: error }, 'DATA_DIR: failed to record the end of the audit trail');
    }
  }
}

function headOf({ id, hash }: Seal): Head {
  return { id, hash: hash.toString('hex') };
}

function parse(text: string): HeadRecord | undefined {
  try {
    const { id, hash, at } = JSON.parse(text) as HeadRecord;
    if (!/^\d{1,18}$/.test(id) || !/^[0-9a-f]{64}$/.test(hash)) return undefined;
    return isTime(at) ? { id, hash, at } : { id, hash };
  } catch {
    return undefined;
  }
}

/** The content of an acceptance. Anybody with write access to the database may have written it. */
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
