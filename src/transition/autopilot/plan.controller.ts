import { Body, Controller, Get, Put, Query, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { iso } from '../rollout/rollout-view.js';
import { ROLLOUT_ERRORS } from '../rollout/rollout.errors.js';
import { DEFAULTS } from './plan.js';
import type { PlanSettings } from './plan.js';
import { PlanAdministrationService } from './plan-administration.service.js';
import type { PlanStanding } from './plan-administration.service.js';
import { PlanViewDto } from './plan-view.dto.js';
import type { PlanNextDto, SchemeFiguresDto } from './plan-view.dto.js';
import { PlanDto, PlanQueryDto } from './plan.dto.js';
import type { Decision } from './plan-decision.js';
import type { SchemeFigures } from './comparison.js';

@ApiTags('Rollout')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'forbidden')
@Controller('admin/rollout/plan')
export class PlanController {
  constructor(private readonly administration: PlanAdministrationService) {}

  @Get()
  @ApiOperation({ summary: 'The plan of the autopilot, its state and the reason for it' })
  @ApiOkResponse({ type: PlanViewDto })
  async read(): Promise<PlanViewDto> {
    return viewOf(await this.administration.read());
  }

  @Put()
  @ApiOperation({
    summary: 'Replace the plan of the autopilot',
    description:
      'Replaces the plan. The new plan starts from the current percentage. A manual change of the rollout pauses it. ' +
      'With `dry_run` nothing changes, and the answer says what the plan would do now.',
  })
  @ApiOkResponse({ type: PlanViewDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  @ApiProblems(ROLLOUT_ERRORS, 'stale_version')
  async put(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Query() { dry_run }: PlanQueryDto,
    @Body() body: PlanDto,
  ): Promise<PlanViewDto> {
    const by = { actorId: userId, origin: originOf(request) };
    const settings = settingsOf(body);
    return viewOf(
      await (dry_run === true
        ? this.administration.dryRun(settings)
        : this.administration.put(settings, by, body.revision)),
    );
  }
}

function settingsOf(body: PlanDto): PlanSettings {
  return {
    enabled: body.enabled,
    steps: (body.steps ?? []).map(({ percentage, soak_seconds }) => ({ percentage, soak_seconds })),
    minRequests: body.min_requests ?? DEFAULTS.minRequests,
    maxFalseAlarm: body.max_false_alarm ?? DEFAULTS.maxFalseAlarm,
    tolerance: body.tolerance ?? DEFAULTS.tolerance,
    drainOnRollback: body.drain_on_rollback ?? DEFAULTS.drainOnRollback,
  };
}

function viewOf({ plan, decision, evidence }: PlanStanding): PlanViewDto {
  return {
    revision: plan.revision,
    enabled: plan.enabled,
    steps: plan.steps,
    min_requests: plan.minRequests,
    max_false_alarm: plan.maxFalseAlarm,
    tolerance: plan.tolerance,
    drain_on_rollback: plan.drainOnRollback,
    status: {
      state: plan.state,
      why: plan.why,
      step: plan.position,
      since: plan.since === null ? null : iso(plan.since),
      figures:
        evidence === undefined
          ? null
          : { bearer: figuresOf(evidence.whole.bearer), session: figuresOf(evidence.whole.session) },
      next: nextOf(decision),
    },
  };
}

function nextOf(decision: Decision): PlanNextDto {
  const { action, why } = decision;
  if (action === 'advance') return { action, why, phase: 'gradual_rollout', percentage: decision.percentage };
  if (action === 'roll_back') return { action, why, ...decision.to };
  return { action, why, phase: null, percentage: null };
}

function figuresOf({ requests, errors, users, logouts }: SchemeFigures): SchemeFiguresDto {
  return { requests, errors, users, unexpected_logouts: logouts };
}
