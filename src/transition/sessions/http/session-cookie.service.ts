import '@fastify/cookie';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CONFIG } from '../../../config/config.js';
import { cookieValues } from '../../../common/http/http.js';
import type { TransitionConfig } from '../../transition.settings.js';
import { isHostPrefixed } from '../../transition.settings.js';
import { needsSecure } from '../stores/express-session.codec.js';
import type { StoredCookie } from '../stores/express-session.codec.js';
import { codecOf } from './cookie-codec.js';
import type { CookieCodec } from './cookie-codec.js';

/** The session cookies that a request carries. */
export interface PresentedCookies {
  /** The distinct ids of those that we signed. There are several if somebody else set a cookie too. */
  readonly sids: readonly string[];
}

/** The longest lifetime of a cookie, in seconds. Browsers keep no cookie longer (RFC 6265bis). */
const LONGEST_LIFE = 400 * 86_400;

/** Characters of a cookie's value; browsers keep no more. */
const LONGEST = 4096;

/** Cookies of one request that count. Each costs a query, and without a signature anybody can write one. */
const MOST = 8;

/** Reads and writes the cookie with the session's id. */
@Injectable()
export class SessionCookieService {
  private readonly codec: CookieCodec;

  constructor(@Inject(CONFIG) private readonly config: TransitionConfig) {
    this.codec = codecOf(config);
  }

  /** Whether the request carries a cookie of that name, valid or not. */
  isIn(request: FastifyRequest): boolean {
    return this.valuesIn(request.headers.cookie).length > 0;
  }

  /** Whether the request may carry a session. No I/O. */
  mayBeIn(request: FastifyRequest): boolean {
    return this.codec.opaque ? this.isIn(request) : (this.presentedIn(request)?.sids.length ?? 0) > 0;
  }

  /** The values of the session cookies, as the request carries them. */
  valuesOf(request: FastifyRequest): readonly string[] {
    return this.valuesIn(request.headers.cookie);
  }

  /** Returns the session cookies of a request; undefined if it has none of that name. Cookies that we did not sign are ignored. */
  presentedIn(request: FastifyRequest): PresentedCookies | undefined {
    const values = this.valuesIn(request.headers.cookie);
    if (values.length === 0) return undefined;
    return { sids: [...new Set(values.flatMap((value) => this.sidOf(value) ?? []))].slice(0, MOST) };
  }

  /**
   * The one id that a Cookie header names, and whether our secret signed it. For the report on refusals only: an unsigned id must not
   * authenticate anybody. Undefined if the header names several.
   */
  claimIn(header: string): { readonly sid: string; readonly signed: boolean } | undefined {
    const claims = new Map<string, boolean>();
    for (const value of this.valuesIn(header)) {
      const sid = value.length > LONGEST ? undefined : this.codec.claimed(decode(value));
      if (sid === undefined || sid.includes('\0') || !sid.isWellFormed()) continue;
      claims.set(sid, claims.get(sid) === true || this.sidOf(value) !== undefined);
    }
    const signed = [...claims].filter(([, isSigned]) => isSigned);
    const [claim, ...others] = signed.length > 0 ? signed : claims;
    return claim === undefined || others.length > 0 ? undefined : { sid: claim[0], signed: claim[1] };
  }

  /** Whether a Cookie header has a value in the form of a signed cookie, with any signature. */
  hasSignedForm(header: string): boolean {
    return (
      this.codec.opaque ||
      this.valuesIn(header).some((value) => this.codec.claimed(decode(value)) !== undefined)
    );
  }

  /**
   * The attributes of a new session's cookie. `expires` in milliseconds. If the browser has a session cookie, the new one takes over the
   * attributes of that (`like`): with another domain, path or partition the browser would keep both. It is always HttpOnly.
   */
  attributesFor(expires: number, like: StoredCookie = {}): StoredCookie {
    const { sessionCookieName: name, sessionExpiry, sessionCookieSecure } = this.config;
    const known = like.path !== undefined || like.domain !== undefined;
    const { domain, path, partitioned, sameSite, priority } = known ? like : this.configured();
    const attributes = {
      path: path ?? '/',
      sameSite: sameSite ?? this.config.sessionCookieSameSite,
      ...(domain === undefined ? {} : { domain }),
      ...(priority === undefined ? {} : { priority }),
      ...(partitioned === true ? { partitioned } : {}),
    };
    const wanted = like.secure === undefined || like.secure === false ? sessionCookieSecure : like.secure;
    return {
      originalMaxAge: sessionExpiry * 1000,
      expires: new Date(expires).toISOString(),
      secure: needsSecure(attributes, name) || wanted,
      httpOnly: true,
      ...attributes,
    };
  }

  /** `maxAge` in seconds. Without it, the browser keeps the cookie until it closes. */
  set(reply: FastifyReply, sid: string, stored: StoredCookie, maxAge: number | undefined): void {
    const { sessionCookieName, sessionSecret } = this.config;
    reply.setCookie(sessionCookieName, this.codec.write(sid, sessionSecret), {
      ...this.attributesOf(stored, reply),
      ...(maxAge === undefined ? {} : { maxAge: Math.min(maxAge, LONGEST_LIFE) }),
    });
  }

  clear(reply: FastifyReply, stored: StoredCookie): void {
    reply.clearCookie(this.config.sessionCookieName, this.attributesOf(stored, reply));
  }

  private configured(): StoredCookie {
    const { sessionCookieDomain: domain, sessionCookiePath: path, sessionCookiePartitioned } = this.config;
    return { path, partitioned: sessionCookiePartitioned, ...(domain === undefined ? {} : { domain }) };
  }

  /** The attributes of the row, except those that browsers would refuse. Without SameSite in the row, the cookie has none. */
  private attributesOf(stored: StoredCookie, { request }: FastifyReply) {
    const { sessionCookieName: name, production } = this.config;
    const { secure, httpOnly, domain, path = '/', sameSite, priority, partitioned } = stored;
    const hostBound = isHostPrefixed(name);
    const overTls = production || request.protocol === 'https';
    return {
      httpOnly: httpOnly !== false,
      secure: needsSecure(stored, name) || (secure === 'auto' ? overTls : secure === true),
      path: hostBound ? '/' : path,
      sameSite: sameSite ?? false,
      ...(domain === undefined || hostBound ? {} : { domain }),
      ...(priority === undefined ? {} : { priority }),
      ...(partitioned === true ? { partitioned } : {}),
    };
  }

  private valuesIn(header: string | undefined): string[] {
    return cookieValues(header, this.config.sessionCookieName);
  }

  /** Returns the session id in a cookie; undefined if we did not sign the value or PostgreSQL cannot store it. */
  private sidOf(value: string): string | undefined {
    if (value.length > LONGEST) return undefined;
    const { sessionSecret, sessionSecretsPrevious } = this.config;
    const text = decode(value);
    for (const secret of [sessionSecret, ...sessionSecretsPrevious]) {
      const sid = this.codec.verify(text, secret);
      if (sid !== undefined) return sid.includes('\0') ? undefined : sid;
    }
    return undefined;
  }
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
