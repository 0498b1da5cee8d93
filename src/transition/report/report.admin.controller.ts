import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, CountedAs, Roles } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { ReportDto, ReportQueryDto } from './report.dto.js';
import { ReportService } from './report.service.js';

@ApiTags('Rollout')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/rollout/report')
export class ReportAdminController {
  constructor(private readonly reports: ReportService) {}

  @Get()
  // Reading the report must not change it.
  @CountedAs('nothing')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Compare sessions and tokens, and find who still uses sessions',
    description:
      'All nodes, at most five seconds old: requests, users, errors by code, latency and unexpected logouts of each scheme, in ' +
      'total and by time, and sessions that were refused because of a setting. docs/transition/rollout-report.md says what counts for which scheme.',
  })
  @ApiOkResponse({ type: ReportDto })
  read(@Query() query: ReportQueryDto): Promise<ReportDto> {
    return this.reports.report(query);
  }
}
