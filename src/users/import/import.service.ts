import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { DatabaseUnavailable } from '../../database/database.errors.js';
import { PasswordHasher } from '../hashing/password-hasher.js';
import { importedUser } from './imported-user.js';
import type { ImportedUser } from './imported-user.js';
import { ImportStore } from './import.store.js';
import type { RowOutcome } from './import.store.js';
import { MAX_LINE, linesOf } from './lines.js';
import type { Line } from './lines.js';
import {
  ImportRefused,
  RowRefused,
  csvReader,
  formatOf,
  readJsonLine,
  refuseOtherEncodings,
  withoutBom,
} from './row-reader.js';
import type { ImportFormat, ReadRow } from './row-reader.js';

/** Rows written in one transaction: short enough to hold nothing up. */
const BATCH = 500;

/** Before a batch that the database did not take is tried again, in milliseconds; then the run ends. */
const PAUSES = [500, 1_000, 2_000, 4_000, 8_000];

/** A row that was not imported. */
export interface RejectedRow {
  readonly line: number;
  readonly reason: string;
}

/** Rows by what became of them. */
export interface ImportCounts {
  created: number;
  /** There already, the same in everything. */
  unchanged: number;
  /** There already, the same in everything but the password, which stays. */
  kept: number;
  rejected: number;
}

export interface ImportWatch {
  /** Called for each row that is rejected, in no particular order; what it returns is waited for. */
  readonly rejected: (row: RejectedRow) => Promise<void> | void;
  /** Called when so many bytes of the input are done with. */
  readonly advanced?: (bytes: number) => void;
}

const REASONS: Readonly<Partial<Record<RowOutcome, string>>> = {
  username_taken: 'there is another user with this username',
  id_taken: 'there is another user with this id',
};

/** Brings users of another system in, with the passwords they have there. */
@Injectable()
export class UserImportService {
  constructor(
    private readonly store: ImportStore,
    private readonly hasher: PasswordHasher,
  ) {}

  /**
   * Reads CSV with a header or JSON lines, in UTF-8. A row is there whole or not at all, and what cannot be imported is
   * reported and skipped. No user who exists is changed, so a run that was interrupted is simply run again. Memory does not
   * grow with the input. Throws {@link ImportRefused} before anything is written if the input as a whole will not do.
   */
  async run(
    input: AsyncIterable<Buffer>,
    watch: ImportWatch,
    origin: Origin,
    format?: ImportFormat,
  ): Promise<ImportCounts> {
    const counts: ImportCounts = { created: 0, unchanged: 0, kept: 0, rejected: 0 };
    const reject = async (line: number, reason: string): Promise<void> => {
      counts.rejected += 1;
      await watch.rejected({ line, reason });
    };
    let read: ReadRow | undefined;
    let batch: ImportedUser[] = [];
    const write = async (): Promise<void> => {
      const outcomes = batch.length === 0 ? [] : await this.add(batch, origin);
      for (const [index, outcome] of outcomes.entries()) {
        const reason = REASONS[outcome];
        if (reason !== undefined) await reject(batch[index]!.line, reason);
        else counts[outcome as keyof ImportCounts] += 1;
      }
      batch = [];
    };
    for await (const line of linesOf(input)) {
      if (read === undefined) {
        const begun = begin(line, format);
        if (begun === undefined) continue;
        read = begun.read;
        if (begun.isHeader) continue;
      }
      try {
        const user = this.userOf(line, read);
        if (user !== undefined) batch.push(user);
      } catch (error) {
        if (!(error instanceof RowRefused)) throw error;
        await reject(line.number, error.message);
      }
      if (batch.length >= BATCH) await write();
      watch.advanced?.(line.offset);
    }
    if (read === undefined) throw new ImportRefused('The file is empty');
    await write();
    if (Object.values(counts).every((count) => count === 0))
      throw new ImportRefused('The file has a header and no rows');
    return counts;
  }

  /** A database that is gone for a moment ends no run. What an attempt whose answer was lost has made counts as unchanged. */
  private async add(batch: readonly ImportedUser[], origin: Origin): Promise<RowOutcome[]> {
    for (const pause of PAUSES) {
      try {
        return await this.store.add(batch, origin);
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) throw error;
        await delay(pause);
      }
    }
    return this.store.add(batch, origin);
  }

  private userOf({ number, bytes }: Line, read: ReadRow): ImportedUser | undefined {
    if (bytes === undefined) throw new RowRefused(`the line is longer than ${MAX_LINE} bytes`);
    const row = read(number === 1 ? withoutBom(bytes) : bytes);
    return row && importedUser(number, row, (stored) => this.hasher.appraise(stored));
  }
}

/** How the rows after the first line are read; undefined if that says nothing yet. */
function begin(
  { number, bytes }: Line,
  format: ImportFormat | undefined,
): { readonly read: ReadRow; readonly isHeader: boolean } | undefined {
  if (bytes === undefined) throw new ImportRefused(`The first line is longer than ${MAX_LINE} bytes`);
  refuseOtherEncodings(bytes);
  const text = (number === 1 ? withoutBom(bytes) : bytes).toString('utf8');
  if (text.trim() === '') return undefined;
  return (format ?? formatOf(text)) === 'jsonl'
    ? { read: readJsonLine, isHeader: false }
    : { read: csvReader(text), isHeader: true };
}
