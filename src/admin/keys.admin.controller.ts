import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS, refuse, unavailable } from '../common/common.errors.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../common/pagination.js';
import { KeyAdministrationService } from '../tokens/keys/key-administration.service.js';
import { keyPage } from './key-page.js';
import { RotatedDto, SigningKeysDto } from './keys.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'forbidden')
@Controller('admin/keys')
export class AdminKeysController {
  constructor(private readonly keys: KeyAdministrationService) {}

  @Get()
  @ApiOperation({
    summary: 'List the signing keys',
    description: 'The keys made last first, with their state now. Distrusted ones stay listed for 30 days.',
  })
  @ApiOkResponse({ type: SigningKeysDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<SigningKeysDto> {
    return keyPage(await this.keys.list(), limit ?? DEFAULT_LIMIT, cursor);
  }

  @Post('rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Rotate the signing key',
    description:
      'Publishes a next key, which signs once every client that keeps the JWK Set has it: no request fails. While a next ' +
      'key is ripening nothing changes.',
  })
  @ApiOkResponse({ type: RotatedDto })
  async rotate(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
  ): Promise<RotatedDto> {
    const ring = await this.keys.rotate(originOf(request), actorId);
    const next = ring.find(({ state }) => state === 'next');
    // Distrusted, or promoted early, by somebody else since.
    if (next === undefined) throw unavailable(new Error('the next key is not next any more'));
    return { keys: keyPage(ring, ring.length, undefined).keys, promote_at: next.promote_at };
  }

  @Delete(':kid')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Distrust a signing key',
    description:
      'For a key that may have leaked: nothing that it signed is accepted any more, and whoever is logged in refreshes. If ' +
      'it was the current one, the next one or a new one signs at once. Works again.',
  })
  @ApiParam({ name: 'kid', example: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' })
  @ApiNoContentResponse()
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async distrust(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('kid') kid: string,
  ): Promise<void> {
    const outcome = await this.keys.distrust(kid, originOf(request), actorId);
    if (outcome === 'unknown') throw refuse('not_found');
  }
}
