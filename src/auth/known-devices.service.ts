import { Inject, Injectable, Optional } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RefreshTokenCodec } from '../tokens/refresh-token.codec.js';
import { RefreshTokenService } from '../tokens/refresh-token.service.js';
import { UserService } from '../users/user.service.js';
import { normaliseUsername } from '../users/username.js';
import { refreshCookieOf } from './refresh-cookie.js';

/** A device that is logged in as the user whose name a login gives. */
export interface KnownDevice {
  readonly userId: string;
  /** What `id` is the id of. */
  readonly bucket: 'device_family' | 'device_session';
  readonly id: string;
}

/** A login request after {@link KnownDevices} has looked at it. */
export type DeviceRequest = FastifyRequest & { knownDevice?: KnownDevice | undefined };

/** Sessions as proof of a known device. */
export interface DeviceSessions {
  /** Whether the request carries a session that this service signed. No I/O. */
  mayHave(request: FastifyRequest): boolean;
  /** The live session of the request. */
  find(request: FastifyRequest): Promise<{ readonly sid: string; readonly userId: string } | undefined>;
}

/** Injection token of the {@link DeviceSessions}; optional. */
export const DEVICE_SESSIONS = Symbol('DEVICE_SESSIONS');

/**
 * Recognises devices that are logged in already: by a refresh token of a family that was not revoked, in the body or the cookie, or
 * by a live session. A token that only expired is proof enough: its owner has to log in again.
 */
@Injectable()
export class KnownDevices {
  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly codec: RefreshTokenCodec,
    private readonly users: UserService,
    @Optional() @Inject(DEVICE_SESSIONS) private readonly sessions?: DeviceSessions,
  ) {}

  /** Whether it is worth asking the database. No I/O. */
  mayKnow(request: FastifyRequest): boolean {
    const token = tokenIn(request);
    const wellFormed = token !== undefined && this.codec.parse(token) !== undefined;
    return wellFormed || this.sessions?.mayHave(request) === true;
  }

  /** The device, if it is logged in as the user who is named in the body. */
  async find(request: FastifyRequest): Promise<KnownDevice | undefined> {
    const account = accountIn(request);
    if (account === undefined) return undefined;
    const token = tokenIn(request);
    const family = token === undefined ? undefined : await this.tokens.recognise(token);
    if (family !== undefined && !family.revoked && (await this.isOf(family.userId, account)))
      return { userId: family.userId, bucket: 'device_family', id: family.sid };
    const session = await this.sessions?.find(request);
    if (session !== undefined && (await this.isOf(session.userId, account)))
      return { userId: session.userId, bucket: 'device_session', id: session.sid };
    return undefined;
  }

  private async isOf(userId: string, account: string): Promise<boolean> {
    return (await this.users.find(userId))?.usernameKey === account;
  }
}

/** Guards run before the body is validated: it may be anything. */
function memberOf(request: FastifyRequest, name: 'username' | 'refresh_token'): string | undefined {
  const value = (Object(request.body) as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

function accountIn(request: FastifyRequest): string | undefined {
  const username = memberOf(request, 'username');
  return username === undefined ? undefined : normaliseUsername(username)?.key;
}

function tokenIn(request: FastifyRequest): string | undefined {
  return memberOf(request, 'refresh_token') ?? refreshCookieOf(request);
}
