import { Inject, Injectable, Optional } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { validationPipe } from '../../common/http/validation.js';
import { LoginDto } from '../auth.dto.js';
import { refuseAuth } from '../auth.errors.js';
import { CredentialCheckService } from './credential-check.service.js';

/**
 * Authenticates a user by username and password. Guards run before pipes, so this guard validates the body itself: a malformed body is
 * 400, never 401.
 */
@Injectable()
export class LocalAuthGuard extends AuthGuard('local') {
  @Optional()
  @Inject(CredentialCheckService)
  private readonly credentials?: CredentialCheckService;

  /** The class of the body. It has at least a username and a password. */
  protected readonly form: new () => object = LoginDto;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const { body } = context.switchToHttp().getRequest<FastifyRequest>();
    try {
      await validationPipe.transform(body, { type: 'body', metatype: this.form });
    } catch (error) {
      throw this.credentials?.admitsEverybody === false ? this.credentials.refusal() : error;
    }
    return (await super.canActivate(context)) as boolean;
  }

  override handleRequest<User>(error: unknown, user: User | false): User {
    if (error instanceof Error) throw error;
    if (user === false) throw refuseAuth('invalid_credentials');
    return user;
  }
}
