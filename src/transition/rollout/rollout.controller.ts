import { Body, Controller, Get, HttpCode, Patch, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { FreshPasswordService } from '../../auth/account/fresh-password.service.js';
import { ApiAuthenticated, ApiFreshPassword, CurrentPrincipal, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../../common/http/pagination.js';
import { RolloutAdministrationService } from './rollout-administration.service.js';
import type { RolloutAdministrator } from './rollout-administration.service.js';
import type { RolloutPatch } from './rollout-patch.js';
import { RolloutPreviewService } from './rollout-preview.service.js';
import { stateView } from './rollout-view.js';
import { RolloutDto, RolloutHistoryDto, RolloutPreviewDto, previewView } from './rollout-view.dto.js';
import { RollbackDto, RolloutPatchDto } from './rollout.dto.js';
import { ROLLOUT_ERRORS } from './rollout.errors.js';

@ApiTags('Rollout')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/rollout')
export class RolloutController {
  constructor(
    private readonly administration: RolloutAdministrationService,
    private readonly previews: RolloutPreviewService,
    private readonly passwords: FreshPasswordService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'The state of the rollout' })
  @ApiOkResponse({ type: RolloutDto })
  async read(): Promise<RolloutDto> {
    return stateView(await this.administration.read());
  }

  @Patch()
  @ApiOperation({
    summary: 'Change the rollout',
    description:
      'Changes the given fields, on every node within a second. Entering `deprecation_notice` sets `sunset_at` 90 days ahead ' +
      'unless it is given. Returning to an earlier phase removes sunset and brownouts unless they are given. A change of `phase` ' +
      'that makes users eligible who are not eligible now needs `percentage`. A sunset within a day needs a login that has proved its ' +
      'password within five minutes.',
  })
  @ApiOkResponse({ type: RolloutDto })
  @ApiProblems(ROLLOUT_ERRORS, 'stale_version')
  @ApiFreshPassword()
  async change(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Body() body: RolloutPatchDto,
  ): Promise<RolloutDto> {
    const by = await this.administrator(request, principal);
    return stateView(await this.administration.change(patchOf(body), body.version, by));
  }

  @Post('preview')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Preview a change of the rollout',
    description:
      'Says how many users the change would move, and changes nothing. It examines each user who is not disabled, which takes some ' +
      'seconds for hundreds of thousands of users.',
  })
  @ApiBody({ type: RolloutPatchDto })
  @ApiOkResponse({ type: RolloutPreviewDto })
  async preview(@Body() body: RolloutPatchDto): Promise<RolloutPreviewDto> {
    return previewView(await this.previews.preview(patchOf(body)));
  }

  @Post('rollback')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Roll back to the previous state',
    description: 'A second call returns to the state before that. It signs nobody out, even with `drain`.',
  })
  @ApiBody({ type: RollbackDto, required: false })
  @ApiOkResponse({ type: RolloutDto })
  @ApiProblems(ROLLOUT_ERRORS, 'stale_version', 'nothing_to_roll_back', 'rollback_ends_sessions')
  @ApiFreshPassword()
  async rollBack(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() principal: Principal,
    @Body() { drain, version }: RollbackDto,
  ): Promise<RolloutDto> {
    const by = await this.administrator(request, principal);
    return stateView(await this.administration.rollBack(drain, version, by));
  }

  private async administrator(request: FastifyRequest, principal: Principal): Promise<RolloutAdministrator> {
    const provedPassword = await this.passwords.isFresh(principal);
    return { actorId: principal.userId, origin: originOf(request), provedPassword };
  }

  @Get('history')
  @ApiOperation({ summary: 'Who changed what, when', description: 'Newest first, in pages.' })
  @ApiOkResponse({ type: RolloutHistoryDto })
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<RolloutHistoryDto> {
    return this.administration.history(limit ?? DEFAULT_LIMIT, cursor) as Promise<RolloutHistoryDto>;
  }
}

function patchOf(body: RolloutPatchDto): RolloutPatch {
  const { phase, percentage, roles, user_ids, drain, sunset_at, brownouts } = body;
  return {
    phase,
    percentage,
    roles,
    userIds: user_ids?.map((id) => id.toLowerCase()),
    drain,
    sunsetAt: typeof sunset_at === 'string' ? Date.parse(sunset_at) : sunset_at,
    brownouts: brownouts?.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) })),
  };
}
