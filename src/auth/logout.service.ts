import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import type { Origin } from '../audit/audit-context.js';
import { inspectToken, readClaims } from '../tokens/access-token.js';
import { KeyRing } from '../tokens/key-ring.service.js';
import { LoginEnder } from '../tokens/login-ender.service.js';
import { RefreshTokenService } from '../tokens/refresh-token.service.js';
import { refuseToken } from '../tokens/tokens.errors.js';

/** What a caller offers as proof of the login that shall end. */
export interface LogoutProofs {
  readonly accessToken: string | undefined;
  readonly refreshToken: string | undefined;
}

@Injectable()
export class LogoutService {
  constructor(
    private readonly jwt: JwtService,
    private readonly keys: KeyRing,
    private readonly tokens: RefreshTokenService,
    private readonly ender: LoginEnder,
  ) {}

  /**
   * Ends the logins of the tokens given. Idempotent; an expired or revoked token does as well as a live one, as long as
   * its signature or MAC is ours. Throws 401 if none is.
   */
  async logout({ accessToken, refreshToken }: LogoutProofs, origin: Origin): Promise<void> {
    if (accessToken === undefined && refreshToken === undefined) throw refuseToken('token_missing');
    const sids = new Set<string>();
    const sid = accessToken === undefined ? undefined : await this.sidOf(accessToken);
    if (sid !== undefined) sids.add(sid);
    const login = refreshToken === undefined ? undefined : await this.tokens.recognise(refreshToken);
    if (login !== undefined) sids.add(login.sid);
    if (sids.size === 0)
      throw refuseToken(accessToken === undefined ? 'refresh_token_invalid' : 'token_invalid');
    await this.ender.endSids([...sids], 'logout', 'logout', origin);
  }

  /** The login of an access token that we signed, expired or not. */
  private async sidOf(token: string): Promise<string | undefined> {
    const header = inspectToken(token);
    const key = 'kid' in header ? this.keys.publicKey(header.kid) : undefined;
    if (key === undefined || !('kid' in header)) return undefined;
    try {
      const payload: unknown = await this.jwt.verifyAsync(token, { publicKey: key as never });
      return readClaims(payload, header.kid)?.claims.sid;
    } catch {
      return undefined;
    }
  }
}
