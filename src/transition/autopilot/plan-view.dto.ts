import { ApiProperty } from '@nestjs/swagger';
import { PHASES } from '../rollout/rollout-state.js';
import type { Phase } from '../rollout/rollout-state.js';
import type { PlanState } from './plan.js';
import type { Decision } from './plan-decision.js';
import { PlanStepDto } from './plan.dto.js';

export class SchemeFiguresDto {
  @ApiProperty({ type: 'integer', example: 5_120 })
  requests!: number;

  @ApiProperty({ type: 'integer', example: 3 })
  errors!: number;

  @ApiProperty({ type: 'integer', example: 240 })
  users!: number;

  @ApiProperty({ type: 'integer', example: 0 })
  unexpected_logouts!: number;
}

export class PlanFiguresDto {
  @ApiProperty({ type: SchemeFiguresDto })
  bearer!: SchemeFiguresDto;

  @ApiProperty({ type: SchemeFiguresDto })
  session!: SchemeFiguresDto;
}

export class PlanNextDto {
  @ApiProperty({
    enum: ['none', 'wait', 'hold', 'adopt', 'advance', 'roll_back', 'finish', 'pause'],
    example: 'wait',
  })
  action!: Decision['action'];

  @ApiProperty({ example: '5 per cent are watched for another 3600 s' })
  why!: string;

  @ApiProperty({ enum: PHASES, nullable: true, example: null, description: 'Of `advance` and `roll_back`' })
  phase!: Phase | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: null,
    description: 'Of `advance` and `roll_back`',
  })
  percentage!: number | null;
}

export class PlanStatusDto {
  @ApiProperty({ enum: ['off', 'running', 'finished', 'rolled_back', 'paused'], example: 'running' })
  state!: PlanState;

  @ApiProperty({ example: 'the plan begins at 0 per cent' })
  why!: string;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 0,
    description: 'Index of the current step',
  })
  step!: number | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: '2027-01-05T10:00:00.000Z' })
  since!: string | null;

  @ApiProperty({ type: PlanFiguresDto, nullable: true, description: 'Since the step began' })
  figures!: PlanFiguresDto | null;

  @ApiProperty({ type: PlanNextDto, description: 'What the plan does now, or with `dry_run` would do' })
  next!: PlanNextDto;
}

export class PlanViewDto {
  @ApiProperty({
    type: 'integer',
    example: 4,
    description: 'Increases with each change, also by the autopilot',
  })
  revision!: number;

  @ApiProperty({ example: true })
  enabled!: boolean;

  @ApiProperty({ type: [PlanStepDto], example: [{ percentage: 5, soak_seconds: 86_400 }] })
  steps!: readonly PlanStepDto[];

  @ApiProperty({ type: 'integer', example: 1_000 })
  min_requests!: number;

  @ApiProperty({ example: 0.01 })
  max_false_alarm!: number;

  @ApiProperty({ example: 0.001 })
  tolerance!: number;

  @ApiProperty({ example: false })
  drain_on_rollback!: boolean;

  @ApiProperty({ type: PlanStatusDto, description: 'The state of the plan and the reason for it' })
  status!: PlanStatusDto;
}
