import { SetMetadata, UseGuards, applyDecorators, createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiBasicAuth, ApiBearerAuth, ApiExtension } from '@nestjs/swagger';
import { ApiProblems } from '../common/http/api-problems.decorator.js';
import { COMMON_ERRORS } from '../common/common.errors.js';
import { perRoute } from '../common/http/per-route.js';
import { TOKEN_ERRORS } from '../tokens/tokens.errors.js';
import type { ClientScope } from './client-scopes.js';
import { AUTH_ERRORS } from './auth.errors.js';
import { FRESH_PASSWORD_FIELDS, FreshPasswordGuard } from './guards/fresh-password.guard.js';
import type { AuthenticatedRequest, Principal } from './principal.js';

export const IS_PUBLIC = 'auth:public';
const ROLES = 'auth:roles';
export const COUNTED_AS = 'auth:counted-as';
const IS_TOKEN_ONLY = 'auth:token-only';
const CLIENT_SCOPE = 'auth:client-scope';

/** The member of an OpenAPI operation that {@link TokenOnly} sets. */
export const TOKEN_ONLY_EXTENSION = 'x-token-only';

const reflector = new Reflector();

/** Opens a route, or a controller, to everybody. Every other route is closed. */
export const Public = () => SetMetadata(IS_PUBLIC, true);

/** `admin` stands for the role of administrators, whatever ADMIN_ROLE calls it. No route asks for a product's own role. */
export type RequiredRole = 'admin';

/** Restricts a route, or a controller, to callers with one of the roles. The others get 403 `forbidden`. */
export const Roles = (...roles: readonly RequiredRole[]) => SetMetadata(ROLES, roles);

/** Restricts a route to access tokens. A session cookie does not open it. */
export const TokenOnly = () =>
  applyDecorators(SetMetadata(IS_TOKEN_ONLY, true), ApiExtension(TOKEN_ONLY_EXTENSION, true));

/**
 * Opens a route to service clients with the scope too, authenticated by HTTP Basic. {@link Roles} does not apply to them. Everybody else
 * needs what the route needs without this decorator. The handler asks {@link CurrentActor} for the caller.
 */
export const ServiceClientsWith = (scope: ClientScope) =>
  applyDecorators(SetMetadata(CLIENT_SCOPE, scope), ApiBasicAuth('client'));

/** Documents the 403s of an administrative route that may need a fresh password. */
export const ApiFreshPassword = () =>
  applyDecorators(
    ApiProblems(COMMON_ERRORS, 'forbidden'),
    ApiProblems(AUTH_ERRORS, 'fresh_password_required'),
  );

/**
 * Restricts a route to callers who have entered the password within the last five minutes. Other callers get 403 `fresh_password_required`.
 * With `fields`, this applies only to a request whose body has one of them. Service clients have no password, so this does not apply to
 * them. The module of the route imports `AuthModule`.
 */
export const FreshPassword = (...fields: readonly string[]) =>
  applyDecorators(
    SetMetadata(FRESH_PASSWORD_FIELDS, fields),
    UseGuards(FreshPasswordGuard),
    ApiFreshPassword(),
  );

/** How requests to a route count in statistics: always as one scheme, or not at all. */
export type Counting = Principal['via'] | 'nothing';

/**
 * Says what the requests to a route count as in statistics. Without it, a request to a closed route counts for the scheme of its
 * credential, and a request to a public route does not count. Does not change who has access.
 */
export const CountedAs = (counting: Counting) => SetMetadata(COUNTED_AS, counting);

/** The caller of a route that is not public. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  return context.switchToHttp().getRequest<AuthenticatedRequest>().user!;
});

/** The id of the caller for the audit trail: the user's id, or that of the service client. */
export const CurrentActor = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { serviceClient, user } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  return serviceClient ?? user!.userId;
});

/** Documents how a route refuses callers without a valid access token. */
export const ApiTokenRefusals = () =>
  applyDecorators(
    ApiProblems(
      TOKEN_ERRORS,
      'token_missing',
      'token_malformed',
      'token_invalid',
      'token_expired',
      'token_revoked',
    ),
    ApiProblems(COMMON_ERRORS, 'service_unavailable'),
  );

/** Documents that a route, or a controller, needs a valid access token, and how it refuses callers without one. */
export const ApiAuthenticated = () => applyDecorators(ApiBearerAuth(), ApiTokenRefusals());

/** Whether the route or its controller is {@link Public}. */
export const isPublic = perRoute(
  (context) => reflector.getAllAndOverride(IS_PUBLIC, [context.getHandler(), context.getClass()]) === true,
);

/** Whether the route is {@link TokenOnly}. */
export const isTokenOnly = perRoute((context) => reflector.get(IS_TOKEN_ONLY, context.getHandler()) === true);

/** The scope of {@link ServiceClientsWith}, or null if the route is not open to service clients. */
export const clientScopeOf = perRoute(
  (context) => reflector.get<ClientScope | undefined>(CLIENT_SCOPE, context.getHandler()) ?? null,
);

/** The roles of {@link Roles}, or null if every caller may use the route. A route's own roles replace those of its controller. */
export const rolesOf = perRoute(
  (context) =>
    reflector.getAllAndOverride<readonly RequiredRole[] | undefined>(ROLES, [
      context.getHandler(),
      context.getClass(),
    ]) ?? null,
);
