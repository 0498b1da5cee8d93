import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { validateBody } from '../../common/validation.js';
import { LoginDto } from '../auth.dto.js';
import { refuseAuth } from '../auth.errors.js';

/**
 * Asks for the name and password of a user. Guards run before pipes, so it validates the body itself: a malformed one is
 * 400 and never 401.
 */
@Injectable()
export class LocalAuthGuard extends AuthGuard('local') {
  /** What the body has to be: it has at least a name and a password. */
  protected readonly form: new () => object = LoginDto;

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    await validateBody(this.form, context.switchToHttp().getRequest<FastifyRequest>());
    return (await super.canActivate(context)) as boolean;
  }

  override handleRequest<User>(error: unknown, user: User | false): User {
    if (error instanceof Error) throw error;
    if (user === false) throw refuseAuth('invalid_credentials');
    return user;
  }
}
