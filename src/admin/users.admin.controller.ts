import { Body, Controller, HttpCode, Param, ParseUUIDPipe, Post, Req } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { ApiAuthenticated } from '../auth/api-authenticated.decorator.js';
import { CurrentPrincipal } from '../auth/current-principal.decorator.js';
import { originOf } from '../auth/origin.js';
import type { Principal } from '../auth/principal.js';
import { Roles } from '../auth/roles.decorator.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS, refuse } from '../common/common.errors.js';
import { LoginEnder } from '../tokens/login-ender.service.js';
import type { User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import { USER_ERRORS } from '../users/users.errors.js';
import { AdminUserDto, NewUserDto, RevokedDto } from './admin.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/users')
export class AdminUsersController {
  constructor(
    private readonly users: UserService,
    private readonly ender: LoginEnder,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Create a user' })
  @ApiCreatedResponse({ type: AdminUserDto })
  @ApiProblems(USER_ERRORS, 'username_taken', 'password_too_weak')
  async create(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Body() body: NewUserDto,
  ): Promise<AdminUserDto> {
    return viewOf(await this.users.create(body, originOf(request), userId));
  }

  @Post(':id/revoke')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Log a user out everywhere',
    description: 'Every login of the user ends at once.',
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
      revoked: await this.ender.endUser(
        id,
        { reason: 'revoke', event: 'revoke', actorId },
        originOf(request),
      ),
    };
  }
}

function viewOf(user: User): AdminUserDto {
  return {
    id: user.id,
    username: user.username,
    role: user.role,
    email: user.email,
    disabled: user.disabledAt !== null,
    external_id: user.externalId,
    created_at: user.createdAt,
  };
}
