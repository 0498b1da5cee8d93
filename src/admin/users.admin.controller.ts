import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  ApiAuthenticated,
  ApiTokenRefusals,
  CurrentActor,
  CurrentPrincipal,
  FreshPassword,
  Roles,
  ServiceClientsWith,
} from '../auth/auth.decorators.js';
import { originOf } from '../auth/http/request-origin.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../common/common.errors.js';
import { OAUTH_ERRORS } from '../oauth/oauth.errors.js';
import { RevocationService } from '../tokens/families/revocation.service.js';
import { UserService } from '../users/user.service.js';
import { USER_ERRORS } from '../users/users.errors.js';
import { AdminQueryService } from './admin-query.service.js';
import {
  AdminUserDetailDto,
  AdminUserDto,
  AdminUsersDto,
  AdminUsersQueryDto,
  NewUserDto,
  RevokedDto,
  UserChangeDto,
  adminUserDetail,
  adminUserView,
  changeOf,
  userOf,
} from './admin.dto.js';
import { UserCreationService } from './user-creation.service.js';
import { UserDeletionService } from './user-deletion.service.js';
import { UserUpsertService } from './user-upsert.service.js';
import { UpsertDto } from './users.dto.js';
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
    private readonly creations: UserCreationService,
    private readonly deletions: UserDeletionService,
    private readonly upserts: UserUpsertService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List and find users', description: 'Sorted by name and paginated.' })
  @ApiOkResponse({ type: AdminUsersDto })
  list(@Query() query: AdminUsersQueryDto): Promise<AdminUsersDto> {
    return this.queries.listUsers(query);
  }

  @Post()
  @ApiOperation({
    summary: 'Create a user',
    description: 'With a password, with a password hash of your product, or without either.',
  })
  @ApiCreatedResponse({ type: AdminUserDto })
  @ApiProblems(USER_ERRORS, 'username_taken', 'external_id_taken', 'password_too_weak')
  async create(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Body() body: NewUserDto,
  ): Promise<AdminUserDto> {
    return adminUserView(await this.creations.create(userOf(body), originOf(request), userId));
  }

  @Get(':id')
  @ApiOperation({
    summary: 'Show a user',
    description: 'Their logins: `GET /admin/tokens?scheme=all&user_id=…`.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AdminUserDetailDto })
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async show(@Param('id', ParseUUIDPipe) id: string): Promise<AdminUserDetailDto> {
    const user = await this.users.find(id);
    if (user === undefined) throw refuse('not_found');
    return adminUserDetail(user, this.users.isPasswordManaged(user) ? 'product' : 'local');
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
  @ApiProblems(
    USER_ERRORS,
    'last_admin',
    'external_id_taken',
    'password_managed_elsewhere',
    'password_too_weak',
  )
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

  @Put('by-external-id/:external_id')
  @ServiceClientsWith('users')
  @ApiTokenRefusals()
  @ApiOperation({
    summary: "Create or change a user by the product's id",
    description:
      'For the product. Creates the user, or changes the given fields. Safe to repeat. Null clears a field. A new password or hash, and ' +
      'disabling, revoke all token families and sessions. Also open to service clients with the scope `users` (HTTP Basic). An ' +
      'administrator who sets a password needs a login that has proved its own password within five minutes.',
  })
  @ApiParam({ name: 'external_id', example: 'legacy-4711', description: 'Percent-encoded' })
  @ApiOkResponse({ type: AdminUserDto, description: 'The user existed' })
  @ApiCreatedResponse({ type: AdminUserDto, description: 'The user was created' })
  @ApiProblems(
    USER_ERRORS,
    'stale_version',
    'username_taken',
    'external_id_taken',
    'last_admin',
    'password_managed_elsewhere',
    'password_too_weak',
  )
  @ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
  @ApiProblems(OAUTH_ERRORS, 'invalid_client', 'insufficient_scope')
  @FreshPassword('password', 'password_hash')
  async upsert(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @CurrentActor() actorId: string,
    @Param('external_id') externalId: string,
    @Body() body: UpsertDto,
  ): Promise<AdminUserDto> {
    const { created, user } = await this.upserts.upsert(externalId, body, originOf(request), actorId);
    reply.status(created ? 201 : 200);
    return adminUserView(user);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Delete a user',
    description: 'Revokes all token families and sessions of the user. The audit trail keeps the id.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  @ApiProblems(USER_ERRORS, 'last_admin')
  @ApiProblems(COMMON_ERRORS, 'not_found')
  async delete(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId: actorId }: Principal,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    await this.deletions.delete(id, originOf(request), actorId);
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
