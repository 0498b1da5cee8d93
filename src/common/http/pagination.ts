import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { refuse } from '../common.errors.js';

/** The cursors of one list. A cursor says where the next page begins. It is opaque to clients. */
export interface Cursors {
  write(key: string): string;
  /** Whether {@link write} of this list may have written the text. */
  wrote(cursor: string): boolean;
  /** The parts of the key. Throws 400 `validation_failed` for text that {@link write} did not write for this list. */
  read(cursor: string): RegExpExecArray;
}

/** `form` matches the keys of this list. Each list has its own name, so it refuses the cursors of other lists. */
export function cursorsOf(list: string, form: RegExp): Cursors {
  const write = (key: string) => Buffer.from(`${list}:${key}`, 'utf8').toString('base64url');
  return {
    write,
    wrote: (cursor) => Buffer.from(cursor, 'base64url').toString('utf8').startsWith(`${list}:`),
    read(cursor) {
      const text = Buffer.from(cursor, 'base64url').toString('utf8');
      const key = text.slice(list.length + 1);
      return (write(key) === cursor && form.exec(key)) || refuseCursor();
    },
  };
}

/** Throws 400 `validation_failed` for a cursor that names no place in the list. */
export function refuseCursor(): never {
  throw refuse('validation_failed', {
    errors: [{ field: 'cursor', message: 'cursor must be a next_cursor' }],
  });
}

/** Converts decimal digits only: `1e2`, `0x10` and blanks stay text. */
const toInteger = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;

/** Entries of a page if the caller sets no limit. */
export const DEFAULT_LIMIT = 50;

/** The query parameters of every list. */
export class PageQueryDto {
  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: DEFAULT_LIMIT })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(1)
  @Max(100)
  limit?: number;

  @ApiPropertyOptional({ description: 'The `next_cursor` of the previous page' })
  @IsOptional()
  @IsString()
  @MaxLength(1024)
  cursor?: string;
}
