import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, Roles } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/api-problems.decorator.js';
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
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'How sessions and tokens compare, and who still uses sessions',
    description:
      'Over all nodes, at most five seconds behind: requests, users, errors by code, latency and unexpected logouts of each ' +
      'scheme, in all and by stretches of time. What counts for which is in docs/transition/rollout-report.md.',
  })
  @ApiOkResponse({ type: ReportDto })
  read(@Query() query: ReportQueryDto): Promise<ReportDto> {
    return this.reports.report(query);
  }
}
