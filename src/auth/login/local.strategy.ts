import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-local';
import type { User } from '../../users/user.entity.js';
import { CredentialCheckService } from './credential-check.service.js';
import type { DeviceRequest } from './known-devices.service.js';
import { originOf } from '../http/request-origin.js';

/** Verifies a username and password. */
@Injectable()
export class LocalStrategy extends PassportStrategy(Strategy, 'local') {
  constructor(private readonly credentials: CredentialCheckService) {
    super({ passReqToCallback: true });
  }

  validate(request: DeviceRequest, username: string, password: string): Promise<User> {
    return this.credentials.check({ username, password }, request.knownDevice, originOf(request));
  }
}
