import {
  Body,
  Controller,
  Get,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Patch,
  Post,
  Query,
  Req,
} from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, FreshPassword, Roles } from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../common/common.errors.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { UserService } from '../users/user.service.js';
import { USER_ERRORS } from '../users/users.errors.js';
import { AdminQueryService } from './admin-query.service.js';
import {
  AdminUserDto,
  AdminUsersDto,
  AdminUsersQueryDto,
  NewUserDto,
  RevokedDto,
  UserChangeDto,
  adminUserView,
  changeOf,
} from './admin.dto.js';
import { requireAnyOf } from './request-rules.js';
import { UserChangeService } from '../auth/account/user-change.service.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/users')
export class AdminUsersController {
  constructor(
    private readonly users: UserService,
    private readonly queries: AdminQueryService,
    private readonly changes: UserChangeService,
    private readonly revocations: RevocationService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List and find users', description: 'Sorted by name and paginated.' })
  @ApiOkResponse({ type: AdminUsersDto })
  list(@Query() query: AdminUsersQueryDto): Promise<AdminUsersDto> {
    return this.queries.listUsers(query);
  }

  @Post()
  @ApiOperation({ summary: 'Create a user' })
  @ApiCreatedResponse({ type: AdminUserDto })
  @ApiProblems(USER_ERRORS, 'username_taken', 'password_too_weak')
  async create(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Body() body: NewUserDto,
  ): Promise<AdminUserDto> {
    return adminUserView(await this.users.create(body, originOf(request), userId));
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Change a user',
    description:
      'Changes all given fields or none. Disabling the user or setting a password revokes all their token families and ' +
      'sessions. A new role or external id invalidates their access tokens; the next refresh returns one with the new values. `password` ' +
      'needs a login that has proved its own password within five minutes.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminUserDto })
  @ApiProblems(USER_ERRORS, 'last_admin', 'external_id_taken', 'password_too_weak')
  @FreshPassword('password')
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async change(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
    @Body() body: UserChangeDto,
  ): Promise<AdminUserDto> {
    requireAnyOf(body, 'role', 'disabled', 'email', 'external_id', 'password');
    return adminUserView(await this.changes.change(id, changeOf(body), originOf(request), { actorId }));
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Log a user out everywhere',
    description: 'Revokes all token families and sessions of the user immediately.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: RevokedDto })
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async revoke(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<RevokedDto> {
    if ((await this.users.find(id)) === undefined) throw refuse('not_found');
    return {
      revoked: await this.revocations.revokeUser(
        id,
        { reason: 'revoke', event: 'revoke', actorId },
        originOf(request),
      ),
    };
  }
}
