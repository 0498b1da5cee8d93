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

class RefusedCauseDto {
  @ApiProperty({
    example: 'other_secret',
    description:
      '`unknown_user`, `no_user`, `other_secret`, `other_table`, `administrator` or `other_cookie`. More may be added',
  })
  cause!: string;

  @ApiProperty({ example: 112 })
  requests!: number;

  @ApiProperty({ example: 0.0271, description: 'Of all requests by session' })
  share!: number;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T09:12:41.000Z' })
  first_seen!: Date;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T11:59:58.000Z' })
  last_seen!: Date;

  @ApiProperty({
    example:
      'The cookie was signed with a secret that is neither SESSION_SECRET nor in SESSION_SECRET_PREVIOUS.',
  })
  likely_cause!: string;

  @ApiProperty({
    description: 'What to change',
    example:
      "Set SESSION_SECRET to the first of the product's secrets and SESSION_SECRET_PREVIOUS to the others.",
  })
  advice!: string;
}

export class RefusedSessionsDto {
  @ApiProperty({ example: 112, description: 'Requests by session that were refused because of a setting' })
  requests!: number;

  @ApiProperty({ example: 0.0271, description: 'Of all requests by session' })
  share!: number;

  @ApiProperty({
    example: 0,
    description: 'Refused requests that were not examined because there were too many',
  })
  not_examined!: number;

  @ApiProperty({ type: [RefusedCauseDto], description: 'Most requests first' })
  causes!: RefusedCauseDto[];

  @ApiProperty({
    example:
      'Anyone can send a cookie, so strangers may have sent some of these requests. They do not affect the rollout.',
  })
  note!: string;
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
    type: RefusedSessionsDto,
    description:
      'Sessions that were refused because of a setting, with the likely cause. For information only',
  })
  refused_sessions!: RefusedSessionsDto;

  @ApiProperty({
    type: [BucketDto],
    description:
      'The window in buckets of a minute, an hour or a day, depending on the age of `since`. At most 94. The counted window ' +
      'starts at the first `from` and ends at the last `to`.',
  })
  buckets!: BucketDto[];
}
