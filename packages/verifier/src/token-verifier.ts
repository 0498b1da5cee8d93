import { AuthError, refuseToken, unavailable } from './auth-error.js';
import type { KeySource } from './keys/key-store.js';
import { principalOf } from './principal.js';
import type { Principal } from './principal.js';
import type { Judgement, VerifyEndpoint } from './service/verify-endpoint.js';
import { MAX_EXPIRY, inspectToken, readClaims, splitToken } from './token.js';
import type { VerifiedToken } from './token.js';
import { TokenCache } from './token-cache.js';
import type { CachedToken } from './token-cache.js';

/** What is revoked, and whether that is known now. */
export interface Revocations {
  isFresh(): boolean;
  isRevoked(token: VerifiedToken): boolean;
  /** The database's clock in seconds, while fresh. */
  databaseTime(): number;
}

export interface TokenVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  /** The revocations. With them, a token is refused at most one second after it was revoked. */
  readonly revocations?: Revocations | undefined;
  /** Asks the service about tokens while the revocations are stale. */
  readonly endpoint?: Pick<VerifyEndpoint, 'ask'> | undefined;
  readonly monotonic?: () => number;
}

/** How long an expired token is still accepted, in seconds, because clocks differ. The service's default. */
const TOLERANCE = 5;

/**
 * How old the service's answer may be, in milliseconds. The node that gives it may have learned of a revocation 800 ms late. Together: a
 * second.
 */
const MAX_ANSWER_AGE_MS = 200;

/** A first call may have to open a connection. The next ones do not. */
const ATTEMPTS = 3;

const ALGORITHM = 'RSASSA-PKCS1-v1_5';

const encoder = new TextEncoder();

/** Verifies access tokens: form, signature, claims, expiry and revocation. */
export class TokenVerifier {
  private readonly cache = new TokenCache();
  /** The calls of the service that are running, by token. */
  private readonly calls = new Map<string, Promise<Judgement>>();
  private readonly monotonic: () => number;

  constructor(private readonly options: TokenVerifierOptions) {
    this.monotonic = options.monotonic ?? (() => performance.now());
  }

  /** The principal of an access token. Throws an {@link AuthError}: 401, or 503 if nobody can say whether the token is revoked. */
  async verify(token: string): Promise<Principal> {
    const { keys, revocations } = this.options;
    const known = this.cache.find(token) ?? (await this.verifySignature(token));
    const { verified, principal } = known;
    // A key that is no longer published may have been distrusted. Or the node that we asked lags behind: look again.
    const key = keys.get(verified.kid);
    const former = key?.former === false ? false : (await this.findKey(verified.kid))?.former !== false;
    const fresh = revocations?.isFresh() === true;
    const expired = verified.claims.exp + TOLERANCE <= this.now(fresh);
    const revoked = fresh ? revocations.isRevoked(verified) : former;
    if (revoked && !(former && expired)) throw this.refuse(known, 'token_revoked');
    if (expired) throw this.refuse(known, 'token_expired');
    if (revocations !== undefined && !fresh) await this.askService(token);
    return principal;
  }

  private async verifySignature(token: string): Promise<CachedToken> {
    const header = inspectToken(token);
    if ('fault' in header) throw refuseToken(header.fault);
    const { kid } = header;
    const key = await this.findKey(kid);
    const { input, payload, signature } = splitToken(token);
    const genuine =
      key !== undefined &&
      (await crypto.subtle.verify(ALGORITHM, key.publicKey, signature, encoder.encode(input)));
    const verified = genuine ? readClaims(payload, kid, MAX_EXPIRY) : undefined;
    if (key === undefined || verified === undefined || !this.isForUs(verified))
      throw refuseToken('token_invalid');
    const cached = { token, verified, principal: principalOf(verified) };
    this.cache.add(cached);
    return cached;
  }

  private async findKey(kid: string) {
    try {
      return await this.options.keys.find(kid);
    } catch (error) {
      throw unavailable(error);
    }
  }

  private isForUs({ claims }: VerifiedToken): boolean {
    return claims.iss === this.options.issuer && claims.aud === this.options.audience;
  }

  private refuse({ token }: CachedToken, code: 'token_expired' | 'token_revoked'): AuthError {
    this.cache.delete(token);
    return refuseToken(code);
  }

  /** Returns the time in seconds since the epoch: the database's, as at the service, or ours if it is unknown. */
  private now(fresh: boolean): number {
    return fresh ? this.options.revocations!.databaseTime() : Date.now() / 1000;
  }

  /** Returns if the service accepts the token now. Throws its refusal, or 503. */
  private async askService(token: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const { outcome, askedAt } = await this.judgementOf(token);
      if (outcome instanceof AuthError) throw outcome;
      if (this.monotonic() - askedAt < MAX_ANSWER_AGE_MS) return;
    }
    throw unavailable(new Error('the service answers too slowly'));
  }

  /** Requests with the same token share a call. Its answer counts from when the call began. */
  private judgementOf(token: string): Promise<Judgement> {
    const { endpoint } = this.options;
    if (endpoint === undefined) throw unavailable();
    const running = this.calls.get(token);
    if (running !== undefined) return running;
    const call = endpoint.ask({ authorization: `Bearer ${token}` }).finally(() => this.calls.delete(token));
    this.calls.set(token, call);
    return call;
  }
}
