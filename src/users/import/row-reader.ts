import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { agree, counted } from '../../common/text.js';

/** The file as a whole cannot be imported, and nothing was written. The message is for the owner of the file. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused';
}

/** The error of a row that cannot be imported. The message quotes nothing of the row, because any column may contain secrets. */
export class RowRefused extends Error {
  override readonly name = 'RowRefused';
}

/** The columns of a CSV file and the fields of a JSON line. */
const FIELDS = ['username', 'password_hash', 'email', 'role', 'id', 'external_id'] as const;
const REQUIRED = ['username'] as const;

export type Field = (typeof FIELDS)[number];

/** The values of a row, without empty values and null. */
export type RawRow = Partial<Record<Field, string>>;

export type ImportFormat = 'csv' | 'jsonl';

/** Parses a row; undefined for an empty line. Throws {@link RowRefused} for an invalid row. */
export type ReadRow = (line: Buffer) => RawRow | undefined;

/** Why a row in another encoding is rejected. */
export const OTHER_ENCODING = ['the line is not in UTF-8', 'the line contains NUL'] as const;

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const DELIMITERS = [',', ';', '\t'];

export function withoutBom(first: Buffer): Buffer {
  return BOM.every((byte, at) => first[at] === byte) ? first.subarray(3) : first;
}

/** Parses the header. Throws {@link ImportRefused} if the first line shows that the file is not UTF-8 text. */
export function refuseOtherEncodings(first: Buffer): void {
  const mark = first.subarray(0, 2).toString('hex');
  if (mark === 'fffe' || mark === 'feff') throw inUtf8('is in UTF-16');
  if (mark === '1f8b' || mark === '504b') throw new ImportRefused('The file is compressed: unpack it first');
  if (first.includes(0)) throw inUtf8('contains NUL in its first line, like UTF-16');
  if (!isUtf8(first)) throw inUtf8('is not in UTF-8');
}

function inUtf8(what: string): ImportRefused {
  return new ImportRefused(`The file ${what}: save it in UTF-8 (iconv -f … -t UTF-8)`);
}

/** JSON lines if the first line starts with an object. */
export function formatOf(first: string): ImportFormat {
  const begin = first.trimStart();
  if (begin.startsWith('[')) {
    throw new ImportRefused("The file is a JSON array: convert it to one object per line (jq -c '.[]')");
  }
  return begin.startsWith('{') ? 'jsonl' : 'csv';
}

/** Reads rows of a CSV file with this header. Throws {@link ImportRefused} if the columns do not fit. */
export function csvReader(header: string): ReadRow {
  const delimiter = DELIMITERS.find((one) => header.includes(one)) ?? ',';
  const columns = cellsOf(header, delimiter, (why) => new ImportRefused(`The header ${why}`)).map((cell) =>
    cell.trim().toLowerCase(),
  );
  checkColumns(columns);
  return (line) => {
    const text = textOf(line);
    if (text.trim() === '') return undefined;
    const cells = cellsOf(text, delimiter, (why) => new RowRefused(`the row ${why}`));
    if (cells.length !== columns.length) {
      throw new RowRefused(
        `the row has ${counted(cells.length, 'column')} and the header has ${columns.length}`,
      );
    }
    return rowOf(columns.map((column, index) => [column, cells[index]]));
  };
}

function checkColumns(columns: readonly string[]): void {
  const known = columns.filter((column) => FIELDS.includes(column as Field));
  const missing = REQUIRED.filter((column) => !columns.includes(column));
  if (missing.length > 0) {
    throw new ImportRefused(
      `The header has no column ${missing.join(' and no ')}: it takes ${FIELDS.join(', ')}`,
    );
  }
  if (known.length < columns.length) {
    const count = columns.length - known.length;
    throw new ImportRefused(
      `The header has ${counted(count, 'column')} that ${agree(count, 'is', 'are')} unknown: it takes ${FIELDS.join(', ')}`,
    );
  }
  if (new Set(known).size < known.length) throw new ImportRefused('The header names a column twice');
}

/** A user has no line breaks, so every row is one line: an error affects only its own line. */
function cellsOf(text: string, delimiter: string, refuse: (why: string) => Error): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  try {
    return (parse(text, { delimiter, relax_column_count: true }) as string[][])[0] ?? [];
  } catch (error) {
    const open = (error as { code?: string }).code === 'CSV_QUOTE_NOT_CLOSED';
    throw refuse(open ? 'has an unclosed quote' : 'has an invalid quote');
  }
}

export const readJsonLine: ReadRow = (line) => {
  const text = textOf(line);
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RowRefused('the line is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RowRefused('the line is not a JSON object');
  }
  const unknown = Object.keys(value).filter((key) => !FIELDS.includes(key as Field));
  if (unknown.length > 0) {
    throw new RowRefused(
      `the object has ${counted(unknown.length, 'field')} that ${agree(unknown.length, 'is', 'are')} unknown`,
    );
  }
  return rowOf(Object.entries(value));
};

function rowOf(entries: readonly (readonly [string, unknown])[]): RawRow {
  const row: RawRow = {};
  for (const [field, value] of entries) {
    if (value === null || value === '' || value === undefined) continue;
    // Ids of other systems are often numbers.
    const text =
      (field === 'id' || field === 'external_id') && typeof value === 'number' && Number.isSafeInteger(value)
        ? String(value)
        : value;
    if (typeof text !== 'string') throw new RowRefused(`${field} is not a text`);
    // A JSON escape can encode characters that PostgreSQL cannot store.
    if (!text.isWellFormed() || /\p{Cc}/u.test(text)) {
      throw new RowRefused(`${field} contains invalid characters`);
    }
    row[field as Field] = text;
  }
  return row;
}

function textOf(line: Buffer): string {
  if (!isUtf8(line)) throw new RowRefused(OTHER_ENCODING[0]);
  const text = line.toString('utf8');
  if (text.includes('\0')) throw new RowRefused(OTHER_ENCODING[1]);
  return text;
}
