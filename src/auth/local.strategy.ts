import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-local';
import type { User } from '../users/user.entity.js';
import { CredentialCheck } from './credential-check.service.js';
import { originOf } from './origin.js';
import { refreshCookieOf } from './refresh-cookie.js';

/** Proves a user by name and password. */
@Injectable()
export class LocalStrategy extends PassportStrategy(Strategy, 'local') {
  constructor(private readonly credentials: CredentialCheck) {
    super({ passReqToCallback: true });
  }

  validate(request: FastifyRequest, username: string, password: string): Promise<User> {
    return this.credentials.check({ username, password }, refreshCookieOf(request), originOf(request));
  }
}
