import { ApiProperty } from '@nestjs/swagger';
import type { Role } from '../../common/role.js';
import { PHASES } from './rollout-state.js';
import type { Phase } from './rollout-state.js';
import { BrownoutDto, ROLES_SCHEMA } from './rollout.dto.js';

export class RolloutDto {
  @ApiProperty({ enum: PHASES, example: 'gradual_rollout' })
  phase!: Phase;

  @ApiProperty({ type: 'integer', example: 10 })
  percentage!: number;

  @ApiProperty(ROLES_SCHEMA)
  roles!: readonly Role[];

  @ApiProperty({ type: [String], format: 'uuid', example: ['5d1c1c3e-6a44-4a39-9d3b-3f0d6f5b7a10'] })
  user_ids!: readonly string[];

  @ApiProperty({ example: false })
  drain!: boolean;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  sunset_at!: string | null;

  @ApiProperty({ type: [BrownoutDto], example: [] })
  brownouts!: readonly BrownoutDto[];

  @ApiProperty({ type: 'integer', example: 7 })
  version!: number;
}

export class RolloutEventDto {
  @ApiProperty({ type: 'integer', example: 7 })
  version!: number;

  @ApiProperty({ type: String, format: 'date-time', example: '2027-01-05T10:00:00.000Z' })
  at!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Null: the command line or the autopilot',
  })
  actor_id!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'root',
    description:
      'The current name of the actor. For the command line, `command line (…)` with the name of its user. Null: the autopilot',
  })
  actor!: string | null;

  @ApiProperty({ example: 'changed' })
  cause!: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object' },
    example: { percentage: { from: 5, to: 10 } },
    description: 'The changed fields. Of `user_ids`, the number before and after',
  })
  changes!: object;

  @ApiProperty({ type: RolloutDto })
  state!: RolloutDto;
}

export class RolloutHistoryDto {
  @ApiProperty({ type: [RolloutEventDto], description: 'Newest first' })
  events!: RolloutEventDto[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Null on the last page' })
  next_cursor!: string | null;
}
