import { ApiProperty } from '@nestjs/swagger';
import { cursorsOf } from '../common/http/pagination.js';
import type { KeyView } from '../tokens/keys/key-administration.service.js';

const STATES = ['next', 'current', 'previous', 'distrusted', 'gone', 'refused'] as const;

export class SigningKeyDto {
  @ApiProperty({
    example: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    description: 'The RFC 7638 thumbprint of the key, and the `kid` header of the tokens that it signs',
  })
  kid!: string;

  @ApiProperty({
    enum: STATES,
    example: 'current',
    description:
      '`next`: published, but not signing yet. `current`: signs new tokens. `previous`: its tokens are still accepted. ' +
      '`distrusted`: its tokens are rejected. `gone`: all its tokens have expired. `refused`: the service did not write this ' +
      'row, and rejects its tokens.',
  })
  state!: (typeof STATES)[number];

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  created_at!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T09:45:00.000Z',
    description: 'When the key starts to sign',
  })
  promote_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  distrusted_at!: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description: 'Of a `previous` key: when the last token that it signed has expired',
  })
  accepted_until!: string | null;
}

export class KeyUsageDto {
  @ApiProperty({ example: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' })
  kid!: string;

  @ApiProperty({ type: 'integer', example: 5_120 })
  tokens!: number;

  @ApiProperty({ type: 'integer', example: 431 })
  users!: number;

  @ApiProperty({ example: true, description: 'False: there are more' })
  exact!: boolean;
}

export class KeyUsagesDto {
  @ApiProperty({ type: [KeyUsageDto], description: 'The current key, then previous ones' })
  keys!: KeyUsageDto[];
}

export class SigningKeysDto {
  @ApiProperty({ type: [SigningKeyDto] })
  keys!: SigningKeyDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}

export class RotatedDto {
  @ApiProperty({ type: [SigningKeyDto], description: 'The whole key ring, newest first' })
  keys!: SigningKeyDto[];

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T09:45:00.000Z',
    description: 'When the next key starts to sign: all cached copies of the JWK Set contain it by then',
  })
  promote_at!: string;
}

/** The position `<created_at> <kid>` of the last key of a page. */
const CURSORS = cursorsOf('keys', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Za-z0-9_-]{43}$/);

export interface KeyPage {
  readonly keys: KeyView[];
  readonly next_cursor: string | null;
}

/** A page of keys, newest first. Throws 400 for an invalid cursor. */
export function keyPage(ring: readonly KeyView[], limit: number, cursor: string | undefined): KeyPage {
  const position = cursor === undefined ? undefined : CURSORS.read(cursor)[0];
  const rest = ring
    .filter((key) => position === undefined || positionOf(key) < position)
    .toSorted((a, b) => (positionOf(a) < positionOf(b) ? 1 : -1));
  const keys = rest.slice(0, limit);
  const last = rest.length > limit ? keys.at(-1) : undefined;
  return { keys, next_cursor: last === undefined ? null : CURSORS.write(positionOf(last)) };
}

/** All positions have the same length and format, so they sort by time. */
function positionOf({ created_at, kid }: KeyView): string {
  return `${created_at} ${kid}`;
}
