import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, CurrentPrincipal } from '../auth/auth.decorators.js';
import type { Principal } from '../auth/principal.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../common/http/pagination.js';
import { refuseToken } from '../tokens/tokens.errors.js';
import type { User } from '../users/user.entity.js';
import { UserService } from '../users/user.service.js';
import { MeDto, UsersDto } from './api.dto.js';

/** The protected example API. */
@ApiTags('API')
@ApiAuthenticated()
@Controller('api/users')
export class UsersController {
  constructor(private readonly users: UserService) {}

  @Get()
  @ApiOperation({ summary: 'List users', description: 'Sorted by name and paginated.' })
  @ApiOkResponse({ type: UsersDto })
  @ApiProblems(COMMON_ERRORS, 'validation_failed')
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<UsersDto> {
    return this.users.list(limit ?? DEFAULT_LIMIT, cursor);
  }

  @Get('me')
  @ApiOperation({ summary: 'Show the current user' })
  @ApiOkResponse({ type: MeDto })
  async me(@CurrentPrincipal() { userId }: Principal): Promise<MeDto> {
    return meView(await this.users.find(userId));
  }
}

/** Returns the user of the request. Throws 401 `token_revoked` if the user was deleted. */
function meView(user: User | undefined): MeDto {
  if (user === undefined) throw refuseToken('token_revoked');
  const { id, username, role, externalId: external_id, createdAt: created_at } = user;
  return { id, username, role, external_id, created_at };
}
