import { Controller, Get, Header, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import { Public } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { MigrationDto } from './migration.dto.js';
import { Migration } from './migration.service.js';

@ApiTags('Transition')
@Public()
@Controller('auth/migration')
export class MigrationController {
  constructor(private readonly migration: Migration) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Where the move from sessions to tokens stands',
    description:
      'For everybody; with a session cookie also whether its user is to be told, and may move now.',
  })
  @ApiOkResponse({ type: MigrationDto })
  @ApiProblems(COMMON_ERRORS, 'service_unavailable')
  async read(@Req() request: AuthenticatedRequest): Promise<MigrationDto> {
    return this.migration.describe(request);
  }
}
