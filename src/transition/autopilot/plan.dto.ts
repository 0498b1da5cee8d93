import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { DEFAULTS, LIMITS } from './plan.js';

/** The field may be absent. Null is an invalid value. */
const IsGiven = () => ValidateIf((_, value) => value !== undefined);

const toBoolean = ({ value }: { value: unknown }): unknown =>
  value === 'true' ? true : value === 'false' ? false : value;

export class PlanStepDto {
  @ApiProperty({ type: 'integer', minimum: 1, maximum: 100, example: 10 })
  @IsInt()
  @Min(1)
  @Max(100)
  percentage!: number;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: LIMITS.soakSeconds, example: 86_400 })
  @IsInt()
  @Min(1)
  @Max(LIMITS.soakSeconds)
  soak_seconds!: number;
}

export class PlanDto {
  @ApiProperty({ example: true })
  @IsBoolean()
  enabled!: boolean;

  @ApiPropertyOptional({
    type: [PlanStepDto],
    maxItems: LIMITS.steps,
    default: [],
    description: 'With rising percentages; at least one if the plan is enabled',
    example: [
      { percentage: 5, soak_seconds: 86_400 },
      { percentage: 25, soak_seconds: 86_400 },
      { percentage: 100, soak_seconds: 172_800 },
    ],
  })
  @IsGiven()
  @IsArray()
  @ArrayMaxSize(LIMITS.steps)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => PlanStepDto)
  steps?: PlanStepDto[];

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: LIMITS.minRequests,
    default: DEFAULTS.minRequests,
    description: 'Requests of each scheme in a step that the next step needs',
  })
  @IsGiven()
  @IsInt()
  @Min(1)
  @Max(LIMITS.minRequests)
  min_requests?: number;

  @ApiPropertyOptional({
    minimum: LIMITS.maxFalseAlarm.min,
    maximum: LIMITS.maxFalseAlarm.max,
    default: DEFAULTS.maxFalseAlarm,
    description: 'The probability that a faultless plan is rolled back',
  })
  @IsGiven()
  @IsNumber()
  @Min(LIMITS.maxFalseAlarm.min)
  @Max(LIMITS.maxFalseAlarm.max)
  max_false_alarm?: number;

  @ApiPropertyOptional({
    minimum: 0,
    maximum: LIMITS.tolerance,
    default: DEFAULTS.tolerance,
    description:
      'By how much the rate of errors or unexpected logouts may be higher with tokens. A fraction of one',
  })
  @IsGiven()
  @IsNumber()
  @Min(0)
  @Max(LIMITS.tolerance)
  tolerance?: number;

  @ApiPropertyOptional({
    default: DEFAULTS.drainOnRollback,
    description: 'Whether a rollback by the plan also moves users with tokens back to sessions',
  })
  @IsGiven()
  @IsBoolean()
  drain_on_rollback?: boolean;

  @ApiPropertyOptional({
    type: 'integer',
    example: 4,
    description: 'The revision that the plan is based on. 409 if it is no longer the last one',
  })
  @IsGiven()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  revision?: number;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Ignored, so that a plan can be sent as it was read',
  })
  @Allow()
  status?: unknown;
}

export class PlanQueryDto {
  @ApiPropertyOptional({
    type: Boolean,
    default: false,
    description: 'Says what the plan would do now, and changes nothing',
  })
  @IsOptional()
  @Transform(toBoolean)
  @IsIn([true, false], { message: 'dry_run must be true or false' })
  dry_run?: boolean;
}
