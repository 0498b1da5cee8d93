import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { DeviceSessions } from '../../../auth/login/known-devices.service.js';
import { SessionCookieService } from '../http/session-cookie.service.js';
import { SessionStore } from '../stores/session.store.js';

/** A live session proves that its user is logged in on the device. */
@Injectable()
export class SessionDevices implements DeviceSessions {
  constructor(
    private readonly cookie: SessionCookieService,
    private readonly store: SessionStore,
  ) {}

  mayHave(request: FastifyRequest): boolean {
    return this.sidsIn(request).length > 0;
  }

  async find(
    request: FastifyRequest,
    most: number,
  ): Promise<readonly { readonly sid: string; readonly userId: string }[]> {
    const sids = this.sidsIn(request).slice(0, most);
    const sessions = await Promise.all(sids.map((sid) => this.store.live(sid)));
    return sessions.filter((session) => session !== undefined);
  }

  private sidsIn(request: FastifyRequest): readonly string[] {
    return this.cookie.in(request)?.sids ?? [];
  }
}
