import { ApiProperty, OmitType } from '@nestjs/swagger';
import type { Role } from '../../common/role.js';
import { PHASES } from './rollout-state.js';
import type { Phase } from './rollout-state.js';
import type { RolloutPreview } from './rollout-preview.service.js';
import { settingsView } from './rollout-view.js';
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

const COUNT = { type: 'integer', example: 1_240 } as const;

export class RolloutSettingsDto extends OmitType(RolloutDto, ['version']) {}

export class RolloutPreviewDto {
  @ApiProperty({ type: RolloutSettingsDto, description: 'The settings after the change' })
  next!: RolloutSettingsDto;

  @ApiProperty({ ...COUNT, example: 200_000, description: 'Users who are not disabled' })
  users!: number;

  @ApiProperty(COUNT)
  eligible_before!: number;

  @ApiProperty(COUNT)
  eligible_after!: number;

  @ApiProperty({ ...COUNT, description: 'Users whom the change moves to tokens: they become eligible' })
  gain!: number;

  @ApiProperty({ ...COUNT, example: 0, description: 'Users who are no longer eligible' })
  lose!: number;

  @ApiProperty({ ...COUNT, example: 310, description: 'Users with a live token family now' })
  on_tokens!: number;

  @ApiProperty({
    ...COUNT,
    example: 0,
    description: 'Users with a live token family who are not eligible, and keep it because `drain` is off',
  })
  on_tokens_stay!: number;

  @ApiProperty({
    ...COUNT,
    example: 0,
    description:
      'Users with a live token family who are not eligible, and return to a session because `drain` is on',
  })
  on_tokens_drained!: number;

  @ApiProperty({ example: true, description: 'False: extrapolated from 250,000 users' })
  exact!: boolean;
}

export function previewView(preview: RolloutPreview): RolloutPreviewDto {
  const { next, users, eligibleBefore, eligibleAfter, gain, lose, onTokens, onTokensNotEligible, exact } =
    preview;
  return {
    next: settingsView(next),
    users,
    eligible_before: eligibleBefore,
    eligible_after: eligibleAfter,
    gain,
    lose,
    on_tokens: onTokens,
    on_tokens_stay: next.drain ? 0 : onTokensNotEligible,
    on_tokens_drained: next.drain ? onTokensNotEligible : 0,
    exact,
  };
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
