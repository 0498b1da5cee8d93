import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import { AUDIT_EVENTS } from '../audit/audit-log.store.js';
import type { AuditEventName, AuditFilter } from '../audit/audit-log.store.js';
import { IsInstant } from '../common/instant.js';
import { PageQueryDto } from '../common/http/pagination.js';
import { ApiExternalIdFilter } from './admin.dto.js';
import { IsNetwork, toCanonicalNetwork } from './logins/network.js';
import { IfGiven, UUID_MESSAGE, UUID } from './request-rules.js';

/** The filter of a list or export of events. All given conditions must hold. */
export class AuditFilterDto {
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

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Only events before this time' })
  @IfGiven()
  @IsInstant()
  until?: string;

  @ApiPropertyOptional({
    maxLength: 64,
    example: 'password',
    description: 'Only events with exactly this cause',
  })
  @IfGiven()
  @MaxLength(64)
  @MinLength(1)
  @IsString()
  cause?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only events about this token family' })
  @IfGiven()
  @Matches(UUID, UUID_MESSAGE)
  sid?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Only events that this administrator caused' })
  @IfGiven()
  @Matches(UUID, UUID_MESSAGE)
  actor_id?: string;

  @ApiPropertyOptional({
    example: '192.0.2.7',
    description:
      'Only events from this address. Refusals of unknown callers have an IPv4 address or the /64 of an IPv6 address',
  })
  @IfGiven()
  @Transform(toCanonicalNetwork)
  @IsNetwork()
  ip?: string;

  @ApiPropertyOptional({ maxLength: 64, example: '5f0c3c0e-6f6d-4f2f-8a39-1f2d7c9b1e44' })
  @IfGiven()
  @MaxLength(64)
  @MinLength(1)
  @IsString()
  request_id?: string;
}

export class AuditQueryDto extends IntersectionType(PageQueryDto, AuditFilterDto) {}

/** The conditions on events. */
export function auditFilterOf(query: AuditFilterDto): AuditFilter {
  const time = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return {
    userId: query.user_id,
    externalId: query.external_id,
    event: query.event,
    cause: query.cause,
    sid: query.sid,
    actorId: query.actor_id,
    ip: query.ip,
    requestId: query.request_id,
    since: time(query.since),
    until: time(query.until),
  };
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

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: null,
    description:
      'How far the search has come, if the page is short because a full search would take too long. The next page continues there',
  })
  searched_to!: Date | null;
}

export class SealDto {
  @ApiProperty({ example: '812' })
  id!: string;

  @ApiProperty({
    example: '5f2b0c…',
    description: 'In hex. `audit verify --head ID:HASH` checks that the trail still contains it',
  })
  hash!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:30:00.000Z' })
  sealed_at!: Date;

  @ApiProperty({ example: '4711', description: 'The last event that it seals' })
  last_event_id!: string;
}

export class FindingDto {
  @ApiProperty({ example: 'unsealed' })
  kind!: string;

  @ApiProperty({ example: '12 events are not sealed' })
  message!: string;
}

export class SealStateDto {
  @ApiProperty({
    type: SealDto,
    nullable: true,
    description: 'The end of the chain of seals. Null before the first seal',
  })
  head!: SealDto | null;

  @ApiProperty({ type: 'integer', example: 48_210 })
  sealed_events!: number;

  @ApiProperty({
    type: 'integer',
    example: 3,
    description: 'Events that no seal covers yet, at most 100,000',
  })
  unsealed!: number;

  @ApiProperty({
    example: true,
    description: 'Whether this check found nothing that was changed, removed or inserted',
  })
  intact!: boolean;

  @ApiProperty({ type: [FindingDto] })
  findings!: FindingDto[];

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:30:12.000Z' })
  checked_at!: Date;
}
