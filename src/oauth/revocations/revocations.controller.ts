import { Controller, Get, Header, Req, Res, UseFilters } from '@nestjs/common';
import { ApiBasicAuth, ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../../auth/auth.decorators.js';
import { ApiProblems } from '../../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../../common/common.errors.js';
import type { StreamedRequest } from '../../common/http/http.js';
import { OAuthErrorFilter } from '../oauth-error.filter.js';
import { OAUTH_ERRORS } from '../oauth.errors.js';
import { RevocationConsumersService } from './revocation-consumers.service.js';

const EXAMPLE = `event: hello
data: {"now":81250.4}

event: revoked
data: {"revocations":[{"sid":"b5b076d7-8f23-4beb-8dbd-65e9209739d0","exp":1795561096}]}

event: keys
data: {"version":3,"keys":["hWkYqPpGQ5y8xB0n"]}

id: Xk2vT0aQ9cLr3mNd.8123
event: fresh
data: {"as_of":81243.1,"db_time":1795560136.271}
`;

/** What other services need to know to refuse revoked tokens by themselves. */
@ApiTags('For other services')
@Public()
@UseFilters(OAuthErrorFilter)
@ApiProblems(OAUTH_ERRORS, 'invalid_request', 'invalid_client', 'insufficient_scope')
@ApiProblems(COMMON_ERRORS, 'rate_limited', 'service_unavailable')
@Controller('oauth/revocations')
export class RevocationsController {
  constructor(private readonly consumers: RevocationConsumersService) {}

  @Get()
  @Header('Content-Type', 'text/event-stream')
  @Header('Cache-Control', 'no-store, no-transform')
  @Header('X-Accel-Buffering', 'no')
  @ApiBasicAuth('client')
  @ApiOperation({
    summary: 'Follow revocations',
    description:
      'A stream of server-sent events for a client with the scope `revocations`. The server ends it after ten minutes. ' +
      '`docs/adopt/services.md` has the rules for consumers.',
  })
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description:
      'The `id` of the last event of an earlier stream, of any node. Without it, the stream begins with a snapshot',
  })
  @ApiProduces('text/event-stream')
  @ApiOkResponse({
    description: 'The events `hello`, `revoked`, `keys` and `fresh`',
    content: { 'text/event-stream': { schema: { type: 'string', example: EXAMPLE } } },
  })
  async follow(@Req() request: FastifyRequest & StreamedRequest, @Res() reply: FastifyReply): Promise<void> {
    // Fastify answers HEAD with the handler of GET.
    if (request.method === 'HEAD') {
      await this.consumers.requireClient(request);
      return void reply.send();
    }
    const follower = await this.consumers.open(request);
    request.headMs = reply.elapsedTime;
    void reply.send(follower);
  }
}
