import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { refuse } from '../../common/common.errors.js';
import { clientScopeOf } from '../auth.decorators.js';
import type { ClientAuthenticator } from '../client-scopes.js';
import type { AuthenticatedRequest } from '../principal.js';

/** The scheme is case-insensitive (RFC 9110, section 11.1). */
const BASIC = /^basic(?: |$)/i;

/** Authenticates service clients. Refuses all of them until the composition has passed an implementation. */
@Injectable()
export class ServiceClients {
  private authenticator: ClientAuthenticator = {
    authenticate: () => Promise.reject(refuse('unauthorized')),
  };

  /** Called before the service starts. */
  use(authenticator: ClientAuthenticator): void {
    this.authenticator = authenticator;
  }

  authenticate: ClientAuthenticator['authenticate'] = (request, scope) =>
    this.authenticator.authenticate(request, scope);
}

/** Whether {@link ServiceClientGuard} has authenticated the caller of this request. */
export function isServiceClient(context: ExecutionContext): boolean {
  if (clientScopeOf(context) === null) return false;
  return context.switchToHttp().getRequest<AuthenticatedRequest>().serviceClient !== undefined;
}

/**
 * Runs before the guard that closes all routes. On a route with `@ServiceClientsWith()`, a request with HTTP Basic is authenticated by that
 * header alone: its cookies and rules for pages of other sites do not count, and a refused client is never taken for a user. On every other
 * route, and for every other request, this guard decides nothing.
 */
@Injectable()
export class ServiceClientGuard implements CanActivate {
  constructor(private readonly clients: ServiceClients) {}

  canActivate(context: ExecutionContext): true | Promise<true> {
    const scope = clientScopeOf(context);
    if (scope === null) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    if (!BASIC.test(request.headers.authorization ?? '')) return true;
    return this.clients.authenticate(request, scope).then((id) => {
      request.serviceClient = id;
      return true;
    });
  }
}
