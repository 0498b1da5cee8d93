import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RefreshTokenCodec } from '../../tokens/families/refresh-token.codec.js';
import { RefreshTokenService } from '../../tokens/families/refresh-token.service.js';
import { UserService } from '../../users/user.service.js';
import { normaliseUsername } from '../../users/username.js';
import { refreshCookiesOf } from '../http/presented-credentials.js';

/** A device that is logged in as the user whose name a login gives. */
export interface KnownDevice {
  readonly userId: string;
  /** What `id` is the id of. */
  readonly bucket: 'device_family' | 'device_session';
  readonly id: string;
}

/** A login request after {@link KnownDevicesService} has looked at it. */
export type DeviceRequest = FastifyRequest & { knownDevice?: KnownDevice | undefined };

/** Sessions as proof of a known device. */
export interface DeviceSessions {
  /** Whether the request carries a session that this service signed. No I/O. */
  mayHave(request: FastifyRequest): boolean;
  /** The live sessions among the first `most` of the request. */
  find(
    request: FastifyRequest,
    most: number,
  ): Promise<readonly { readonly sid: string; readonly userId: string }[]>;
}

/** Credentials of each kind that are looked up. A browser has one, or a second one that somebody else set. */
const MOST = 4;

/**
 * Recognises devices that are logged in already: by a refresh token of a family that was not revoked, in the body or the cookie, or
 * by a live session. A token that only expired is proof enough: its owner has to log in again.
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

  /** Whether it is worth asking the database. No I/O. */
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

/** Guards run before the body is validated: it may be anything. */
function memberOf(request: FastifyRequest, name: 'username' | 'refresh_token'): string | undefined {
  const value = (Object(request.body) as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

function accountIn(request: FastifyRequest): string | undefined {
  const username = memberOf(request, 'username');
  return username === undefined ? undefined : normaliseUsername(username)?.key;
}

/** One in the body counts before the cookies. */
function tokensIn(request: FastifyRequest): readonly string[] {
  const inBody = memberOf(request, 'refresh_token');
  return inBody === undefined ? refreshCookiesOf(request).slice(0, MOST) : [inBody];
}
