import { HttpException, Inject, Injectable, Module, SetMetadata, createParamDecorator } from '@nestjs/common';
import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { CanActivate, ExecutionContext, OnApplicationShutdown, Provider } from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { AuthError } from './auth-error.js';
import { authenticate } from './authenticate.js';
import type { VerifierOptions } from './options.js';
import type { Principal } from './principal.js';
import type { RequestLike } from './request.js';
import { createVerifier } from './verifier.js';
import type { Verifier } from './verifier.js';

/** The options of `createVerifier`, or a verifier: that of the test kit, or one that you create and close yourself. */
export type TandemModuleOptions = VerifierOptions | { readonly verifier: Verifier };

/** Injection token of the {@link Verifier}. */
export const TANDEM_VERIFIER = Symbol('TANDEM_VERIFIER');

const PUBLIC = 'tandem:public';
const ROLES = 'tandem:roles';

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<TandemModuleOptions>({
  moduleName: 'Tandem',
})
  .setClassMethodName('forRoot')
  .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/** Opens a route, or a controller, to everybody. Such a route has no principal. */
export const Public = () => SetMetadata(PUBLIC, true);

/** Restricts a route, or a controller, to principals with one of the roles. The others get 403 `forbidden`. */
export const Roles = (...roles: readonly string[]) => SetMetadata(ROLES, roles);

/** The principal of a request that {@link TandemAuthGuard} has let pass. */
export const CurrentPrincipal = createParamDecorator(
  (_: unknown, context: ExecutionContext) => requestOf(context).principal,
);

type AuthenticatedRequest = RequestLike & { principal?: Principal };

/**
 * Closes every route that is not {@link Public} to callers without a principal. Use it for a controller with `@UseGuards()`, or for all
 * routes: `{ provide: APP_GUARD, useExisting: TandemAuthGuard }`. It reads headers only, and needs no body parser.
 */
@Injectable()
export class TandemAuthGuard implements CanActivate {
  constructor(
    @Inject(TANDEM_VERIFIER) private readonly verifier: Verifier,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, places) === true) return true;
    const roles = this.reflector.getAllAndOverride<readonly string[] | undefined>(ROLES, places);
    const request = requestOf(context);
    try {
      request.principal = await authenticate(this.verifier, request, roles);
      return true;
    } catch (error) {
      throw error instanceof AuthError ? this.exceptionOf(error, context) : error;
    }
  }

  /** Nest's filters answer with the exception, which has no headers. */
  private exceptionOf(error: AuthError, context: ExecutionContext): HttpException {
    const response: unknown = context.switchToHttp().getResponse();
    for (const [name, value] of Object.entries(error.headers)) {
      this.host.httpAdapter.setHeader(response, name, value);
    }
    return new HttpException(error.toProblem(), error.status, { cause: error });
  }
}

/** Closes the verifier that the module created. */
@Injectable()
class VerifierLifetime implements OnApplicationShutdown {
  constructor(
    @Inject(TANDEM_VERIFIER) private readonly verifier: Verifier,
    @Inject(MODULE_OPTIONS_TOKEN) private readonly options: TandemModuleOptions,
  ) {}

  onApplicationShutdown(): void {
    if (!('verifier' in this.options)) this.verifier.close();
  }
}

const verifierProvider: Provider = {
  provide: TANDEM_VERIFIER,
  inject: [MODULE_OPTIONS_TOKEN],
  useFactory: (options: TandemModuleOptions) =>
    'verifier' in options ? options.verifier : createVerifier(options),
};

/**
 * Provides the verifier and {@link TandemAuthGuard}: `TandemModule.forRoot({ issuer, audience })` or `forRootAsync`. The module is global
 * unless `isGlobal` is false. It closes the verifier when the application shuts down.
 */
@Module({
  providers: [verifierProvider, TandemAuthGuard, VerifierLifetime],
  exports: [TANDEM_VERIFIER, TandemAuthGuard],
})
export class TandemModule extends ConfigurableModuleClass {}

function requestOf(context: ExecutionContext): AuthenticatedRequest {
  return context.switchToHttp().getRequest<AuthenticatedRequest>();
}
