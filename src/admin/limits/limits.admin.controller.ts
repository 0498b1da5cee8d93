import { Controller, Delete, Get, HttpCode, Query, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { ApiProblems } from '../../common/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../../common/common.errors.js';
import type { User } from '../../users/user.entity.js';
import { UserService } from '../../users/user.service.js';
import { LimitInspectionService } from './limit-inspection.service.js';
import { LimitsDto, LimitsQueryDto, requireOneSubject } from './limits.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden', 'not_found')
@Controller('admin/limits')
export class AdminLimitsController {
  constructor(
    private readonly limits: LimitInspectionService,
    private readonly users: UserService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Show what limits have counted for an address or a user',
    description: 'Whether the address or the user is blocked now, for each limit, and until when.',
  })
  @ApiOkResponse({ type: LimitsDto })
  async show(@Query() query: LimitsQueryDto): Promise<LimitsDto> {
    requireOneSubject(query);
    const { ip } = query;
    if (ip !== undefined) return { limits: await this.limits.ofAddress(ip) };
    return { limits: await this.limits.ofUser(await this.userOf(query)) };
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Release an address or a user',
    description:
      'Forgets the counted calls and failed logins, so that the next call is admitted: on every node within a second. Idempotent.',
  })
  @ApiNoContentResponse()
  async release(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Query() query: LimitsQueryDto,
  ): Promise<void> {
    requireOneSubject(query);
    const origin = originOf(request);
    if (query.ip !== undefined) await this.limits.releaseAddress(query.ip, origin, actorId);
    else await this.limits.releaseUser(await this.userOf(query), origin, actorId);
  }

  private async userOf({ user_id }: LimitsQueryDto): Promise<User> {
    const user = await this.users.find(user_id!);
    if (user === undefined) throw refuse('not_found');
    return user;
  }
}
