import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiAuthenticated, Roles } from '../../auth/auth.decorators.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { NodeListService } from './node-list.service.js';
import { DiagnosisDto, NodesDto } from './nodes.dto.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'forbidden')
@Controller('admin')
export class AdminNodesController {
  constructor(private readonly nodes: NodeListService) {}

  @Get('nodes')
  @ApiOperation({
    summary: 'List the nodes',
    description:
      'What each node and each worker last reported about itself; they report every five seconds. A node that stops leaves the list; ' +
      'one that was killed stays for an hour.',
  })
  @ApiOkResponse({ type: NodesDto })
  list(): Promise<NodesDto> {
    return this.nodes.list();
  }

  @Get('doctor')
  @ApiOperation({
    summary: 'Check this node',
    description:
      'The checks of `npm run admin -- doctor` that need nothing but the settings and the database of Tandem. A node makes them at most ' +
      'once in 30 seconds, and gives the same findings to all who ask meanwhile.',
  })
  @ApiOkResponse({ type: DiagnosisDto })
  diagnose(): Promise<DiagnosisDto> {
    return this.nodes.diagnose();
  }
}
