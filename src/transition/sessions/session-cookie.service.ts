import '@fastify/cookie';
import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CONFIG } from '../../config/config.js';
import type { Config } from '../../config/config.js';
import { claimedSid, signSid, unsignSid } from './session-signature.js';

/** The cookie as express-session keeps it in the session, in `sess.cookie`. */
export interface StoredCookie {
  /** Milliseconds; null: until the browser closes. */
  readonly originalMaxAge?: number | null;
  readonly expires?: string | null;
  readonly secure?: boolean | string | null;
  readonly httpOnly?: boolean | null;
  readonly domain?: string | null;
  readonly path?: string | null;
  readonly sameSite?: boolean | string | null;
}

/** A session cookie that a request carries; without `sid` it is none of ours, or not the only one. */
export interface PresentedCookie {
  readonly sid: string | undefined;
}

/** Characters of a cookie's value; browsers keep no more. */
const LONGEST = 4096;

/** Reads and writes the cookie that holds a session's id. */
@Injectable()
export class SessionCookie {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** Whether the request carries one of that name, good or bad. */
  isIn(request: FastifyRequest): boolean {
    return valuesOf(request.headers.cookie, this.config.sessionCookieName).length > 0;
  }

  /** Undefined if the request has none of that name. Two of them are as bad as a forged one: one may be somebody else's. */
  in(request: FastifyRequest): PresentedCookie | undefined {
    const values = valuesOf(request.headers.cookie, this.config.sessionCookieName);
    const [value] = values;
    if (value === undefined) return undefined;
    const readable = values.length === 1 && value.length <= LONGEST;
    const sid = readable ? unsignSid(decode(value), this.config.sessionSecret) : undefined;
    // PostgreSQL holds no NUL.
    return { sid: sid?.includes('\0') === true ? undefined : sid };
  }

  /**
   * The one id that a Cookie header names, and whether this node's secret signed it. For judging refusals afterwards: an id that
   * is not signed lets nobody in.
   */
  claimIn(header: string): { readonly sid: string; readonly signed: boolean } | undefined {
    const values = valuesOf(header, this.config.sessionCookieName);
    if (values.length !== 1 || values[0]!.length > LONGEST) return undefined;
    const value = decode(values[0]!);
    const sid = claimedSid(value);
    return sid === undefined || sid.includes('\0') || !sid.isWellFormed()
      ? undefined
      : { sid, signed: unsignSid(value, this.config.sessionSecret) !== undefined };
  }

  /** What a session that begins here keeps of its cookie. `expires` in milliseconds. */
  stored(expires: number, like: StoredCookie = {}): StoredCookie {
    return {
      originalMaxAge: this.config.sessionExpiry * 1000,
      expires: new Date(expires).toISOString(),
      secure: this.config.production,
      httpOnly: true,
      path: like.path ?? '/',
      sameSite: 'lax',
      ...(like.domain == null ? {} : { domain: like.domain }),
    };
  }

  /** `maxAge` in seconds; left out, the browser keeps the cookie until it closes. */
  set(reply: FastifyReply, sid: string, stored: StoredCookie, maxAge: number | undefined): void {
    const { sessionCookieName, sessionSecret } = this.config;
    reply.setCookie(sessionCookieName, signSid(sid, sessionSecret), {
      ...attributesOf(stored),
      ...(maxAge === undefined ? {} : { maxAge }),
    });
  }

  clear(reply: FastifyReply, stored: StoredCookie): void {
    reply.clearCookie(this.config.sessionCookieName, attributesOf(stored));
  }
}

function attributesOf({ secure, httpOnly, domain, path, sameSite }: StoredCookie) {
  return {
    httpOnly: httpOnly !== false,
    secure: secure === true,
    path: path ?? '/',
    ...(domain == null ? {} : { domain }),
    ...(isSameSite(sameSite) ? { sameSite } : {}),
  };
}

function isSameSite(value: unknown): value is 'lax' | 'strict' | 'none' | true {
  return value === 'lax' || value === 'strict' || value === 'none' || value === true;
}

/** All values that a Cookie header has for the name, quotes taken off (RFC 6265, section 5.4). */
function valuesOf(header: string | undefined, name: string): string[] {
  if (header === undefined || !header.includes(name)) return [];
  const values: string[] = [];
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    values.push(
      value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value,
    );
  }
  return values;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
