import { Controller, Delete, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS, refuse, unavailable } from '../common/common.errors.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../common/http/pagination.js';
import { KeyAdministrationService } from '../tokens/keys/key-administration.service.js';
import { KeyUsageService } from '../tokens/keys/key-usage.service.js';
import { KeyUsagesDto, keyPage, RotatedDto, SigningKeysDto } from './keys.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'forbidden')
@Controller('admin/keys')
export class AdminKeysController {
  constructor(
    private readonly keys: KeyAdministrationService,
    private readonly usages: KeyUsageService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List the signing keys',
    description:
      'Newest keys first, with their current state. Distrusted keys remain in the list for 30 days.',
  })
  @ApiOkResponse({ type: SigningKeysDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<SigningKeysDto> {
    return keyPage(await this.keys.list(), limit ?? DEFAULT_LIMIT, cursor);
  }

  @Get('usage')
  @ApiOperation({
    summary: 'Count the access tokens of each key',
    description:
      'Counts the access tokens that each key signed and that have not expired, and their users. If the key is distrusted, their ' +
      'clients recover by refreshing. Counts up to 100,000 for each key, including tokens that were revoked since.',
  })
  @ApiOkResponse({ type: KeyUsagesDto })
  async usage(): Promise<KeyUsagesDto> {
    return { keys: await this.usages.usage() };
  }

  @Post('rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Rotate the signing key',
    description:
      'Publishes the next key. It starts to sign when all cached copies of the JWK Set contain it, so no request fails. If a ' +
      'next key already exists, nothing changes.',
  })
  @ApiOkResponse({ type: RotatedDto })
  async rotate(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
  ): Promise<RotatedDto> {
    const ring = await this.keys.rotate(originOf(request), actorId);
    const next = ring.find(({ state }) => state === 'next');
    if (next === undefined)
      throw unavailable(new Error('the next key was distrusted or promoted in the meantime'));
    return { keys: keyPage(ring, ring.length, undefined).keys, promote_at: next.promote_at };
  }

  @Delete(':kid')
  @FreshPassword()
  @HttpCode(204)
  @ApiOperation({
    summary: 'Distrust a signing key',
    description:
      'Use this for a leaked key. Every token that it signed is rejected; clients recover by refreshing. If it was the current key, the ' +
      'next or a new key takes over immediately. Idempotent.',
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
