import { createAuthClient } from '@tandem-auth/client';
import type { AuthClient } from '@tandem-auth/client';
import { ApiError, errorIn, unanswered } from './api-error.js';
import { learnTime } from './clock.js';
import type { Routes } from './openapi.js';

/** Where the API is: the folder above the console, whatever the path prefix is. */
const BASE = new URL('..', document.baseURI);

/** Keeps the administrator signed in. The refresh token is in a cookie that scripts cannot read. */
export const auth: AuthClient = createAuthClient({ baseUrl: BASE, delivery: 'cookie' });

export type Route = keyof Routes;
export type Answer<R extends Route> = Routes[R]['answer'];
type Value = string | number | boolean | readonly string[] | null | undefined;

export interface CallOptions<R extends Route> {
  /** Values of the `{…}` in the path. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Routes[R]['query'];
  readonly body?: Routes[R]['body'];
  readonly signal?: AbortSignal;
  readonly accept?: string;
}

/** Calls a route of the API and returns its answer. Throws {@link ApiError}, and nothing else, unless it was aborted. */
export async function call<R extends Route>(route: R, options: CallOptions<R> = {}): Promise<Answer<R>> {
  const response = await send(route, options);
  const text = await textOf(response, options.signal);
  return (text === '' ? undefined : JSON.parse(text)) as Answer<R>;
}

/** Calls a route like {@link call}, and returns the response, so that the caller can read it while it arrives. */
export async function send<R extends Route>(route: R, options: CallOptions<R> = {}): Promise<Response> {
  const [method, path] = route.split(' ') as [string, string];
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(options.path![name]!));
  const url = `${filled.slice(1)}${queryOf(options.query)}`;
  const { body, signal, accept = 'application/json' } = options;
  const headers: Record<string, string> = { Accept: accept };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await auth.fetch(url, {
      method,
      headers,
      cache: 'no-store',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw error instanceof Error && 'status' in error ? fromAuth(error as never) : unanswered();
  }
  learnTime(response.headers.get('Date'));
  if (response.ok) return response;
  throw errorIn(response, await textOf(response, signal));
}

/** `?a=1&b=2`, without what is undefined. */
export function queryOf(query: object | undefined): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Record<string, Value>)) {
    if (value !== undefined && value !== null && value !== '') given.set(name, String(value));
  }
  const text = given.toString();
  return text === '' ? '' : `?${text}`;
}

async function textOf(response: Response, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unanswered();
  }
}

/** The refresh before the call failed. */
function fromAuth({
  status,
  code,
  retryAfter,
}: {
  status: number;
  code: string;
  retryAfter: number;
}): ApiError {
  return new ApiError(status, code, 'Your login could not be renewed just now.', null, retryAfter);
}
