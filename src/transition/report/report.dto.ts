import { ApiProperty, ApiPropertyOptional, OmitType } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { IsInstant } from '../../common/instant.js';

export class ReportQueryDto {
  @ApiPropertyOptional({
    format: 'date-time',
    example: '2026-11-23T12:00:00Z',
    description: 'At most 92 days before `until`. Default: 24 hours before it',
  })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    example: '2026-11-24T12:00:00Z',
    description: 'Default, and latest: now',
  })
  @IsOptional()
  @IsInstant()
  until?: string;
}

class LatencyDto {
  @ApiProperty({
    type: Number,
    nullable: true,
    example: 3.4,
    description: 'Within 5 %. Null without requests',
  })
  p50!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 9.1 })
  p95!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 24.2 })
  p99!: number | null;
}

const COUNTS = { type: 'object', additionalProperties: { type: 'integer' } } as const;

class UnexpectedLogoutsDto {
  @ApiProperty({
    example: 1,
    description: 'Families and sessions that were refused although nobody revoked them. Each counts once',
  })
  total!: number;

  @ApiProperty({ ...COUNTS, example: { key_removed: 1 } })
  by_cause!: Record<string, number>;
}

export class SchemeFiguresDto {
  @ApiProperty({ example: 12_804 })
  requests!: number;

  @ApiProperty({ example: 431, description: 'Distinct users' })
  users!: number;

  @ApiProperty({
    ...COUNTS,
    example: { token_expired: 17, rate_limited: 2 },
    description: 'Requests that were answered with a problem, by code',
  })
  errors!: Record<string, number>;

  @ApiProperty({ type: LatencyDto })
  latency_ms!: LatencyDto;

  @ApiProperty({ type: UnexpectedLogoutsDto })
  unexpected_logouts!: UnexpectedLogoutsDto;
}

class SchemesDto {
  @ApiProperty({ type: SchemeFiguresDto })
  bearer!: SchemeFiguresDto;

  @ApiProperty({ type: SchemeFiguresDto })
  session!: SchemeFiguresDto;
}

class BucketFiguresDto extends OmitType(SchemeFiguresDto, ['users']) {
  @ApiProperty({ type: Number, nullable: true, example: 31, description: 'Null in buckets of a minute' })
  users!: number | null;
}

class BucketSchemesDto {
  @ApiProperty({ type: BucketFiguresDto })
  bearer!: BucketFiguresDto;

  @ApiProperty({ type: BucketFiguresDto })
  session!: BucketFiguresDto;
}

class SessionAgentDto {
  @ApiProperty({
    example: 'OldApp/2.1 (iOS 17)',
    description: '`none` without a user agent, `other` for the rest',
  })
  user_agent!: string;

  @ApiProperty({ example: 57 })
  users!: number;

  @ApiProperty({ example: 803 })
  requests!: number;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T11:59:58.120Z' })
  last_seen!: Date;
}

class BucketDto {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T11:00:00.000Z' })
  from!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T12:00:00.000Z' })
  to!: string;

  @ApiProperty({ type: BucketSchemesDto })
  schemes!: BucketSchemesDto;
}

export class ReportDto {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T12:00:00.000Z' })
  since!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T12:00:00.000Z' })
  until!: string;

  @ApiProperty({ type: SchemesDto })
  schemes!: SchemesDto;

  @ApiProperty({
    type: [SessionAgentDto],
    description: 'User agents that still use sessions, most users first. At most 101',
  })
  user_agents!: SessionAgentDto[];

  @ApiProperty({
    type: [BucketDto],
    description:
      'The window in buckets of a minute, an hour or a day, depending on the age of `since`. At most 94. The counted window ' +
      'starts at the first `from` and ends at the last `to`.',
  })
  buckets!: BucketDto[];
}
