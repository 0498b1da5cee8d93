import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsUUID,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IsTimestamp } from '../../common/instant.js';
import { IsRole, ROLE_PATTERN } from '../../common/role.js';
import type { Role } from '../../common/role.js';
import { MAX_BROWNOUTS } from './rollout-patch.js';
import { PHASES } from './rollout-state.js';
import type { Phase } from './rollout-state.js';

const MAX_ROLES = 100;
export const ROLES_SCHEMA = {
  type: 'array',
  items: { type: 'string', pattern: ROLE_PATTERN },
  example: ['staff'],
} as const;
const MAX_USER_IDS = 1_000;
const MAX_VERSION = 2_147_483_647;

/** The field is optional. Null is a value, and is refused. */
const IsGiven = () => ValidateIf((_, value) => value !== undefined);

export class BrownoutDto {
  @ApiProperty({ type: String, format: 'date-time', example: '2027-01-12T09:00:00.000Z' })
  @IsTimestamp()
  from!: string;

  @ApiProperty({ type: String, format: 'date-time', example: '2027-01-12T09:15:00.000Z' })
  @IsTimestamp()
  to!: string;
}

export class RolloutPatchDto {
  @ApiPropertyOptional({ enum: PHASES, example: 'gradual_rollout' })
  @IsGiven()
  @IsIn(PHASES)
  phase?: Phase;

  @ApiPropertyOptional({ type: 'integer', minimum: 0, maximum: 100, example: 10 })
  @IsGiven()
  @IsInt()
  @Min(0)
  @Max(100)
  percentage?: number;

  @ApiPropertyOptional({ ...ROLES_SCHEMA, maxItems: MAX_ROLES })
  @IsGiven()
  @IsArray()
  @ArrayMaxSize(MAX_ROLES)
  @ArrayUnique()
  @IsRole({ each: true })
  roles?: Role[];

  @ApiPropertyOptional({
    type: [String],
    format: 'uuid',
    maxItems: MAX_USER_IDS,
    example: ['5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10'],
  })
  @IsGiven()
  @IsArray()
  @ArrayMaxSize(MAX_USER_IDS)
  @IsUUID('all', { each: true })
  @ArrayUnique((id: unknown) => (typeof id === 'string' ? id.toLowerCase() : id))
  user_ids?: string[];

  @ApiPropertyOptional({
    example: false,
    description: 'Refreshes of users who are not eligible answer 403 `jwt_not_enabled`',
  })
  @IsGiven()
  @IsBoolean()
  drain?: boolean;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    nullable: true,
    example: '2027-03-01T00:00:00.000Z',
    description:
      'A time in the past removes sessions now. Null: no sunset, or 90 days ahead in `deprecation_notice`',
  })
  @ValidateIf((_, value) => value !== undefined && value !== null)
  @IsTimestamp()
  sunset_at?: string | null;

  @ApiPropertyOptional({ type: [BrownoutDto], maxItems: MAX_BROWNOUTS })
  @IsGiven()
  @IsArray()
  @ArrayMaxSize(MAX_BROWNOUTS)
  @IsObject({ each: true })
  @ValidateNested({ each: true })
  @Type(() => BrownoutDto)
  brownouts?: BrownoutDto[];

  @ApiPropertyOptional({
    type: 'integer',
    example: 7,
    description: 'The version that the change is based on. 409 if it is no longer the last one',
  })
  @IsGiven()
  @IsInt()
  @Min(1)
  @Max(MAX_VERSION)
  version?: number;
}

export class RollbackDto {
  @ApiPropertyOptional({ example: true, description: 'If omitted, the value of the earlier state' })
  @IsGiven()
  @IsBoolean()
  drain?: boolean;

  @ApiPropertyOptional({
    type: 'integer',
    example: 7,
    description: 'The version to roll back. 409 if it is no longer the last one, so that a retry is safe',
  })
  @IsGiven()
  @IsInt()
  @Min(1)
  @Max(MAX_VERSION)
  version?: number;
}
