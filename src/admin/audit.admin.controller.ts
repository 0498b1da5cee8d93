import { Readable } from 'node:stream';
import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ApiAuthenticated, Roles } from '../auth/auth.decorators.js';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { disableInactivityTimeout } from '../common/http/http.js';
import { AdminQueryService } from './admin-query.service.js';
import { AuditEventsDto, AuditFilterDto, AuditQueryDto, SealStateDto } from './audit.dto.js';
import { JSON_LINES } from './logins/progress-lines.js';

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

  @Get('export')
  @ApiOperation({
    summary: 'Export the audit trail',
    description: 'All matching events as JSON lines, oldest first.',
  })
  @ApiProduces(JSON_LINES)
  @ApiOkResponse({
    content: { [JSON_LINES]: { schema: { type: 'string', example: '{"id":"4711","event":"login",…}\n' } } },
  })
  export(@Query() query: AuditFilterDto, @Res() reply: FastifyReply): void {
    disableInactivityTimeout(reply);
    void reply
      .type(JSON_LINES)
      .header('Content-Disposition', 'attachment; filename="audit.jsonl"')
      .send(Readable.from(this.queries.exportEvents(query)));
  }

  @Get('seals')
  @ApiOperation({
    summary: 'Check the end of the audit trail',
    description:
      'The end of the chain of seals, and whether it was made by this service, is not cut off and is up to date. `npm run admin -- audit ' +
      'verify` checks the whole trail.',
  })
  @ApiOkResponse({ type: SealStateDto })
  seals(): Promise<SealStateDto> {
    return this.queries.sealState();
  }
}
