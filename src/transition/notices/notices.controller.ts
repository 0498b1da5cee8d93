import { Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { ApiProblems } from '../../common/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { disableInactivityTimeout } from '../../common/http.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../../common/pagination.js';
import { NewNoticeDto, NoticesDto, QueuedNoticeDto } from './notice.dto.js';
import { NoticeService } from './notice.service.js';

@ApiTags('Administration')
@ApiAuthenticated()
@Roles('admin')
@ApiProblems(COMMON_ERRORS, 'validation_failed', 'forbidden')
@Controller('admin/deprecation-notices')
export class NoticesController {
  constructor(private readonly notices: NoticeService) {}

  @Post()
  @HttpCode(202)
  @ApiOperation({
    summary: 'Send a mail to users who still use sessions',
    description:
      'Queues one mail for each user who has an address and used a session in the last `days`. It says when sessions end, which ' +
      'program used the session last, and what to do. A template with an unknown field, or a notice to nobody, is 400 and sends nothing.',
  })
  @ApiAcceptedResponse({ type: QueuedNoticeDto })
  async queue(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Body() body: NewNoticeDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<QueuedNoticeDto> {
    disableInactivityTimeout(reply);
    return this.notices.queue(body, userId, originOf(request));
  }

  @Get()
  @ApiOperation({ summary: 'List notices and their progress', description: 'Newest first.' })
  @ApiOkResponse({ type: NoticesDto })
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<NoticesDto> {
    return this.notices.list(limit ?? DEFAULT_LIMIT, cursor);
  }
}
