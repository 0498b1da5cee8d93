import type { Readable } from 'node:stream';
import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import {
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { disableInactivityTimeout } from '../common/http/http.js';
import { problemBody, problemOf } from '../common/http/problem.filter.js';
import { RevokedDto } from './admin.dto.js';
import { ADMIN_ERRORS } from './admin.errors.js';
import { BulkRevocationService } from './bulk-revocation.service.js';
import { LoginRevocationService } from './login-revocation.service.js';
import { requireAnyOf } from './request-rules.js';
import { TokenCountQueryDto, TokensQueryDto } from './logins/login-filter.dto.js';
import { LoginListService } from './logins/login-list.service.js';
import { LoginDetailDto } from './logins/login-story.dto.js';
import { LoginStoryService } from './logins/login-story.service.js';
import { JSON_LINES, progressLines } from './logins/progress-lines.js';
import {
  BulkRevokeDto,
  RevokeQueryDto,
  TokenCountDto,
  TokenFamiliesDto,
  bulkFilterOf,
} from './tokens.dto.js';

const BULK_FIELDS = [
  'issued_before',
  'began_since',
  'used_since',
  'used_before',
  'role',
  'ip',
  'user_agent',
  'user_ids',
] as const;

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/tokens')
export class AdminTokensController {
  constructor(
    private readonly list: LoginListService,
    private readonly stories: LoginStoryService,
    private readonly logins: LoginRevocationService,
    private readonly bulk: BulkRevocationService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List and find token families and sessions',
    description:
      'Families, the newest first, then sessions. Each token family belongs to one login on one device. Expired and revoked families remain in the list for a ' +
      'week after their latest possible expiry. A filter other than by user, role or `began_…` examines at most 20,000 families for a page, so a ' +
      'page may be short or empty although `next_cursor` is not null.',
  })
  @ApiOkResponse({ type: TokenFamiliesDto })
  find(@CurrentPrincipal() viewer: Principal, @Query() query: TokensQueryDto): Promise<TokenFamiliesDto> {
    return this.list.list(query, viewer);
  }

  @Get('count')
  @ApiOperation({
    summary: 'Count token families and sessions',
    description: 'With the filters of the list. Counts up to 10,000, or with `exact` all.',
  })
  @ApiOkResponse({ type: TokenCountDto })
  count(@Query() query: TokenCountQueryDto): Promise<TokenCountDto> {
    return this.list.count(query);
  }

  @Get(':family_id')
  @ApiOperation({
    summary: 'Show a token family and what happened to it',
    description:
      'Returns the family, the sessions and families that it was exchanged from, or downgraded from or to, and its history from the ' +
      'audit trail. Consecutive refreshes are one entry.',
  })
  @ApiParam({ name: 'family_id', format: 'uuid' })
  @ApiOkResponse({ type: LoginDetailDto })
  @ApiProblems(COMMON_ERRORS, 'not_found')
  show(
    @CurrentPrincipal() viewer: Principal,
    @Param('family_id', ParseUUIDPipe) id: string,
  ): Promise<LoginDetailDto> {
    return this.stories.tell(id, viewer);
  }

  @Delete(':family_id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Revoke a token family or a session',
    description:
      'Revokes a token family or a session. Its tokens or its cookie are rejected immediately. A linked session or family is revoked ' +
      'too. Idempotent. The id of a session is the one that a list has shown within the last seven days.',
  })
  @ApiParam({ name: 'family_id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async revoke(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('family_id', ParseUUIDPipe) id: string,
    @Query() { note }: RevokeQueryDto,
  ): Promise<void> {
    await this.logins.revoke(id, originOf(request), { actorId, note });
  }

  @Post('revoke')
  @FreshPassword()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Revoke many token families',
    description:
      'Revokes families that match all given filters; at least one is required. `issued_before` compares the time of the login, ' +
      '`ip` the address of the last use. Only families opened before the call are revoked. With only `role` or `user_ids`, all ' +
      'sessions of these users are revoked too; with other filters, only linked sessions. If the call fails, repeat it. With ' +
      '`expected_count`, the call revokes all matches in one transaction, or nobody if there are more. With `Accept: ' +
      'application/x-ndjson` the answer is a line of JSON for each batch: `{"revoked": 250}`, and a last one with `"done": true`, or with ' +
      'the `problem` that ended the call.',
  })
  @ApiOkResponse({
    description: '',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(RevokedDto) } },
      [JSON_LINES]: { schema: { type: 'string', example: '{"revoked":250}\n{"revoked":310,"done":true}\n' } },
    },
  })
  @ApiExtraModels(RevokedDto)
  @ApiProblems(ADMIN_ERRORS, 'more_than_expected')
  async revokeMany(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Body() body: BulkRevokeDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RevokedDto | Readable> {
    const { expected_count: expectedCount, note, ...given } = body;
    requireAnyOf(given, ...BULK_FIELDS);
    disableInactivityTimeout(reply);
    const filter = bulkFilterOf(given);
    const order = { origin: originOf(request), by: { actorId, note }, expectedCount };
    if (!acceptsLines(request)) return { revoked: await this.bulk.revoke(filter, order) };
    const lines = await progressLines(
      async (report) => {
        const onProgress = (revoked: number) => report({ revoked });
        return { revoked: await this.bulk.revoke(filter, { ...order, onProgress }), done: true };
      },
      (error) => ({ problem: problemBody(problemOf(error), request.id) }),
    );
    reply.type(JSON_LINES).header('X-Accel-Buffering', 'no');
    return lines;
  }
}

/** Whether the client asks for progress. */
function acceptsLines({ headers }: FastifyRequest): boolean {
  return headers.accept?.split(',').some((type) => type.trim().split(';')[0] === JSON_LINES) === true;
}
