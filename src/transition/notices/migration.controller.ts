import { Controller, Get, Header, Req } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { AuthenticatedRequest } from '../../auth/principal.js';
import { Public } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { MigrationDto } from './notice.dto.js';
import { MigrationService } from './migration.service.js';

@ApiTags('Transition')
@Public()
@Controller('auth/migration')
export class MigrationController {
  constructor(private readonly migration: MigrationService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Migration status',
    description:
      'Public. With a session cookie, also says whether to show the banner and whether the user may switch to tokens now.',
  })
  @ApiOkResponse({ type: MigrationDto })
  @ApiProblems(COMMON_ERRORS, 'service_unavailable')
  async read(@Req() request: AuthenticatedRequest): Promise<MigrationDto> {
    return this.migration.describe(request);
  }
}
