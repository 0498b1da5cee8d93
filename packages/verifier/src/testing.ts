import { AuthError } from './auth-error.js';
import { toBase64url } from './base64url.js';
import type { KeySource } from './keys/key-store.js';
import type { Principal } from './principal.js';
import type { PresentedRequest } from './request.js';
import { isId, isRole, isStoredExternalId, makeJti } from './token.js';
import { TokenVerifier } from './token-verifier.js';
import { principalOfRequest } from './verifier.js';
import type { Verifier } from './verifier.js';

/** The issuer of test tokens. `createVerifier` refuses it, and no server can have this name (RFC 6761, section 6.4). */
export const TEST_ISSUER = 'https://tandem.invalid';

const KID = 'test';
const KEY_ALGORITHM = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;

const encoder = new TextEncoder();

/** One key pair per process: making it takes longer than everything else here. */
let keyPair: ReturnType<typeof generateKeyPair> | undefined;

const generateKeyPair = () => crypto.subtle.generateKey(KEY_ALGORITHM, false, ['sign', 'verify']);

/** The user whom a test signs in. Absent fields get values of their own. */
export interface TestUser {
  /** A UUID in lower case. */
  readonly userId?: string | undefined;
  readonly externalId?: string | undefined;
  /** Default: `user`. */
  readonly role?: string | undefined;
  /** The token family, a UUID in lower case. A principal by session has none. */
  readonly sid?: string | undefined;
  /** Default: `bearer`. */
  readonly scheme?: Principal['scheme'] | undefined;
}

export interface TestTokenOptions {
  /** The time until the token expires, in seconds (default: 900). A negative number makes an expired token. */
  readonly expiresIn?: number;
}

export interface TestKitOptions {
  /** The audience of the tokens. Default: `api`. */
  readonly audience?: string;
  /** The name of the session cookie. Default: `session_id`. */
  readonly cookie?: string;
}

/** Principals, tokens and sessions for the tests of a service, without a server. */
export interface TestKit {
  /** Accepts what this kit makes and nothing else. For `requireAuth`, `tandemAuth` and `TandemModule.forRoot({ verifier })`. */
  readonly verifier: Verifier;
  /** The principal that a handler gets for this user. */
  principal(user?: TestUser): Principal;
  /** An access token. */
  token(user?: TestUser, options?: TestTokenOptions): Promise<string>;
  /** The headers of a request by this user: `authorization`, or `cookie` for the scheme `session`. */
  headers(user?: TestUser): Promise<Record<string, string>>;
  /** Revokes the user: from now on every token gets 401 `token_revoked`, and every session 401 `session_invalid`. */
  revoke(userId: string): void;
}

/** Creates a test kit. Its keys exist only in this process. Its methods throw a TypeError for users who cannot exist. */
export async function createTestKit({
  audience = 'api',
  cookie = 'session_id',
}: TestKitOptions = {}): Promise<TestKit> {
  keyPair ??= generateKeyPair();
  return new LocalKit(await keyPair, audience, cookie);
}

class LocalKit implements TestKit {
  readonly verifier: Verifier;
  private readonly sessions = new Map<string, Principal>();
  private readonly revoked = new Set<string>();

  constructor(
    private readonly pair: Awaited<ReturnType<typeof generateKeyPair>>,
    private readonly audience: string,
    private readonly cookie: string,
  ) {
    const key = { publicKey: pair.publicKey, former: false };
    const keys: KeySource = {
      get: (kid) => (kid === KID ? key : undefined),
      find: (kid) => Promise.resolve(keys.get(kid)),
    };
    const tokens = new TokenVerifier({
      issuer: TEST_ISSUER,
      audience,
      keys,
      revocations: {
        isFresh: () => true,
        isRevoked: ({ claims }) => this.revoked.has(claims.sub),
        databaseTime: () => Date.now() / 1000,
      },
    });
    const sessions = { principalOf: (request: PresentedRequest) => this.sessionOf(request) };
    this.verifier = {
      verify: (request) => principalOfRequest({ tokens, sessions }, request),
      ready: () => Promise.resolve(),
      close: () => undefined,
    };
  }

  principal({
    userId = crypto.randomUUID(),
    externalId,
    role = 'user',
    sid,
    scheme = 'bearer',
  }: TestUser = {}): Principal {
    check('userId', isId(userId));
    check('externalId', externalId === undefined || isStoredExternalId(externalId));
    check('role', isRole(role));
    const family = scheme === 'session' ? sid : (sid ?? crypto.randomUUID());
    check('sid', scheme === 'session' ? family === undefined : isId(family));
    return Object.freeze({
      userId,
      ...(externalId !== undefined && { externalId }),
      role,
      ...(family !== undefined && { sid: family }),
      scheme,
    });
  }

  async token(user: TestUser = {}, { expiresIn = 900 }: TestTokenOptions = {}): Promise<string> {
    const { userId: sub, externalId, role, sid } = this.principal({ ...user, scheme: 'bearer' });
    const now = Math.floor(Date.now() / 1000);
    // A token that has expired was issued before that.
    const iat = Math.min(now, now + expiresIn - 1);
    const claims = {
      iss: TEST_ISSUER,
      aud: this.audience,
      sub,
      role,
      sid,
      jti: makeJti({ generation: 1, epoch: 0 }),
      iat,
      exp: now + expiresIn,
      ...(externalId !== undefined && { external_id: externalId }),
    };
    const input = `${encode({ alg: 'RS256', typ: 'at+jwt', kid: KID })}.${encode(claims)}`;
    const signature = await crypto.subtle.sign(
      KEY_ALGORITHM.name,
      this.pair.privateKey,
      encoder.encode(input),
    );
    return `${input}.${toBase64url(new Uint8Array(signature))}`;
  }

  async headers(user: TestUser = {}): Promise<Record<string, string>> {
    if (user.scheme !== 'session') return { authorization: `Bearer ${await this.token(user)}` };
    const id = crypto.randomUUID();
    this.sessions.set(id, this.principal(user));
    return { cookie: `${this.cookie}=${id}` };
  }

  revoke(userId: string): void {
    this.revoked.add(userId);
  }

  private async sessionOf({ header }: PresentedRequest): Promise<Principal | undefined> {
    const pairs = (header('cookie') ?? '').split(';').map((pair) => pair.trim());
    const pair = pairs.find((text) => text.startsWith(`${this.cookie}=`));
    if (pair === undefined) return undefined;
    const principal = this.sessions.get(pair.slice(this.cookie.length + 1));
    if (principal === undefined || this.revoked.has(principal.userId))
      throw new AuthError(401, 'session_invalid');
    return Promise.resolve(principal);
  }
}

function encode(value: unknown): string {
  return toBase64url(encoder.encode(JSON.stringify(value)));
}

function check(option: string, good: boolean): void {
  if (!good) throw new TypeError(`no user of Tandem can have this ${option}`);
}
