import { ApiProperty } from '@nestjs/swagger';

const STATES = ['next', 'current', 'previous', 'distrusted', 'gone', 'refused'] as const;

export class SigningKeyDto {
  @ApiProperty({
    example: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    description: 'RFC 7638 thumbprint, the `kid` in the header of what it signs',
  })
  kid!: string;

  @ApiProperty({
    enum: STATES,
    example: 'current',
    description:
      '`next`: published, not signing yet. `current`: signs. `previous`: what it signed still counts. `distrusted`: ' +
      'nothing that it signed counts. `gone`: all that it signed has expired. `refused`: the service did not write that ' +
      'row, and nothing that it signed counts.',
  })
  state!: (typeof STATES)[number];

  @ApiProperty({ format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  created_at!: string;

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T09:45:00.000Z',
    description: 'From then on it signs, until a later one does',
  })
  promote_at!: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  distrusted_at!: string | null;
}

export class SigningKeysDto {
  @ApiProperty({ type: [SigningKeyDto] })
  keys!: SigningKeyDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}

export class RotatedDto {
  @ApiProperty({ type: [SigningKeyDto], description: 'The whole ring, the keys made last first' })
  keys!: SigningKeyDto[];

  @ApiProperty({
    format: 'date-time',
    example: '2026-11-24T09:45:00.000Z',
    description: 'When the next key begins to sign: once every client that keeps the JWK Set has it',
  })
  promote_at!: string;
}
