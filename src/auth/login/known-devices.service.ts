import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RefreshTokenCodec } from '../../tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../tokens/families/refresh-token.service.js';
import { UserService } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import { refreshCookiesOf } from '../http/presented-credentials.js';
import type { Principal } from '../principal.js';

/** A device that is already logged in as the user who logs in now. */
export interface KnownDevice {
  readonly userId: string;
  /** The kind of `id`. */
  readonly bucket: 'device_family' | 'device_session';
  readonly id: string;
}

/** The device of a caller, who is logged in. */
export function deviceOf({ userId, sid, sessionId }: Principal): KnownDevice {
  return sid === undefined
    ? { userId, bucket: 'device_session', id: sessionId ?? '' }
    : { userId, bucket: 'device_family', id: sid };
}

/** A login request after {@link KnownDevicesService} has examined it. */
export type DeviceRequest = FastifyRequest & { knownDevice?: KnownDevice | undefined };

/** Finds known devices by their sessions. */
export interface DeviceSessions {
  /** Whether the request carries a session that this service signed. No I/O. */
  mayHave(request: FastifyRequest): boolean;
  /** The live sessions among the first `most` session cookies of the request. */
  find(
    request: FastifyRequest,
    most: number,
  ): Promise<readonly { readonly sid: string; readonly userId: string }[]>;
}

/** The number of credentials of each kind that are looked up. A browser has one, and perhaps one that somebody else set. */
const MOST = 4;

/**
 * Finds devices that are already logged in: by a refresh token of a family that was not revoked, in the body or the cookie, or by a live
 * session. An expired token suffices, because its owner must log in again.
 */
@Injectable()
export class KnownDevicesService {
  private sessions: DeviceSessions | undefined;

  constructor(
    private readonly tokens: RefreshTokenService,
    private readonly codec: RefreshTokenCodec,
    private readonly users: UserService,
  ) {}

  /** Adds sessions as proof of a known device. The composition module calls it before the service starts. */
  use(sessions: DeviceSessions): void {
    this.sessions = sessions;
  }

  /** Whether the request has a credential that is worth a database query. No I/O. */
  mayKnow(request: FastifyRequest): boolean {
    const wellFormed = tokensIn(request).some((token) => this.codec.parse(token) !== undefined);
    return wellFormed || this.sessions?.mayHave(request) === true;
  }

  /** The device, if it is logged in as the user who is named in the body. */
  async find(request: FastifyRequest): Promise<KnownDevice | undefined> {
    const account = accountIn(request);
    if (account === undefined) return undefined;
    for (const token of tokensIn(request)) {
      const family = (await this.tokens.verify(token))?.family;
      if (family !== undefined && !family.revoked && (await this.isOf(family.userId, account)))
        return { userId: family.userId, bucket: 'device_family', id: family.sid };
    }
    for (const { sid, userId } of (await this.sessions?.find(request, MOST)) ?? []) {
      if (await this.isOf(userId, account)) return { userId, bucket: 'device_session', id: sid };
    }
    return undefined;
  }

  private async isOf(userId: string, account: string): Promise<boolean> {
    return (await this.users.find(userId))?.usernameKey === account;
  }
}

/** Guards run before the body is validated, so it may be anything. */
function memberOf(request: FastifyRequest, name: 'username' | 'refresh_token'): string | undefined {
  const value = (Object(request.body) as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

function accountIn(request: FastifyRequest): string | undefined {
  const username = memberOf(request, 'username');
  return username === undefined ? undefined : normaliseUsername(username)?.key;
}

/** A token in the body takes precedence over the cookies. */
function tokensIn(request: FastifyRequest): readonly string[] {
  const inBody = memberOf(request, 'refresh_token');
  return inBody === undefined ? refreshCookiesOf(request).slice(0, MOST) : [inBody];
}
