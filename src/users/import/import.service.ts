import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Origin } from '../../audit/audit-context.js';
import { DatabaseUnavailable } from '../../database/database.errors.js';
import type { Role } from '../../common/role.js';
import { ProductAuthorityService } from '../product-authority.service.js';
import { PasswordHasher } from '../hashing/password-hasher.js';
import { importedUser } from './imported-user.js';
import type { ImportedUser, RowRules } from './imported-user.js';
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

/** Rows per transaction: short enough to block nothing. */
const BATCH = 500;

/** Delays before the retries of a batch, in milliseconds, if the database is unavailable. If the last retry fails, so does the import. */
const RETRY_DELAYS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/** A row that was not imported. */
export interface RejectedRow {
  readonly line: number;
  readonly reason: string;
}

/** The number of rows by outcome. */
export interface ImportCounts {
  created: number;
  /** The user existed with the same values. */
  unchanged: number;
  /** The user existed with the same values but another password, which stays. */
  kept: number;
  rejected: number;
  /** The number of accepted rows that asked for an administrator and got the role `user`. */
  demoted: number;
}

export interface ImportOptions {
  /** Detected by default. */
  readonly format?: ImportFormat | undefined;
  /** Whether rows may make administrators. */
  readonly allowAdmins?: boolean | undefined;
  /** Roles of the other system and what they become here. */
  readonly mappedRoles?: ReadonlyMap<string, Role> | undefined;
}

export interface ImportWatch {
  /** Called for each rejected row, in no particular order. The import awaits the result. */
  readonly rejected: (row: RejectedRow) => Promise<void> | void;
  /** Called with the number of bytes that were processed. */
  readonly advanced?: (bytes: number) => void;
}

const REASONS: Readonly<Partial<Record<RowOutcome, string>>> = {
  username_taken: 'another user has this username',
  id_taken: 'another user has this id',
};

/** Imports users of another system together with their password hashes. */
@Injectable()
export class UserImportService {
  constructor(
    private readonly store: ImportStore,
    private readonly hasher: PasswordHasher,
    private readonly authority: ProductAuthorityService,
  ) {}

  /**
   * Reads CSV with a header or JSON lines, in UTF-8. Each row is imported as a whole or not at all. An invalid row is reported and
   * skipped. Existing users are not changed, so an interrupted run can be repeated. Memory does not grow with the input. Throws
   * {@link ImportRefused} before anything is written if the input as a whole is invalid.
   */
  async run(
    input: AsyncIterable<Buffer>,
    watch: ImportWatch,
    origin: Origin,
    { format, allowAdmins = false, mappedRoles = new Map() }: ImportOptions = {},
  ): Promise<ImportCounts> {
    const counts: ImportCounts = { created: 0, unchanged: 0, kept: 0, rejected: 0, demoted: 0 };
    const rules: RowRules = {
      appraise: (stored) => this.hasher.appraise(stored),
      roleFor: (wanted) => this.authority.roleFor(wanted, allowAdmins),
      mappedRoles,
    };
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
        const { line, role, wantedRole } = batch[index]!;
        if (reason !== undefined) await reject(line, reason);
        else counts[outcome as keyof ImportCounts] += 1;
        if (reason === undefined && role !== wantedRole) counts.demoted += 1;
      }
      batch = [];
    };
    for await (const line of linesOf(input)) {
      if (read === undefined) {
        const first = readFirst(line, format);
        if (first === undefined) continue;
        read = first.read;
        if (first.isHeader) continue;
      }
      try {
        const user = userOf(line, read, rules);
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
    if (counts.demoted > 0) await this.authority.warn('import');
    if (Object.values(counts).every((count) => count === 0))
      throw new ImportRefused('The file has a header and no rows');
    return counts;
  }

  /** Retries while the database is unavailable. If the response of a successful attempt was lost, its rows count as unchanged. */
  private async add(batch: readonly ImportedUser[], origin: Origin): Promise<RowOutcome[]> {
    for (const pause of RETRY_DELAYS_MS) {
      try {
        return await this.store.add(batch, origin);
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) throw error;
        await delay(pause);
      }
    }
    return this.store.add(batch, origin);
  }
}

function userOf({ number, bytes }: Line, read: ReadRow, rules: RowRules): ImportedUser | undefined {
  if (bytes === undefined) throw new RowRefused(`the line is longer than ${MAX_LINE} bytes`);
  const row = read(number === 1 ? withoutBom(bytes) : bytes);
  return row && importedUser(number, row, rules);
}

/** How to read the rows, according to the first line. Undefined for an empty line. */
function readFirst(
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
