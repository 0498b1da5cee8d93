import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { AUDIT_EVENTS } from '../audit/audit-log.store.js';
import type { AuditEventName } from '../audit/audit-log.store.js';
import { IsInstant } from '../common/instant.js';
import { PageQueryDto } from '../common/pagination.js';
import { ApiExternalIdFilter } from './admin.dto.js';
import { IfGiven, UUID_MESSAGE, UUID } from './request-rules.js';

export class AuditQueryDto extends PageQueryDto {
  @ApiPropertyOptional({
    format: 'uuid',
    example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10',
    description: 'Only events about this user',
  })
  @IsOptional()
  @Matches(UUID, UUID_MESSAGE)
  user_id?: string;

  @ApiExternalIdFilter()
  @IsOptional()
  @MaxLength(255)
  @IsString()
  external_id?: string;

  @ApiPropertyOptional({ enum: AUDIT_EVENTS, example: 'login' })
  @IsOptional()
  @IsIn(AUDIT_EVENTS)
  event?: AuditEventName;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    example: '2026-11-24T09:30:00Z',
    description: 'Only events at or after this time: a date (in UTC), or a time with a zone',
  })
  @IfGiven()
  @IsInstant()
  since?: string;
}

export class AuditEventDto {
  @ApiProperty({ example: '4711', description: 'An increasing integer with gaps' })
  id!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  at!: Date;

  @ApiProperty({ enum: AUDIT_EVENTS, example: 'login' })
  event!: string;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'password',
    description: 'Why or how it happened, from a fixed list',
  })
  cause!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10',
    description: 'The user whom the event is about',
  })
  user_id!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'legacy-4711',
    description: 'The external id that this user has now',
  })
  external_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: null,
    description: 'The administrator who caused the event; null if no administrator did',
  })
  actor_id!: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    example: '0b9f6c0e-8f1d-4f5e-9a53-0a6f0c3d2b11',
    description: 'The id of the token family: the `sid` claim of its access tokens',
  })
  sid!: string | null;

  @ApiProperty({ type: String, nullable: true, example: '192.0.2.7' })
  ip!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'curl/8.5.0' })
  user_agent!: string | null;

  @ApiProperty({ type: String, nullable: true, example: '5f0c3c0e-6f6d-4f2f-8a39-1f2d7c9b1e44' })
  request_id!: string | null;

  @ApiProperty({
    example: 1,
    description:
      'The number of events in this entry: refused requests are counted per cause, network and minute',
  })
  count!: number;

  @ApiProperty({ type: Object, nullable: true, additionalProperties: true, example: null })
  detail!: Record<string, unknown> | null;
}

export class AuditEventsDto {
  @ApiProperty({ type: [AuditEventDto] })
  events!: AuditEventDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}
