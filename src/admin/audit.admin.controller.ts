import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, Roles } from '../auth/auth.decorators.js';
import { ApiProblems } from '../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { AdminQueryService } from './admin-query.service.js';
import { AuditEventsDto, AuditQueryDto } from './audit.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/audit')
export class AdminAuditController {
  constructor(private readonly queries: AdminQueryService) {}

  @Get()
  @ApiOperation({
    summary: 'Read the audit trail',
    description:
      'Security events, newest first. Events that are added while you read do not appear on later pages. Refused requests of ' +
      'unknown callers are counted per cause, network and minute. `npm run admin -- audit verify` checks that the audit trail is ' +
      'unchanged.',
  })
  @ApiOkResponse({ type: AuditEventsDto })
  list(@Query() query: AuditQueryDto): Promise<AuditEventsDto> {
    return this.queries.listEvents(query);
  }
}
