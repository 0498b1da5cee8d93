import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DeviceSessions } from '../../auth/known-devices.service.js';
import { SessionCookie } from './session-cookie.service.js';
import { SessionStore } from './session.store.js';

/** A live session proves that its user is logged in on the device. */
@Injectable()
export class SessionDevices implements DeviceSessions {
  constructor(
    private readonly cookie: SessionCookie,
    private readonly store: SessionStore,
  ) {}

  mayHave(request: FastifyRequest): boolean {
    return this.cookie.in(request)?.sid !== undefined;
  }

  async find(
    request: FastifyRequest,
  ): Promise<{ readonly sid: string; readonly userId: string } | undefined> {
    const sid = this.cookie.in(request)?.sid;
    return sid === undefined ? undefined : this.store.live(sid);
  }
}
