import { ApiProperty } from '@nestjs/swagger';
import { RevokerDto, TokenFamilyDto } from '../tokens.dto.js';

const TIME = { type: String, format: 'date-time' } as const;
const TEXT = { type: String, nullable: true } as const;

export class StoryEntryDto {
  @ApiProperty({ ...TIME, example: '2026-11-24T09:30:00.000Z' })
  at!: Date;

  @ApiProperty({
    ...TIME,
    example: '2026-11-24T17:45:00.000Z',
    description: 'Of consecutive refreshes, the last one',
  })
  until!: Date;

  @ApiProperty({ example: 'refresh', description: 'As in the audit trail' })
  event!: string;

  @ApiProperty({ ...TEXT, example: null })
  cause!: string | null;

  @ApiProperty({ type: 'integer', example: 33, description: 'Consecutive refreshes are one entry' })
  count!: number;

  @ApiProperty({ type: 'integer', example: 2, description: 'Different addresses in this entry' })
  addresses!: number;

  @ApiProperty({
    type: RevokerDto,
    nullable: true,
    example: null,
    description: 'The administrator who caused it; null if no administrator did',
  })
  actor!: RevokerDto | null;

  @ApiProperty({
    ...TEXT,
    example: '192.0.2.7',
    description: 'Of the last one, like the user agent and the id of the request',
  })
  ip!: string | null;

  @ApiProperty({ ...TEXT, example: 'curl/8.5.0' })
  user_agent!: string | null;

  @ApiProperty({ ...TEXT, example: '5f0c3c0e-6f6d-4f2f-8a39-1f2d7c9b1e44' })
  request_id!: string | null;

  @ApiProperty({ type: Object, nullable: true, additionalProperties: true, example: null })
  detail!: Record<string, unknown> | null;
}

export class LinkedLoginDto {
  @ApiProperty({
    enum: ['exchanged_from', 'downgraded_to', 'downgraded_from'],
    example: 'exchanged_from',
    description:
      '`exchanged_from`: the session that was exchanged for this family. `downgraded_to`: the session that replaced this family. ' +
      '`downgraded_from`: the family that was downgraded to the session that was exchanged',
  })
  kind!: 'exchanged_from' | 'downgraded_to' | 'downgraded_from';

  @ApiProperty({ enum: ['bearer', 'session'], example: 'session' })
  scheme!: 'bearer' | 'session';

  @ApiProperty({ format: 'uuid', example: '0b9f6c0e-8f1d-4f5e-9a53-0a6f0c3d2b11' })
  id!: string;

  @ApiProperty({ example: true, description: 'Whether the family or session has not been revoked' })
  live!: boolean;
}

export class LoginDetailDto {
  @ApiProperty({ type: TokenFamilyDto })
  login!: TokenFamilyDto;

  @ApiProperty({
    type: [LinkedLoginDto],
    description: 'The sessions and families that it was exchanged from, or downgraded from or to',
  })
  linked!: LinkedLoginDto[];

  @ApiProperty({ type: [StoryEntryDto], description: 'The history, oldest first' })
  story!: StoryEntryDto[];

  @ApiProperty({
    example: false,
    description: 'Whether later events are left out because there are too many',
  })
  truncated!: boolean;
}
