import { Controller, Get, Header, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, CountedAs, Roles } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { ReportQueryDto } from '../report/report.dto.js';
import { ComparisonDto } from './comparison.dto.js';
import { RolloutComparisonService } from './rollout-comparison.service.js';

@ApiTags('Rollout')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/rollout/comparison')
export class ComparisonController {
  constructor(private readonly comparisons: RolloutComparisonService) {}

  @Get()
  // Reading the figures must not change them.
  @CountedAs('nothing')
  @Header('Cache-Control', 'no-store')
  @ApiOperation({
    summary: 'Compare tokens with sessions by the figures of the autopilot',
    description:
      'Errors and unexpected logouts with the confidence interval of their difference, latency and users, in total and by time, and the ' +
      'state of the plan in one word.',
  })
  @ApiOkResponse({ type: ComparisonDto })
  compare(@Query() { since, until }: ReportQueryDto): Promise<ComparisonDto> {
    return this.comparisons.between(since, until);
  }
}
