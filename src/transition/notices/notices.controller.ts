import { Body, Controller, Get, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiAuthenticated, CurrentPrincipal, Roles } from '../../auth/auth.decorators.js';
import { originOf } from '../../auth/http/request-origin.js';
import type { Principal } from '../../auth/principal.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import { disableInactivityTimeout } from '../../common/http/http.js';
import { DEFAULT_LIMIT, PageQueryDto } from '../../common/http/pagination.js';
import { NewNoticeDto, NoticePreviewDto, NoticeQueryDto, NoticesDto, QueuedNoticeDto } from './notice.dto.js';
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
      'Queues one mail for each user who has an email address, used a session in the last `days` days and is not on tokens. It tells ' +
      'users when the way to sign in changes, which program used a session last, and what to do. A template with an unknown ' +
      'placeholder, or a ' +
      'notice to nobody, is 400 and sends nothing. With `dry_run` the answer is 200 with a page of the recipients, and nothing is sent.',
  })
  @ApiAcceptedResponse({ type: QueuedNoticeDto })
  @ApiOkResponse({ type: NoticePreviewDto, description: 'With `dry_run`' })
  async queue(
    @Req() request: FastifyRequest,
    @CurrentPrincipal() { userId }: Principal,
    @Query() query: NoticeQueryDto,
    @Body() { dry_run, ...order }: NewNoticeDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<QueuedNoticeDto | NoticePreviewDto> {
    disableInactivityTimeout(reply);
    if (dry_run !== true && query.dry_run !== true)
      return this.notices.queue(order, userId, originOf(request));
    reply.status(200);
    return this.notices.preview(order, query.limit ?? DEFAULT_LIMIT, query.cursor);
  }

  @Get()
  @ApiOperation({ summary: 'List notices and their progress', description: 'Newest first.' })
  @ApiOkResponse({ type: NoticesDto })
  async list(@Query() { limit, cursor }: PageQueryDto): Promise<NoticesDto> {
    return this.notices.list(limit ?? DEFAULT_LIMIT, cursor);
  }
}
