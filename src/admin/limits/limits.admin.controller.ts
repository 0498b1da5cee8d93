import { Controller, Delete, Get, HttpCode, Param, Query, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { LimitReleaseService } from './limit-release.service.js';
import { BlockedListDto, BlockedQueryDto } from './limits.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'forbidden')
@Controller('admin/limits/blocked')
export class AdminLimitsController {
  constructor(private readonly limits: LimitReleaseService) {}

  @Get()
  @ApiOperation({
    summary: 'List addresses and accounts that are blocked now',
    description:
      'Whose next call a rate limit refuses, on any node. A node adds a block within a second. Counters of service clients are not listed.',
  })
  @ApiOkResponse({ type: BlockedListDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  list(@Query() query: BlockedQueryDto): Promise<BlockedListDto> {
    return this.limits.list(query);
  }

  @Delete(':id')
  @FreshPassword()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Release a blocked address or account',
    description:
      'The next call is admitted on this node at once and on every other node within a second. An address is released together with the ' +
      'wider IPv6 networks that it counts for. The release of an account releases no address: if the address of the user is blocked too, ' +
      'release it as well, by its id in `blocked_addresses`. The id of a user releases the user also if nothing is listed.',
  })
  @ApiParam({ name: 'id', example: '0f8fad5bd9cb469fa16570867728950e' })
  @ApiNoContentResponse()
  @ApiProblems(COMMON_ERRORS, 'malformed_request', 'not_found')
  async release(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id') id: string,
  ): Promise<void> {
    await this.limits.release(id, originOf(request), actorId);
  }
}
