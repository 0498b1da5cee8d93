import { Inject, Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { AuthenticatedRequest } from '../../auth/authenticated-request.js';
import { isPublic } from '../../auth/public.decorator.js';
import { VerifyController } from '../../auth/verify.controller.js';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { askedToChangeState, changesState, trustIn } from './judged-methods.js';
import type { PeerTrust } from './judged-methods.js';
import { SessionCaller } from './session-caller.service.js';
import { Sessions } from './sessions.service.js';

/**
 * Closes every route that is not @Public() to callers without a live session. A call that changes something must not come from
 * another site's page; where a proxy asks about one, the method that counts is the one it names.
 */
@Injectable()
export class SessionGuard implements CanActivate {
  private readonly trusts: PeerTrust;

  constructor(
    private readonly callers: SessionCaller,
    private readonly sessions: Sessions,
    @Inject(CONFIG) config: Config,
  ) {
    this.trusts = trustIn(config.trustProxy);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isPublic(context)) return true;
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const asks = context.getClass<unknown>() === VerifyController && this.trusts(request);
    const session = await this.callers.identify(request, {
      changesState: changesState(request) || (asks && askedToChangeState(request)),
    });
    await this.sessions.keep(session, http.getResponse<FastifyReply>());
    return true;
  }
}
