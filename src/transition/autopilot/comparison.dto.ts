import { ApiProperty } from '@nestjs/swagger';
import { HEALTHS } from './plan-health.js';
import type { Health } from './plan-health.js';

const FIGURES = ['errors', 'unexpected_logouts', 'p95_ms', 'users'] as const;

const RATE = { type: Number, nullable: true } as const;

export class ComparedFigureDto {
  @ApiProperty({
    enum: FIGURES,
    example: 'errors',
    description:
      '`errors` per request and `unexpected_logouts` per user are fractions of one. In buckets of a minute, `unexpected_logouts` are per ' +
      'request, because users are not known',
  })
  figure!: (typeof FIGURES)[number];

  @ApiProperty({ ...RATE, example: 0.0012, description: 'Null without requests' })
  tokens!: number | null;

  @ApiProperty({ ...RATE, example: 0.001 })
  sessions!: number | null;

  @ApiProperty({ ...RATE, example: 0.0002, description: 'Tokens minus sessions' })
  difference!: number | null;

  @ApiProperty({
    ...RATE,
    example: -0.0004,
    description: 'The 95 per cent confidence interval of the difference of two rates',
  })
  low!: number | null;

  @ApiProperty({ ...RATE, example: 0.0009 })
  high!: number | null;

  @ApiProperty({ ...RATE, example: 0.001, description: 'How much higher the rate may be with tokens' })
  tolerance!: number | null;

  @ApiProperty({
    example: false,
    description:
      'Whether the whole interval is beyond the tolerance. The autopilot decides by stricter tests, because it looks many times',
  })
  worse!: boolean;
}

export class ComparisonBucketDto {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T11:00:00.000Z' })
  from!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T12:00:00.000Z' })
  to!: string;

  @ApiProperty({ type: [ComparedFigureDto] })
  figures!: ComparedFigureDto[];
}

export class SampleDto {
  @ApiProperty({
    type: 'integer',
    example: 640,
    description: 'Requests of the rarer scheme since the step began',
  })
  have!: number;

  @ApiProperty({ type: 'integer', example: 1_000 })
  need!: number;
}

class LogoutCausesDto {
  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' }, example: { key_removed: 1 } })
  tokens!: Record<string, number>;

  @ApiProperty({ type: 'object', additionalProperties: { type: 'integer' }, example: {} })
  sessions!: Record<string, number>;
}

export class ComparisonDto {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T12:00:00.000Z' })
  since!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-24T12:00:00.000Z' })
  until!: string;

  @ApiProperty({
    enum: HEALTHS,
    example: 'waiting_for_data',
    description: 'The state of the plan in one word. `holding`: it waits for an administrator',
  })
  health!: Health;

  @ApiProperty({ type: SampleDto, nullable: true, description: 'Null if the plan compares nothing now' })
  waiting!: SampleDto | null;

  @ApiProperty({ example: 0.001 })
  tolerance!: number;

  @ApiProperty({ type: [ComparedFigureDto] })
  figures!: ComparedFigureDto[];

  @ApiProperty({ type: LogoutCausesDto })
  logouts_by_cause!: LogoutCausesDto;

  @ApiProperty({ type: [ComparisonBucketDto], description: 'The window in buckets, as in the report' })
  buckets!: ComparisonBucketDto[];
}
